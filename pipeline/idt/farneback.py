"""Dense flow by polynomial expansion (Farneback, SCIA 2003), the flow that the original trajectories follow.

A frame is expanded once at each scale, for the two pairs it belongs to. The arithmetic is that of OpenCV's
calcOpticalFlowFarneback (poly_n 7, poly_sigma 1.5, winsize 10, 2 iterations), in vectors of 16 pixels. Planes are flat
arrays with `stride` floats a row, so that vectors may read past the last pixel of a row.
"""

from typing import NamedTuple

import cv2
import numpy as np

from pipeline.flow.tvl1.vector import LANES
from pipeline.idt.farneback_kernels import CHANNELS, MARGIN, RADIUS, RING, expand, iterate

SIGMA = 1.5
ITERATIONS = 2
# OpenCV's confidence in the pixels nearest the border, whose polynomials are fitted beyond it.
BORDER = np.array([0.14, 0.14, 0.4472, 0.4472, 0.4472], np.float32)


class Expansion(NamedTuple):
    """The polynomial around each pixel: coefficients of y, x, y^2, x^2 and xy, as planes and interleaved."""

    planes: np.ndarray  # flat, 5 planes of height x stride
    interleaved: np.ndarray  # flat, CHANNELS floats a pixel, width + 1 pixels a row, height + 1 rows


class Solver:
    """Computes expansions and flows of one size; its scratch arrays are reused for every pair."""

    def __init__(self, height: int, width: int) -> None:
        self.size = (height, width, stride(width))
        length = self.size[2]
        self._rows, self._wide = (np.zeros(n * (length + 2 * MARGIN), np.float32) for n in (3, 5))
        self._picture, self._trust = (np.zeros((1, height, length), np.float32) for _ in range(2))
        self._ring = np.zeros(5 * RING * length, np.float32)
        self._trust[0, :, :width] = np.outer(confidence(height), confidence(width))
        self._field = np.zeros((2, height, length), np.float32)
        self._weights, self._inverse = basis()

    def expand(self, picture: np.ndarray, reused: Expansion | None = None) -> Expansion:
        """The expansion of a float32 picture (H, W), written into `reused` if given."""
        height, width, length = self.size
        expansion = reused or Expansion(
            np.zeros(5 * height * length, np.float32), np.zeros((height + 1) * (width + 1) * CHANNELS, np.float32)
        )
        self._picture[0, :, :width] = picture
        expand(self._picture.ravel(), self._rows, self._weights, self._inverse, *expansion, self.size)
        return expansion

    def flow(self, first: Expansion, second: Expansion, start: np.ndarray | None) -> np.ndarray:
        """Median-filtered (5 x 5) flow, float32 (2, H, W), x then y; `start` is the flow of a coarser scale."""
        height, width, _ = self.size
        self._set_start(start)
        u, v = (part.ravel() for part in self._field)
        for _ in range(ITERATIONS):
            iterate(first.planes, second.interleaved, u, v, self._trust.ravel(), self._ring, self._wide, self.size)
        result = np.empty((2, height, width), np.float32)
        for part, filtered in zip(self._field, result, strict=True):
            cv2.medianBlur(part[:, :width], 5, dst=filtered)
        return result

    def _set_start(self, start: np.ndarray | None) -> None:
        height, width, _ = self.size
        self._field[:] = 0
        for axis, part in enumerate(self._field if start is not None else ()):
            factor = (width, height)[axis] / start.shape[2 - axis]  # type: ignore[union-attr]
            cv2.resize(start[axis], (width, height), dst=part[:, :width])  # type: ignore[index]
            part *= np.float32(factor)


def stride(width: int) -> int:
    """Floats from one row to the next."""
    return -(-width // LANES) * LANES


def basis() -> tuple[np.ndarray, np.ndarray]:
    """Weights g, xg, xxg of the taps 0 to RADIUS, (3, 8), and the needed entries of the inverse normal matrix."""
    x = np.arange(-RADIUS, RADIUS + 1)
    g = np.exp(-(x**2) / (2 * SIGMA**2))
    g /= g.sum()
    moment = [(g * x**power).sum() for power in (0, 2, 4)]
    g2 = moment[1]
    # Unknowns 1, x, y, x^2, y^2, xy under the weights g(x) g(y).
    normal = np.zeros((6, 6))
    normal[0, 0], normal[1, 1], normal[2, 2], normal[5, 5] = 1, g2, g2, g2**2
    normal[3, 3] = normal[4, 4] = moment[2]
    normal[3, 4] = normal[4, 3] = g2**2
    normal[0, 3] = normal[3, 0] = normal[0, 4] = normal[4, 0] = g2
    inverse = np.linalg.inv(normal)
    taps = np.stack([g, x * g, x * x * g])[:, RADIUS:].astype(np.float32)
    return taps, np.array([inverse[1, 1], inverse[0, 3], inverse[3, 3], inverse[5, 5]], np.float32)


def confidence(side: int) -> np.ndarray:
    """The confidence in each pixel along one side: 1, and less near the ends."""
    trust = np.ones(side, np.float32)
    for at, value in enumerate(BORDER[: side // 2]):
        trust[at] *= value
        trust[-1 - at] *= value
    return trust
