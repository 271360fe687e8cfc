"""The unfinished tracks of one scale: at most one for each grid cell and each of the last 15 frames."""

import cv2
import numpy as np

from pipeline.flow.tvl1.compile import kernel
from pipeline.idt import histograms
from pipeline.idt.parameters import BINS, CELLS, TRACK_LENGTH, Parameters

INITIAL_SLOTS = 1024
STEPS_PER_CELL = TRACK_LENGTH // CELLS[2]  # in time


class ActiveTracks:
    """Tracks in numbered slots, which are reused; the arrays grow when no slot is free."""

    def __init__(self, height: int, width: int, parameters: Parameters) -> None:
        self.shape, self._grid, self._quality = (height, width), parameters.grid, parameters.quality
        self._cell = parameters.patch // 2
        self._vote_scale = histograms.vote_scale(self._cell)
        self._heads = np.full((height, width), -1, np.int64)
        self.active = np.empty(0, np.int64)
        self._free = np.empty(0, np.int64)
        self._following = np.empty(0, np.int64)
        self.position = np.empty((0, TRACK_LENGTH + 1, 2), np.float32)
        self.rectified_steps = np.empty((0, TRACK_LENGTH, 2), np.float32)
        self.age = np.empty(0, np.int64)
        self.sums = np.empty((0, CELLS[2], CELLS[0] * CELLS[1], histograms.PADDED), np.float32)

    def advance(self, grey: np.ndarray, flow: np.ndarray, rectified: np.ndarray) -> np.ndarray:
        """Move the tracks one step from the frame `grey`; returns the slots of completed tracks, valid until `sample`.

        Tracks that leave the picture are dropped.
        """
        inside = np.zeros(len(self.active), bool)
        move_tracks(self.active, self.position, self.rectified_steps, self.age, flow, rectified, inside)
        self._release(self.active[~inside])
        self.active = self.active[inside]
        heads, following = self._heads, self._following
        histograms.list_cells(self.active, self.position, self.age, self._cell, self.shape, heads, following)
        planes, part = histograms.magnitudes_and_angles(grey, rectified), (self.age - 1) // STEPS_PER_CELL
        histograms.add_votes(planes, self._cell, self._vote_scale, heads, following, part, self.sums)
        done = self.age[self.active] == TRACK_LENGTH
        complete, self.active = self.active[done], self.active[~done]
        self._release(complete)
        return complete

    def sample(self, grey: np.ndarray) -> None:
        """Begin a track in every grid cell without one where the picture has structure in two directions."""
        strength = cv2.cornerMinEigenVal(grey, 3, ksize=3)
        rows, columns = self.shape[0] // self._grid, self.shape[1] // self._grid
        grid = np.zeros((rows, columns), bool)
        mark_occupied(self.active, self.position, self.age, self._grid, grid)
        half = self._grid // 2
        at_grid = strength[half : rows * self._grid : self._grid, half : columns * self._grid : self._grid]
        ys, xs = np.nonzero((at_grid > strength.max(initial=0) * self._quality) & ~grid)
        slots = self._allocate(len(xs))
        self.position[slots, 0] = np.stack([xs, ys], 1) * self._grid + half
        self.age[slots] = 0
        self.sums[slots] = 0
        self.active = np.concatenate([self.active, slots])

    def histograms(self, slots: np.ndarray) -> np.ndarray:
        """Sums of magnitudes by slot, cell in time, cell in space and bin, (N, 3, 4, 33)."""
        per_bin = np.repeat(self._vote_scale, list(BINS.values()))
        return self.sums[slots, ..., : len(per_bin)] / per_bin

    def _allocate(self, count: int) -> np.ndarray:
        while len(self._free) < count:
            self._grow()
        slots, self._free = self._free[:count], self._free[count:]
        return slots

    def _release(self, slots: np.ndarray) -> None:
        self._free = np.concatenate([self._free, slots])

    def _grow(self) -> None:
        before = len(self.age)
        more = max(before, INITIAL_SLOTS)
        for name in ("position", "rectified_steps", "age", "sums"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros((more, *array.shape[1:]), array.dtype)]))
        self._following = np.full(4 * (before + more), -1, np.int64)
        self._release(np.arange(before, before + more))


@kernel
def move_tracks(slots, position, rectified_steps, age, flow, rectified, inside):
    """Move each track by the flow at its nearest pixel; `inside` is set to whether it is still in the picture."""
    h, w = flow.shape[1:]
    for number, slot in enumerate(slots):
        now = age[slot]
        x, y = position[slot, now, 0], position[slot, now, 1]
        column, row = min(max(int(np.rint(x)), 0), w - 1), min(max(int(np.rint(y)), 0), h - 1)
        x, y = x + flow[0, row, column], y + flow[1, row, column]
        position[slot, now + 1, 0], position[slot, now + 1, 1] = x, y
        for axis in range(2):
            rectified_steps[slot, now, axis] = rectified[axis, row, column]
        age[slot] = now + 1
        inside[number] = 0 < x < w and 0 < y < h


@kernel
def mark_occupied(slots, position, age, spacing, grid):
    """Mark the grid cells that tracks are in."""
    for slot in slots:
        row, column = int(position[slot, age[slot], 1]) // spacing, int(position[slot, age[slot], 0]) // spacing
        if row < grid.shape[0] and column < grid.shape[1]:
            grid[row, column] = True
