"""What one frame contributes, whichever pair it is in: its scales, their expansions, what its camera is matched by."""

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.flow import tvl1
from pipeline.idt.camera import Camera, Seen
from pipeline.idt.farneback import Expansion, Solver
from pipeline.idt.parameters import STEP, Parameters

Field = np.ndarray  # float32 (2, H, W), x then y, in pixels of its scale


def sizes(height: int, width: int, parameters: Parameters) -> list[tuple[int, int]]:
    """(H, W) of every scale, finest first; none where a patch is larger than the frame."""
    found: list[tuple[int, int]] = []
    while len(found) < parameters.scales and min(height, width) / STEP ** len(found) >= parameters.patch:
        found.append((round(height / STEP ** len(found)), round(width / STEP ** len(found))))
    return found


class Frame:
    """A grey frame, uint8 (H, W), at every scale. `expansions` are there for Farneback's flow alone.

    `memory` is a frame that is not needed any more: its expansions are overwritten.
    """

    def __init__(self, grey: np.ndarray, motion: "Motion", memory: "Frame | None" = None) -> None:
        self.grey = grey
        self.scales = [grey]
        for height, width in motion.sizes[1:]:
            self.scales.append(cv2.resize(self.scales[-1], (width, height), interpolation=cv2.INTER_LINEAR))
        self.expansions: list[Expansion] = motion.expand(grey, memory.expansions if memory else ())
        self.seen: Seen = motion.camera.see(grey)


class Motion:
    """Flow between frames of one size, and the same flow without the camera's part."""

    def __init__(self, height: int, width: int, parameters: Parameters) -> None:
        self.sizes = sizes(height, width, parameters)
        self.tvl1 = parameters.flow == "tvl1"
        self.camera = Camera(parameters.features)
        self._solvers = [] if self.tvl1 else [Solver(*size) for size in self.sizes]
        self._still: list[Expansion] = []

    def between(self, first: Frame, second: Frame) -> tuple[list[Field], list[Field]]:
        """(flow, rectified flow) at every scale; the second is the first's own where no camera motion is found."""
        flow = self._flow(first.grey, second.grey, first.expansions, second.expansions)
        homography = self.camera.between(first.seen, second.seen, flow[0])
        if homography is None:
            return flow, flow
        still = unmoved(first.grey, second.grey, homography)
        self._still = self.expand(still, self._still)
        return flow, self._flow(first.grey, still, first.expansions, self._still)

    def expand(self, grey: np.ndarray, memory: Sequence[Expansion] = ()) -> list[Expansion]:
        """Every scale's polynomial expansion; each scale is shrunk from the whole picture, blurred as OpenCV does."""
        found, picture = [], grey.astype(np.float32)
        for number, solver in enumerate(self._solvers):
            sigma = (STEP**number - 1) / 2
            side = max(round(5 * sigma) | 1, 3)
            scale = cv2.GaussianBlur(picture, (side, side), sigma)
            if number:
                scale = cv2.resize(scale, self.sizes[number][::-1], interpolation=cv2.INTER_LINEAR)
            found.append(solver.expand(scale, memory[number] if memory else None))
        return found

    def _flow(self, first: np.ndarray, second: np.ndarray, one: list[Expansion], two: list[Expansion]) -> list[Field]:
        if self.tvl1:
            (whole,) = tvl1.flow(np.stack([first, second]), backend="cpu", threads=1)
            whole = np.stack([cv2.medianBlur(np.ascontiguousarray(part), 5) for part in whole])
            return [resized(whole, size) for size in self.sizes]
        field, found = None, []
        for number in reversed(range(len(self.sizes))):
            field = self._solvers[number].flow(one[number], two[number], field)
            found.append(field)
        return found[::-1]


def resized(field: Field, size: tuple[int, int]) -> Field:
    """A field at another scale, its displacements in that scale's pixels."""
    height, width = field.shape[1:]
    if size == (height, width):
        return field
    factors = (size[1] / width, size[0] / height)
    parts = zip(field, factors, strict=True)
    return np.stack([cv2.resize(part, size[::-1], interpolation=cv2.INTER_LINEAR) * factor for part, factor in parts])


def unmoved(first: np.ndarray, second: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """The second frame seen from where the first one's camera stood; what it does not show is the first frame's."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(
        second, homography, first.shape[::-1], first.copy(), flags=flags, borderMode=cv2.BORDER_TRANSPARENT
    )
