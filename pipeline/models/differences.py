"""Clip pairs of FstCN (Sun et al. 2015, Figure 2): pictures at a stride, and how each one changes."""

import numpy as np

DISTANCE = 9  # d_t, pictures between the two of a difference
STRIDE = 5  # s_t, pictures between two of a clip


def pictures(
    start: int, length: int, count: int, stride: int = STRIDE, distance: int = DISTANCE
) -> tuple[list[int], list[int]]:
    """The pictures of a clip at `start`, and those that its differences are to; past the end the last is held."""
    here = range(start, start + length * stride, stride)
    return [min(number, count - 1) for number in here], [min(number + distance, count - 1) for number in here]


def pair(
    video: np.ndarray, start: int, length: int, stride: int = STRIDE, distance: int = DISTANCE
) -> tuple[np.ndarray, np.ndarray]:
    """V_clip and V_clip_diff(t) = |V(t) - V(t + d_t)| for every t of a clip. (T, C, H, W) -> (length, C, H, W) twice"""
    here, later = (
        video[numbers].astype(np.float32) for numbers in pictures(start, length, len(video), stride, distance)
    )
    return here, np.abs(here - later)
