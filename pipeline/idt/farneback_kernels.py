"""The kernels of Farneback's flow: polynomial expansion of a picture, and one iteration of the displacements.

Planes are flat arrays with `stride` floats a row, so that vectors may read past the last pixel of a row; `size` is
(height, width, stride).
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

RADIUS = 7  # pixels in each direction that a polynomial is fitted to
WINDOW = 5  # half of winsize: pixels in each direction that share a displacement
RING = 16  # rows of equations that are kept; at least as many as a window has
MARGIN = 16  # floats before a scratch row's first pixel
CHANNELS = 8  # floats a pixel of an interleaved expansion; five are used
TINY = np.float32(1e-3)
LANE_NUMBERS = np.arange(LANES, dtype=np.float32)


@kernel
def expand(picture, rows, weights, inverse, planes, interleaved, size):
    """Fill an expansion by 15 taps down, then 15 across, with the border pixels repeated."""
    h, w, stride = size
    length = stride + 2 * MARGIN
    for y in range(h):
        for x in range(0, w, LANES):
            a = splat(weights[0, 0]) * load(picture, y * stride + x)
            b = splat(np.float32(0))
            c = splat(np.float32(0))
            for k in range(1, RADIUS + 1):
                above = load(picture, max(y - k, 0) * stride + x)
                below = load(picture, min(y + k, h - 1) * stride + x)
                a = a + splat(weights[0, k]) * (below + above)
                b = b + splat(weights[1, k]) * (below - above)
                c = c + splat(weights[2, k]) * (below + above)
            store(rows, MARGIN + x, a)
            store(rows, MARGIN + length + x, b)
            store(rows, MARGIN + 2 * length + x, c)
        for row in range(3):
            first = row * length + MARGIN
            for k in range(1, RADIUS + 1):
                rows[first - k] = rows[first]
                rows[first + w - 1 + k] = rows[first + w - 1]
        expand_across(rows, weights, inverse, planes, y, size)
        interleave(planes, interleaved, y, size)


@inline
def expand_across(rows, weights, inverse, planes, y, size):
    h, w, stride = size
    length = stride + 2 * MARGIN
    for x in range(0, w, LANES):
        at = MARGIN + x
        one = splat(weights[0, 0]) * load(rows, at)
        dy = splat(weights[0, 0]) * load(rows, at + length)
        dyy = splat(weights[0, 0]) * load(rows, at + 2 * length)
        dx = splat(np.float32(0))
        dxx = splat(np.float32(0))
        dxy = splat(np.float32(0))
        for k in range(1, RADIUS + 1):
            left, right = load(rows, at - k), load(rows, at + k)
            g, xg, xxg = splat(weights[0, k]), splat(weights[1, k]), splat(weights[2, k])
            one = one + g * (right + left)
            dx = dx + xg * (right - left)
            dxx = dxx + xxg * (right + left)
            left, right = load(rows, at + length - k), load(rows, at + length + k)
            dy = dy + g * (right + left)
            dxy = dxy + xg * (right - left)
            dyy = dyy + g * (load(rows, at + 2 * length + k) + load(rows, at + 2 * length - k))
        here = y * stride + x
        step = h * stride
        level = splat(inverse[1]) * one
        store(planes, here, splat(inverse[0]) * dy)
        store(planes, here + step, splat(inverse[0]) * dx)
        store(planes, here + 2 * step, level + splat(inverse[2]) * dyy)
        store(planes, here + 3 * step, level + splat(inverse[2]) * dxx)
        store(planes, here + 4 * step, splat(inverse[3]) * dxy)


@inline
def interleave(planes, interleaved, y, size):
    h, w, stride = size
    step = h * stride
    for x in range(w):
        at = (y * (w + 1) + x) * CHANNELS
        for channel in range(5):
            interleaved[at + channel] = planes[channel * step + y * stride + x]


@kernel
def iterate(first, second, u, v, trust, ring, wide, size):
    """Update the flow once: the equations of each row, then, WINDOW rows behind, the displacements that solve them.

    `ring` holds the equations of the last RING rows, which fit into the cache.
    """
    h = size[0]
    sampled = np.zeros(5 * size[2], np.float32)
    columns, rows = np.zeros(size[2], np.int32), np.zeros(size[2], np.int32)
    ahead, down = np.zeros(size[2], np.float32), np.zeros(size[2], np.float32)
    for y in range(h + WINDOW):
        if y < h:
            sample_second(first, second, u, v, (sampled, columns, rows, ahead, down), y, size)
            equations(first, sampled, u, v, trust, ring, y, size)
        if y >= WINDOW:
            solve(ring, wide, u, v, y - WINDOW, size)


@inline
def sample_second(first, second, u, v, scratch, y, size):
    """The second picture's coefficients where the flow of row y points, as five rows of `sampled`."""
    h, w, stride = size
    sampled, columns, rows, ahead, down = scratch
    step, wide = h * stride, (w + 1) * CHANNELS
    for x in range(0, w, LANES):
        split_coordinates(splat(np.float32(x)) + load(LANE_NUMBERS, 0) + load(u, y * stride + x), w, columns, ahead, x)
        split_coordinates(splat(np.float32(y)) + load(v, y * stride + x), h, rows, down, x)
    for x in range(w):
        column, row = columns[x], rows[x]
        if 0 <= column < w - 1 and 0 <= row < h - 1:
            at = row * wide + column * CHANNELS
            upper = load(second, at)
            mixed = upper + splat(down[x]) * (load(second, at + wide) - upper)
            left, across = quarter0(mixed), splat(ahead[x])
            values = left + across * (quarter2(mixed) - left)
            left = quarter1(mixed)
            last = left + across * (quarter3(mixed) - left)
            sampled[x] = lane(values, 0)
            sampled[stride + x] = lane(values, 1)
            sampled[2 * stride + x] = lane(values, 2)
            sampled[3 * stride + x] = lane(values, 3)
            sampled[4 * stride + x] = lane(last, 0)
        else:  # outside the second picture only the first one's coefficients count
            sampled[x] = np.float32(0)
            sampled[stride + x] = np.float32(0)
            for channel in range(2, 5):
                sampled[channel * stride + x] = first[channel * step + y * stride + x]


