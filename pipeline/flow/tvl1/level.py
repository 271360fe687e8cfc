"""All warps of a frame pair at one level of the pyramid, in the order of OpenCV."""

import numpy as np

from pipeline.flow.tvl1.compile import kernel
from pipeline.flow.tvl1.median import median
from pipeline.flow.tvl1.sweep import sweep
from pipeline.flow.tvl1.warp import warp


@kernel
def solve(first, second, u1, u2, planes, taps, columns, mask, size, schedule, steps, limit):
    """Refine the flow u1, u2 (flat planes) in place; returns the number of iterations.

    first, second, taps: see `warp`. planes (9, ...): scratch for four planes of q, four of data and one temporary.
    columns: see `median`. mask, steps: see `sweep`. size: (h, w, stride). schedule: (warps, outer iterations, inner
    iterations, side of the median filter). limit: the sum of squared changes below which a warp ends, epsilon^2 h w.
    """
    warps, outer, inner, side = schedule
    q = (planes[0], planes[1], planes[2], planes[3])
    data = (planes[4], planes[5], planes[6], planes[7])
    temporary = planes[8]
    for plane in q:
        plane[:] = 0
    iterations = 0
    for _ in range(warps):
        warp(first, second, u1, u2, data, taps, size)
        change = np.float32(np.inf)
        outer_count = 0
        while change > limit and outer_count < outer:
            if side > 1:
                smooth(u1, temporary, columns, size, side)
                smooth(u2, temporary, columns, size, side)
            inner_count = 0
            while change > limit and inner_count < inner:
                change = sweep(u1, u2, q, data, mask, size, steps)
                inner_count += 1
            iterations += inner_count
            outer_count += 1
    return iterations


@kernel
def smooth(plane, temporary, columns, size, side):
    """Apply the median filter to a plane in place, and repeat its last column (see sweep.py)."""
    h, w, stride = size
    median(plane, temporary, columns, size, side)
    for y in range(h):
        begin = y * stride
        plane[begin : begin + w] = temporary[begin : begin + w]
        plane[begin + w] = plane[begin + w - 1]
