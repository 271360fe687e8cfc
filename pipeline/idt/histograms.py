"""Histograms of directions in the cells of tracks' volumes: HOG, HOF, MBHx and MBHy of one frame at one scale.

A pixel votes for the two directions nearest to its own, in proportion, with its magnitude. Votes are whole numbers in
floats, so that the sums over cells, which slide over the picture, are exact whatever the order. A cell is summed once
at every place, and what tracks want there is added to theirs on the way: nothing of picture x bins is written.
"""

import cv2
import numpy as np

from pipeline.flow.tvl1.compile import inline, kernel
from pipeline.flow.tvl1.vector import LANES, load, splat, store
from pipeline.idt.parameters import BINS, CELLS

PARTS = CELLS[2]
PADDED = 48  # floats a cell: 33 bins, filled up to whole vectors
FIRST = np.cumsum([0, *BINS.values()])[:-1]  # each kind's first bin
DIRECTIONS = 8
STILL = 0.4  # pixels: flow that is no longer votes for the ninth bin, once
MOST = np.array([512, 32, 32, 32], np.float32)  # by kind; a longer vector votes as if it had this length


def votes(grey: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """(8, H, W) float32: magnitude and angle (degrees) of the grey gradient, the flow, and the gradients of x and y."""
    planes = np.empty((8, *grey.shape), np.float32)
    fields = [(differences(grey, 1, 0), differences(grey, 0, 1)), (flow[0], flow[1])]
    fields += [(differences(part, 1, 0), differences(part, 0, 1)) for part in flow]
    for kind, (x, y) in enumerate(fields):
        cv2.cartToPolar(x, y, planes[2 * kind], planes[2 * kind + 1], angleInDegrees=True)
    return planes


def differences(picture: np.ndarray, across: int, down: int) -> np.ndarray:
    """Of each pixel's neighbours: the right one less the left, or the lower less the upper; 0 at the border."""
    return cv2.Sobel(picture, cv2.CV_32F, across, down, ksize=1)


def units(cell: int) -> np.ndarray:
    """Votes a unit of magnitude, by kind: as many as let the sum over a cell be a whole number below 2^24."""
    return (2.0 ** np.floor(np.log2(2.0**24 / (cell * cell * MOST)))).astype(np.float32)


@kernel
def wanted(slots, position, age, cell, shape, heads, following):
    """List at each place the cells that begin there: 4 x slot + cell, chained through `following`, -1 at the end."""
    h, w = shape
    heads[:] = -1
    for slot in slots:
        at = position[slot, age[slot] - 1]  # where the step began
        left = min(max(int(np.rint(at[0])) - cell, 0), w - 2 * cell)
        top = min(max(int(np.rint(at[1])) - cell, 0), h - 2 * cell)
        for number in range(4):
            y, x = top + number // 2 * cell, left + number % 2 * cell
            following[4 * slot + number] = heads[y, x]
            heads[y, x] = 4 * slot + number


@inline
def ballots(lengths, angles, kind, units, bins, counts):
    """One kind's votes in a row: rows 2 kind (the direction below the angle) and 2 kind + 1 of `bins` and `counts`."""
    first = np.int32(kind * DIRECTIONS + (kind > 1))
    unit, most = units[kind], MOST[kind]
    for x in range(len(lengths)):
        turn = angles[x] * np.float32(DIRECTIONS / 360)
        below = np.int32(turn)
        every = np.floor(min(lengths[x], most) * unit + np.float32(0.5))
        above = np.floor(every * (turn - np.float32(below)))
        bins[2 * kind, x] = np.uint32(first + (below & 7))
        bins[2 * kind + 1, x] = np.uint32(first + ((below + 1) & 7))
        counts[2 * kind, x], counts[2 * kind + 1, x] = every - above, above
    if kind == 1:
        for x in range(len(lengths)):
            if lengths[x] <= np.float32(STILL):
                bins[2, x], counts[2, x], counts[3, x] = np.uint32(first + DIRECTIONS), unit, np.float32(0)


@kernel
def collect(planes, cell, units, heads, following, part, sums):
    """Add this frame's votes to `sums` (slots, parts in time, cells, PADDED) of the tracks in `heads`."""
    h, w = planes.shape[1:]
    columns = np.zeros(w * PADDED, np.float32)  # sums over the last `cell` rows
    # Of the last `cell` rows: the bins that a pixel votes for, and how.
    bins, counts = np.zeros((cell, 8, w), np.uint32), np.zeros((cell, 8, w), np.float32)
    target = sums.reshape(-1)
    for y in range(h):
        bins_of, votes_of = bins[y % cell], counts[y % cell]
        for x in range(w):
            for voter in range(8):
                columns[np.uint64(x * PADDED) + np.uint64(bins_of[voter, x])] -= votes_of[voter, x]
        for kind in range(4):
            ballots(planes[2 * kind, y], planes[2 * kind + 1, y], kind, units, bins_of, votes_of)
        for x in range(w):
            for voter in range(8):
                columns[np.uint64(x * PADDED) + np.uint64(bins_of[voter, x])] += votes_of[voter, x]
        top = y - cell + 1
        if top >= 0:
            give(columns, cell, heads[top], following, part, target)


@inline
def give(columns, cell, heads, following, part, target):
    """Slide a cell along a row; `target` is `sums`, flat."""
    w = len(heads)
    a = b = c = splat(np.float32(0))
    for x in range(w):
        at = x * PADDED
        a, b, c = a + load(columns, at), b + load(columns, at + LANES), c + load(columns, at + 2 * LANES)
        if x >= cell:
            gone = (x - cell) * PADDED
            a = a - load(columns, gone)
            b, c = b - load(columns, gone + LANES), c - load(columns, gone + 2 * LANES)
        if x >= cell - 1:
            item = heads[x - cell + 1]
            while item >= 0:
                row = (((item >> 2) * PARTS + part[item >> 2]) * 4 + (item & 3)) * PADDED
                store(target, row, load(target, row) + a)
                store(target, row + LANES, load(target, row + LANES) + b)
                store(target, row + 2 * LANES, load(target, row + 2 * LANES) + c)
                item = following[item]
