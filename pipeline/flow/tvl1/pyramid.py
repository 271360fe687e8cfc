"""The image pyramid of a frame, with the gradients of every level."""

from typing import NamedTuple

import cv2
import numpy as np

from pipeline.flow.tvl1.compile import kernel
from pipeline.flow.tvl1.warp import BORDER, CHANNELS

SMALLEST_SIDE = 16  # of all levels but the finest
ALIGN = 64  # bytes of a cache line and of a vector


class Level(NamedTuple):
    """One level of one frame, in two forms: as the first and as the second image of a pair."""

    grey: np.ndarray  # flat plane, H + 1 rows of `stride` floats
    sampled: np.ndarray  # flat, (H + 2 BORDER, W + 2 BORDER, CHANNELS): I, Ix, Iy, 0, with a border of zeros


def level_sizes(height: int, width: int, scales: int, step: float) -> list[tuple[int, int]]:
    """(H, W) of every level, finest first, rounded as in OpenCV: each from the previous one, half to even."""
    levels = [(height, width)]
    while len(levels) < scales:
        coarser = (round(levels[-1][0] * step), round(levels[-1][1] * step))
        if min(coarser) < SMALLEST_SIDE:
            break
        levels.append(coarser)
    return levels


def empty_level(height: int, width: int) -> Level:
    """A level that `fill_pyramid` fills, for one frame after the other."""
    return Level(
        aligned_zeros((height + 1) * stride(width)),
        aligned_zeros((height + 2 * BORDER) * (width + 2 * BORDER) * CHANNELS),
    )


def fill_pyramid(levels: list[Level], frame: np.ndarray, step: float) -> None:
    """Fill `levels`, finest first, from `frame`, uint8 (H, W): each level is the previous one, resized linearly."""
    image: np.ndarray = frame.astype(np.float32)
    for index, level in enumerate(levels):
        if index:  # by the step and not the size, which is rounded
            image = cv2.resize(image, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
        height, width = image.shape
        sampled = level.sampled.reshape(height + 2 * BORDER, width + 2 * BORDER, CHANNELS)
        fill_level(image, level.grey.reshape(height + 1, -1), sampled)


@kernel
def fill_level(image, plane, sampled):
    """Fill both forms of a level. Gradients are central differences, with the border pixels replicated."""
    half = np.float32(0.5)
    h, w = image.shape
    for y in range(h):
        above, row, below = image[max(y - 1, 0)], image[y], image[min(y + 1, h - 1)]
        pixels = sampled[y + BORDER, BORDER:]
        for x in range(w):
            plane[y, x] = row[x]
            pixels[x, 0] = row[x]
            pixels[x, 1] = (row[min(x + 1, w - 1)] - row[max(x - 1, 0)]) * half
            pixels[x, 2] = (below[x] - above[x]) * half


def stride(width: int) -> int:
    """Floats from one row of a plane to the next: the smallest multiple of 16 that is larger than `width`."""
    return (width // 16 + 1) * 16


def aligned_zeros(count: int) -> np.ndarray:
    """`count` float zeros, aligned to a cache line."""
    raw = np.zeros(count + ALIGN // 4, np.float32)
    skip = -raw.ctypes.data % ALIGN // 4
    return raw[skip : skip + count]
