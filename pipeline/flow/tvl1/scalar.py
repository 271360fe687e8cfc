"""The algorithm one pixel at a time, as in the derivation of sweep.py: the readable form.

The vector kernels are tested against it, and the backend `scalar` runs where they do not compile. `warp`, `median` and
`sweep` have the arguments of the vector kernels of the same names; `solve` and `smooth` are those of level.py.
"""

import math
import types
from typing import Any

import numpy as np
from numba import njit

from pipeline.flow.tvl1 import cpu, level
from pipeline.flow.tvl1.compile import OPTIONS, inline, kernel
from pipeline.flow.tvl1.warp import BORDER, CHANNELS, CUBIC, MIN_SQUARE

ONE, HALF = np.float32(1), np.float32(0.5)


@kernel
def sweep(u1, u2, q, data, mask, size, steps):
    """One iteration: all of u, then all of q (see pipeline.flow.tvl1.sweep)."""
    h, w, stride = size
    change = np.float32(0)
    for y in range(h):
        for x in range(w):
            at = y * stride + x
            old1, old2 = u1[at], u2[at]
            f = threshold(old1, old2, data, at, steps[0])
            u1[at] = old1 + f * data[0][at] + steps[1] * divergence(q[0], q[1], x, y, stride)
            u2[at] = old2 + f * data[1][at] + steps[1] * divergence(q[2], q[3], x, y, stride)
            new1, new2 = u1[at] - old1, u2[at] - old2
            change += new1 * new1 + new2 * new2
    for y in range(h):
        for x in range(w):
            update_dual(u1, q[0], q[1], x, y, size, steps[2])
            update_dual(u2, q[2], q[3], x, y, size, steps[2])
    return change


@inline
def threshold(old1, old2, data, at, limit):
    """The factor f of the thresholding step."""
    rho = data[2][at] + data[0][at] * old1 + data[1][at] * old2
    return min(max(rho * data[3][at], -limit), limit)


@inline
def divergence(qx, qy, x, y, stride):
    """div q by backward differences; q is zero beyond the left and the upper border."""
    at = y * stride + x
    left = qx[at - 1] if x > 0 else np.float32(0)
    above = qy[at - stride] if y > 0 else np.float32(0)
    return (qx[at] - left) + (qy[at] - above)


@inline
def update_dual(u, qx, qy, x, y, size, t):
    """q = (q + grad u) / (1 + t |grad u|), with forward differences that are zero at the right and the lower border."""
    h, w, stride = size
    at = y * stride + x
    ux = u[at + 1] - u[at] if x + 1 < w else np.float32(0)
    uy = u[at + stride] - u[at] if y + 1 < h else np.float32(0)
    shrink = ONE / (ONE + t * np.float32(math.sqrt(ux * ux + uy * uy)))
    qx[at] = (qx[at] + ux) * shrink
    qy[at] = (qy[at] + uy) * shrink


@kernel
def warp(first, second, u1, u2, data, taps, size):
    """Sample the second image and its gradient, and linearise."""
    h, w, stride = size
    width = w + 2 * BORDER
    pixels = second.reshape(h + 2 * BORDER, width, CHANNELS)
    for y in range(h):
        for x in range(w):
            at = y * stride + x
            column, across = split(np.float32(x) + u1[at], w)
            row, down = split(np.float32(y) + u2[at], h)
            wx, wy = weights(across), weights(down)
            grey = sample(pixels, row, column, wx, wy, 0)
            ix = data[0][at] = sample(pixels, row, column, wx, wy, 1)
            iy = data[1][at] = sample(pixels, row, column, wx, wy, 2)
            data[2][at] = grey - ix * u1[at] - iy * u2[at] - first[at]
            data[3][at] = -ONE / max(ix * ix + iy * iy, MIN_SQUARE)


@inline
def split(position, length):
    """The index of the first tap of a coordinate, including the border, and its fraction."""
    clamped = min(max(position, np.float32(-3)), np.float32(length + 1))
    lower = math.floor(clamped)
    return int(lower) + BORDER - 1, np.float32(clamped - lower)


@inline
def sample(pixels, row, column, wx, wy, channel):
    """The weighted sum of 4x4 taps of one channel, from (row, column)."""
    value = np.float32(0)
    for j in range(4):
        taps = pixels[row + j, column : column + 4, channel]
        value += wy[j] * (wx[0] * taps[0] + wx[1] * taps[1] + wx[2] * taps[2] + wx[3] * taps[3])
    return value


@inline
def weights(t):
    return weight(0, t), weight(1, t), weight(2, t), weight(3, t)


@inline
def weight(tap, t):
    k = tap * CHANNELS
    return CUBIC[0, k] + t * (CUBIC[1, k] + t * (CUBIC[2, k] + t * CUBIC[3, k]))


@kernel
def median(plane, out, columns, size, side):
    """Sort every window; the border is replicated."""
    h, w, stride = size
    window = np.empty(side * side, np.float32)
    reach = side // 2
    for y in range(h):
        for x in range(w):
            count = 0
            for j in range(y - reach, y + reach + 1):
                for i in range(x - reach, x + reach + 1):
                    insert(window, count, plane[min(max(j, 0), h - 1) * stride + min(max(i, 0), w - 1)])
                    count += 1
            out[y * stride + x] = window[side * side // 2]


@inline
def insert(window, count, value):
    """Insert `value` into the first `count` elements, which are sorted."""
    while count > 0 and window[count - 1] > value:
        window[count] = window[count - 1]
        count -= 1
    window[count] = value


def _with_globals(function: Any, **names: Any) -> Any:
    """A kernel compiled again with other functions for the names that it calls."""
    code = function.py_func.__code__
    return njit(**OPTIONS)(types.FunctionType(code, vars(level) | names))


smooth = _with_globals(level.smooth, median=median)
solve = _with_globals(level.solve, warp=warp, sweep=sweep, smooth=smooth)


def flow(frames: np.ndarray, parameters: dict[str, Any], threads: int) -> np.ndarray:
    """uint8 (T, H, W) -> float32 (T-1, 2, H, W)."""
    return cpu.flow(frames, parameters, threads, solve)
