"""What one frame contributes, whichever pair it is in: its pyramid, and every level's gradients."""

from typing import NamedTuple

import cv2
import numpy as np

from pipeline.flow.tvl1.compile import kernel
from pipeline.flow.tvl1.warp import BORDER, CHANNELS

SMALLEST_SIDE = 16  # no level but the finest has a shorter side
ALIGN = 64  # bytes: a line of the cache, a vector


class Level(NamedTuple):
    """One level of one frame: as a pair's first image and as its second."""

    grey: np.ndarray  # flat plane, (H + 1) rows of stride floats
    sampled: np.ndarray  # flat, (H + 2 BORDER, W + 2 BORDER, CHANNELS): I, Ix, Iy, 0, with a border of zeros


def level_sizes(height: int, width: int, scales: int, step: float) -> list[tuple[int, int]]:
    """(H, W) of every level, finest first, as OpenCV rounds them: each from the one before, half to even."""
    levels = [(height, width)]
    while len(levels) < scales:
        coarser = (round(levels[-1][0] * step), round(levels[-1][1] * step))
        if min(coarser) < SMALLEST_SIDE:
            break
        levels.append(coarser)
    return levels


def empty_level(height: int, width: int) -> Level:
    """A level to be filled, frame after frame."""
    return Level(
        aligned_zeros((height + 1) * stride(width)),
        aligned_zeros((height + 2 * BORDER) * (width + 2 * BORDER) * CHANNELS),
    )


def fill_pyramid(levels: list[Level], frame: np.ndarray, step: float) -> None:
    """Make `levels`, finest first, those of `frame`, uint8 (H, W): each the one before, resized linearly."""
    image: np.ndarray = frame.astype(np.float32)
    for index, level in enumerate(levels):
        if index:  # given the step, not the size: the two differ by the rounding
            image = cv2.resize(image, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
        height, width = image.shape
        sampled = level.sampled.reshape(height + 2 * BORDER, width + 2 * BORDER, CHANNELS)
        fill_level(image, level.grey.reshape(height + 1, -1), sampled)


@kernel
def fill_level(image, plane, sampled):
    """Both forms of a level from its grey values; differences are central, at the border halves of one-sided ones."""
    half = np.float32(0.5)
    h, w = image.shape
    for y in range(h):
        above, here, below = image[max(y - 1, 0)], image[y], image[min(y + 1, h - 1)]
        pixels = sampled[y + BORDER, BORDER:]
        for x in range(w):
            plane[y, x] = here[x]
            pixels[x, 0] = here[x]
            pixels[x, 1] = (here[min(x + 1, w - 1)] - here[max(x - 1, 0)]) * half
            pixels[x, 2] = (below[x] - above[x]) * half


def stride(width: int) -> int:
    """Floats from one row of a plane to the next: a multiple of 16 that leaves a column free."""
    return (width // 16 + 1) * 16


def aligned_zeros(count: int) -> np.ndarray:
    """`count` float zeros that start on a cache line."""
    raw = np.zeros(count + ALIGN // 4, np.float32)
    skip = -raw.ctypes.data % ALIGN // 4
    return raw[skip : skip + count]
