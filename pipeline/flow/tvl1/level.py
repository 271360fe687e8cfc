"""All warps of one pair at one level of the pyramid: OpenCV's schedule."""

import numpy as np

from pipeline.flow.tvl1.compile import kernel
from pipeline.flow.tvl1.median import median
from pipeline.flow.tvl1.sweep import sweep
from pipeline.flow.tvl1.warp import warp


@kernel
def solve(first, second, u1, u2, planes, places, columns, mask, size, schedule, steps, limit):
    """Refine the flow u1, u2 (flat planes) in place -> how many iterations it took.

    first, second, places: as in `warp`; planes (9, ...): four of q, four of data, one spare; columns: as in `median`;
    mask: as in `sweep`; size (h, w, stride); schedule (warps, outer, inner, median); steps: as in `sweep`; limit: the
    sum of squared changes at which a warp ends (epsilon^2 h w).
    """
    warps, outer, inner, side = schedule
    q = (planes[0], planes[1], planes[2], planes[3])
    data = (planes[4], planes[5], planes[6], planes[7])
    spare = planes[8]
    for dual in q:
        dual[:] = 0
    iterations = 0
    for _ in range(warps):
        warp(first, second, u1, u2, data, places, size)
        change = np.float32(np.inf)
        rounds = 0
        while change > limit and rounds < outer:
            if side > 1:
                smooth(u1, spare, columns, size, side)
                smooth(u2, spare, columns, size, side)
            inside = 0
            while change > limit and inside < inner:
                change = sweep(u1, u2, q, data, mask, size, steps)
                inside += 1
            iterations += inside
            rounds += 1
    return iterations


@kernel
def smooth(plane, spare, columns, size, side):
    """The median filter in place, and its border column."""
    h, w, stride = size
    median(plane, spare, columns, size, side)
    for y in range(h):
        begin = y * stride
        plane[begin : begin + w] = spare[begin : begin + w]
        plane[begin + w] = plane[begin + w - 1]
