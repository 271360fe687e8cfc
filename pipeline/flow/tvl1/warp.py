"""Warp the second image and its gradient by the flow: bicubic sampling (Keys 1981 with a = -0.75, as in OpenCV).

I, Ix, Iy and a zero are interleaved, so that the four taps of a row are 16 contiguous floats: one load, one cache line.
The image is zero beyond its border (OpenCV's constant border). It has `BORDER` zero pixels on every side, and positions
farther away are clamped to a position whose taps are all zero.
"""

import numpy as np

from pipeline.flow.tvl1.compile import inline, kernel
from pipeline.flow.tvl1.vector import (
    LANES,
    floor,
    lane,
    load,
    maximum,
    minimum,
    quarter0,
    quarter1,
    quarter2,
    quarter3,
    reciprocal,
    splat,
    store,
    store_int,
)

BORDER = 4
CHANNELS = 4
A = -0.75
# The weight of tap k (at -1, 0, 1, 2) for the fraction t is sum_j CUBIC[j][k] t^j, repeated for four channels.
CUBIC = np.repeat(
    np.array([[0, 1, 0, 0], [A, 0, -A, 0], [-2 * A, -A - 3, 2 * A + 3, A], [A, A + 2, -A - 2, -A]], np.float32),
    4,
    axis=1,
)
COUNTING = np.arange(LANES, dtype=np.float32)
MIN_SQUARE = np.float32(1e-30)  # retaps |grad|^2 = 0, where Ix = Iy = 0 and the quotient has no effect
MINUS_ONE = np.float32(-1)


@kernel
def warp(first, second, u1, u2, data, taps, size):
    """Fill the planes `data` (Ix, Iy, rho_c, -1/|grad|^2) for the flow u1, u2.

    first: flat plane. second: interleaved, (h + 2 BORDER, w + 2 BORDER, CHANNELS), flat. taps: scratch of `find_taps`.
    size: (h, w, stride).
    """
    h, w, stride = size
    ix, iy, rho_c, _ = data
    (columns, rows), (across, down) = taps
    width = (w + 2 * BORDER) * CHANNELS
    for y in range(h):
        begin = y * stride
        find_taps(u1, u2, taps, y, size)
        for x in range(w):
            at = rows[x] * width + columns[x] * CHANNELS
            values = sample(second, at, width, across[x], down[x])
            rho_c[begin + x], ix[begin + x], iy[begin + x] = lane(values, 0), lane(values, 1), lane(values, 2)
        for here in range(begin, begin + w, LANES):
            linearise(first, u1, u2, data, here)


@inline
def find_taps(u1, u2, taps, y, size):
    """The sampling positions of row y: columns and rows (int32) of the first taps, including the border; fractions."""
    h, w, stride = size
    (columns, rows), (across, down) = taps
    row = splat(np.float32(y))
    for x in range(0, w, LANES):
        column = load(COUNTING, 0) + splat(np.float32(x))
        split(column + load(u1, y * stride + x), w, columns, across, x)
        split(row + load(u2, y * stride + x), h, rows, down, x)


@inline
def split(position, length, index, fraction, x):
    """Split coordinates into the indices of their first taps and their fractions."""
    clamped = minimum(maximum(position, splat(np.float32(-3))), splat(np.float32(length + 1)))
    lower = floor(clamped)
    store_int(index, x, lower + splat(np.float32(BORDER - 1)))
    store(fraction, x, clamped - lower)


@inline
def sample(image, at, width, across, down):
    """The weighted sums of 16 taps, for four channels, in the first four lanes."""
    wy = weights(splat(down))
    rows = quarter0(wy) * load(image, at) + quarter1(wy) * load(image, at + width)
    rows = rows + quarter2(wy) * load(image, at + 2 * width) + quarter3(wy) * load(image, at + 3 * width)
    rows = rows * weights(splat(across))
    return (quarter0(rows) + quarter1(rows)) + (quarter2(rows) + quarter3(rows))


@inline
def weights(t):
    return load(CUBIC[0], 0) + t * (load(CUBIC[1], 0) + t * (load(CUBIC[2], 0) + t * load(CUBIC[3], 0)))


@inline
def linearise(first, u1, u2, data, here):
    """rho_c = I1w - Ix u1 - Iy u2 - I0, replacing I1w in `data`, and -1/|grad|^2."""
    ix, iy, rho_c, inverse = data
    dx, dy = load(ix, here), load(iy, here)
    store(rho_c, here, load(rho_c, here) - dx * load(u1, here) - dy * load(u2, here) - load(first, here))
    store(inverse, here, splat(MINUS_ONE) * reciprocal(maximum(dx * dx + dy * dy, splat(MIN_SQUARE))))
