"""Flow in 8 bits: clipped at +-bound and scaled linearly onto 0..255, as the two-stream papers store it."""

import numpy as np

LEVELS = 255


def quantise(flow: np.ndarray, bound: float) -> np.ndarray:
    """float pixels, any shape -> uint8; -bound is 0, +bound is 255, what lies beyond is clipped."""
    scaled = (np.clip(flow, -bound, bound) + bound) * (LEVELS / (2 * bound))
    return np.rint(scaled).astype(np.uint8)


def dequantise(levels: np.ndarray, bound: float) -> np.ndarray:
    """uint8 -> float32 pixels; at most bound/255 from what was quantised, if that lay within the bound.

    No level stands for zero exactly: still pixels (level 128) come back as bound/255.
    """
    return levels.astype(np.float32) * np.float32(2 * bound / LEVELS) - np.float32(bound)