@inline
def equations(first, sampled, u, v, trust, ring, y, size):
    """The normal equations of the displacements of row y before summing over windows: A'A (three numbers), A'db (two).

    A is the mean of both pictures' second-order matrices, db half the difference of their slopes.
    """
    h, w, stride = size
    step, plane = h * stride, RING * stride
    half, quarter = splat(np.float32(0.5)), splat(np.float32(0.25))
    for x in range(0, w, LANES):
        here = y * stride + x
        yy = (load(first, here + 2 * step) + load(sampled, 2 * stride + x)) * half
        xx = (load(first, here + 3 * step) + load(sampled, 3 * stride + x)) * half
        xy = (load(first, here + 4 * step) + load(sampled, 4 * stride + x)) * quarter
        dx, dy = load(u, here), load(v, here)
        by = (load(first, here) - load(sampled, x)) * half + yy * dy + xy * dx
        bx = (load(first, here + step) - load(sampled, stride + x)) * half + xy * dy + xx * dx
        sure = load(trust, here)
        yy, xx, xy, by, bx = yy * sure, xx * sure, xy * sure, by * sure, bx * sure
        at = y % RING * stride + x
        store(ring, at, yy * yy + xy * xy)
        store(ring, at + plane, (yy + xx) * xy)
        store(ring, at + 2 * plane, xx * xx + xy * xy)
        store(ring, at + 3 * plane, yy * by + xy * bx)
        store(ring, at + 4 * plane, xy * by + xx * bx)


@inline
def split_coordinates(position, length, integer, fraction, x):
    """Integer and fractional parts of 16 coordinates; those outside the picture stay outside."""
    near = minimum(maximum(position, splat(np.float32(-1))), splat(np.float32(length)))
    below = floor(near)
    store_int(integer, x, below)
    store(fraction, x, near - below)


@inline
def solve(ring, wide, u, v, y, size):
    """The displacements of row y, each the best fit to its window of 11 x 11 pixels; border pixels are repeated."""
    h, w, stride = size
    plane, length = RING * stride, stride + 2 * MARGIN
    area = splat(np.float32(1) / np.float32((2 * WINDOW) ** 2))  # as in OpenCV
    for channel in range(5):
        base = channel * plane
        first = channel * length + MARGIN
        for x in range(0, w, LANES):
            total = load(ring, base + y % RING * stride + x)
            for k in range(1, WINDOW + 1):
                above = load(ring, base + max(y - k, 0) % RING * stride + x)
                total = total + (above + load(ring, base + min(y + k, h - 1) % RING * stride + x))
            store(wide, first + x, total)
        for k in range(1, WINDOW + 1):
            wide[first - k] = wide[first]
            wide[first + w - 1 + k] = wide[first + w - 1]
    for x in range(0, w, LANES):
        g11 = box(wide, MARGIN + x) * area
        g12 = box(wide, MARGIN + length + x) * area
        g22 = box(wide, MARGIN + 2 * length + x) * area
        h1 = box(wide, MARGIN + 3 * length + x) * area
        h2 = box(wide, MARGIN + 4 * length + x) * area
        over = reciprocal(g11 * g22 - g12 * g12 + splat(TINY))
        store(u, y * stride + x, (g11 * h2 - g12 * h1) * over)
        store(v, y * stride + x, (g22 * h1 - g12 * h2) * over)


@inline
def box(wide, at):
    total = load(wide, at)
    for k in range(1, WINDOW + 1):
        total = total + (load(wide, at - k) + load(wide, at + k))
    return total
