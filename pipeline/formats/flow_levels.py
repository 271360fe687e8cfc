"""Flow in 8 bits: clipped at +-bound pixels and scaled linearly to 0..255, as the two-stream papers store it."""

import numpy as np

LEVELS = 255


def quantise(flow: np.ndarray, bound: float) -> np.ndarray:
    """Flow in pixels (float, any shape) -> uint8: -bound becomes 0 and +bound 255; larger motion is clipped."""
    scaled = (np.clip(flow, -bound, bound) + bound) * (LEVELS / (2 * bound))
    return np.rint(scaled).astype(np.uint8)


def dequantise(levels: np.ndarray, bound: float) -> np.ndarray:
    """uint8 -> float32 pixels, at most bound / 255 from the flow that was quantised, if that was within the bound.

    No level is exactly zero: a motion of zero (level 128) becomes bound / 255.
    """
    return levels.astype(np.float32) * np.float32(2 * bound / LEVELS) - np.float32(bound)
