"""Scales of a frame, and flow between frames at every scale, with and without the camera's motion."""

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.flow import tvl1
from pipeline.idt.camera import Camera, CameraFeatures
from pipeline.idt.farneback import Expansion, Solver
from pipeline.idt.parameters import SCALE_STEP, Parameters

Field = np.ndarray  # float32 (2, H, W), x then y, in pixels of its scale


def scale_sizes(height: int, width: int, parameters: Parameters) -> list[tuple[int, int]]:
    """(H, W) of every scale, finest first; an empty list where a patch is larger than the frame."""
    result: list[tuple[int, int]] = []
    while len(result) < parameters.scales and min(height, width) / SCALE_STEP ** len(result) >= parameters.patch:
        result.append((round(height / SCALE_STEP ** len(result)), round(width / SCALE_STEP ** len(result))))
    return result


class Frame:
    """A grey frame, uint8 (H, W), at every scale, with its features; its `expansions` serve Farneback's flow.

    `unused` is a frame that is no longer needed: its expansions are overwritten to save an allocation.
    """

    def __init__(self, grey: np.ndarray, motion: "MotionEstimator", unused: "Frame | None" = None) -> None:
        self.grey = grey
        self.scales = [grey]
        for height, width in motion.sizes[1:]:
            self.scales.append(cv2.resize(self.scales[-1], (width, height), interpolation=cv2.INTER_LINEAR))
        self.expansions: list[Expansion] = motion.expand(grey, unused.expansions if unused else ())
        self.features: CameraFeatures = motion.camera.detect(grey)


class MotionEstimator:
    """Computes flow between frames of one size, and rectified flow: that without the camera's motion."""

    def __init__(self, height: int, width: int, parameters: Parameters) -> None:
        self.sizes = scale_sizes(height, width, parameters)
        self.tvl1 = parameters.flow == "tvl1"
        self.camera = Camera(parameters.features)
        self._solvers = [] if self.tvl1 else [Solver(*size) for size in self.sizes]
        self._stabilised: list[Expansion] = []

    def flow(self, first: Frame, second: Frame) -> tuple[list[Field], list[Field]]:
        """(flow, rectified flow) at every scale; they are the same where no homography is found."""
        flow = self._flow(first.grey, second.grey, first.expansions, second.expansions)
        homography = self.camera.homography(first.features, second.features, flow[0])
        if homography is None:
            return flow, flow
        stabilised = stabilise(first.grey, second.grey, homography)
        self._stabilised = self.expand(stabilised, self._stabilised)
        return flow, self._flow(first.grey, stabilised, first.expansions, self._stabilised)

    def expand(self, grey: np.ndarray, reused: Sequence[Expansion] = ()) -> list[Expansion]:
        """The polynomial expansion of every scale, each resized from the blurred full picture as OpenCV does.

        `reused` are expansions to overwrite.
        """
        expansions, picture = [], grey.astype(np.float32)
        for number, solver in enumerate(self._solvers):
            sigma = (SCALE_STEP**number - 1) / 2
            side = max(round(5 * sigma) | 1, 3)
            scale = cv2.GaussianBlur(picture, (side, side), sigma)
            if number:
                scale = cv2.resize(scale, self.sizes[number][::-1], interpolation=cv2.INTER_LINEAR)
            expansions.append(solver.expand(scale, reused[number] if reused else None))
        return expansions

    def _flow(self, first: np.ndarray, second: np.ndarray, one: list[Expansion], two: list[Expansion]) -> list[Field]:
        if self.tvl1:
            (full,) = tvl1.flow(np.stack([first, second]), backend="cpu", threads=1)
            full = np.stack([cv2.medianBlur(np.ascontiguousarray(part), 5) for part in full])
            return [resize_flow(full, size) for size in self.sizes]
        field, fields = None, []
        for number in reversed(range(len(self.sizes))):
            field = self._solvers[number].flow(one[number], two[number], field)
            fields.append(field)
        return fields[::-1]


def resize_flow(field: Field, size: tuple[int, int]) -> Field:
    """A flow field resized to another scale, in pixels of that scale."""
    height, width = field.shape[1:]
    if size == (height, width):
        return field
    factors = (size[1] / width, size[0] / height)
    parts = zip(field, factors, strict=True)
    return np.stack([cv2.resize(part, size[::-1], interpolation=cv2.INTER_LINEAR) * factor for part, factor in parts])


def stabilise(first: np.ndarray, second: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """The second frame warped to the first camera position; pixels outside of it are taken from the first frame."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(
        second, homography, first.shape[::-1], first.copy(), flags=flags, borderMode=cv2.BORDER_TRANSPARENT
    )
