"""Histograms of directions in the cells of tracks' volumes: HOG, HOF, MBHx and MBHy of one frame at one scale.

A pixel votes for the two directions nearest to its own, in proportion, with its magnitude. Votes are whole numbers in
floats, so that the sums over cells, which slide over the picture, are exact in any order. The sum of a cell is computed
once at every position and is added at once to the tracks that need it there, so that no array of picture x bins is
written.
"""

import cv2
import numpy as np

from pipeline.flow.tvl1.compile import inline, kernel
from pipeline.flow.tvl1.vector import LANES, load, splat, store
from pipeline.idt.parameters import BINS, CELLS

TIME_CELLS = CELLS[2]
PADDED = 48  # floats a cell: 33 bins, filled up to whole vectors
FIRST_BIN = np.cumsum([0, *BINS.values()])[:-1]  # of each kind
DIRECTIONS = 8
NO_MOTION = 0.4  # pixels: flow up to this length votes for the ninth bin, with one vote
MAX_MAGNITUDE = np.array([512, 32, 32, 32], np.float32)  # by kind; larger magnitudes vote as this one


def magnitudes_and_angles(grey: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Magnitude and angle (degrees) of the grey gradient, the flow, and the gradients of its x and y; (8, H, W)."""
    planes = np.empty((8, *grey.shape), np.float32)
    fields = [(difference(grey, 1, 0), difference(grey, 0, 1)), (flow[0], flow[1])]
    fields += [(difference(part, 1, 0), difference(part, 0, 1)) for part in flow]
    for kind, (x, y) in enumerate(fields):
        cv2.cartToPolar(x, y, planes[2 * kind], planes[2 * kind + 1], angleInDegrees=True)
    return planes


def difference(picture: np.ndarray, across: int, down: int) -> np.ndarray:
    """The right neighbour of each pixel less the left one, or the lower less the upper; 0 at the border."""
    return cv2.Sobel(picture, cv2.CV_32F, across, down, ksize=1)


def vote_scale(cell: int) -> np.ndarray:
    """Votes for a magnitude of 1, by kind: the largest power of two with sums over a cell of less than 2^24."""
    return (2.0 ** np.floor(np.log2(2.0**24 / (cell * cell * MAX_MAGNITUDE)))).astype(np.float32)


@kernel
def list_cells(slots, position, age, cell, shape, heads, following):
    """List at each pixel the cells that begin there, 4 x slot + cell, chained from `heads` by `following` to -1."""
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
def row_votes(lengths, angles, kind, scale, bins, counts):
    """The votes of one kind in a row of pixels: rows 2 kind (direction below the angle) and 2 kind + 1."""
    first = np.int32(kind * DIRECTIONS + (kind > 1))
    unit, most = scale[kind], MAX_MAGNITUDE[kind]
    for x in range(len(lengths)):
        turn = angles[x] * np.float32(DIRECTIONS / 360)
        below = np.int32(turn)
        total = np.floor(min(lengths[x], most) * unit + np.float32(0.5))
        above = np.floor(total * (turn - np.float32(below)))
        bins[2 * kind, x] = np.uint32(first + (below & 7))
        bins[2 * kind + 1, x] = np.uint32(first + ((below + 1) & 7))
        counts[2 * kind, x], counts[2 * kind + 1, x] = total - above, above
    if kind == 1:
        for x in range(len(lengths)):
            if lengths[x] <= np.float32(NO_MOTION):
                bins[2, x], counts[2, x], counts[3, x] = np.uint32(first + DIRECTIONS), unit, np.float32(0)


@kernel
def add_votes(planes, cell, scale, heads, following, part, sums):
    """Add this frame's votes to `sums` (slots, cells in time, cells in space, PADDED) of the tracks in `heads`."""
    h, w = planes.shape[1:]
    columns = np.zeros(w * PADDED, np.float32)  # sums over the last `cell` rows
    # The bins that the pixels of the last `cell` rows vote for, and their votes.
    bins, counts = np.zeros((cell, 8, w), np.uint32), np.zeros((cell, 8, w), np.float32)
    target = sums.reshape(-1)
    for y in range(h):
        bins_of, votes_of = bins[y % cell], counts[y % cell]
        for x in range(w):
            for voter in range(8):
                columns[np.uint64(x * PADDED) + np.uint64(bins_of[voter, x])] -= votes_of[voter, x]
        for kind in range(4):
            row_votes(planes[2 * kind, y], planes[2 * kind + 1, y], kind, scale, bins_of, votes_of)
        for x in range(w):
            for voter in range(8):
                columns[np.uint64(x * PADDED) + np.uint64(bins_of[voter, x])] += votes_of[voter, x]
        top = y - cell + 1
        if top >= 0:
            slide_cell(columns, cell, heads[top], following, part, target)


@inline
def slide_cell(columns, cell, heads, following, part, target):
    """Slide a cell along a row and add its sums to the tracks that list it; `target` is `sums`, flattened."""
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
                row = (((item >> 2) * TIME_CELLS + part[item >> 2]) * 4 + (item & 3)) * PADDED
                store(target, row, load(target, row) + a)
                store(target, row + LANES, load(target, row + LANES) + b)
                store(target, row + 2 * LANES, load(target, row + 2 * LANES) + c)
                item = following[item]
