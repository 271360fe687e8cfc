"""TV-L1 on the processor: threads over runs of pairs, each with its own workspace, none holding the interpreter."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np

from pipeline.flow.tvl1.level import solve
from pipeline.flow.tvl1.pyramid import (
    Level,
    aligned_zeros,
    empty_level,
    fill_pyramid,
    level_sizes,
    stride,
)
from pipeline.flow.tvl1.vector import LANES

MAX_RUN = 8  # pairs at most that one thread takes in a row, sharing their frames' pyramids


def flow(frames: np.ndarray, parameters: dict[str, Any], threads: int, solver: Any = solve) -> np.ndarray:
    """uint8 (T, H, W) -> float32 (T-1, 2, H, W); memory beyond that is a few frames a thread."""
    pairs = len(frames) - 1
    out = np.empty((pairs, 2, *frames.shape[1:]), np.float32)
    length = min(MAX_RUN, -(-pairs // threads)) or 1

    def task(begin: int) -> int:
        return flow_of_run(frames[begin : begin + length + 1], out[begin : begin + length], parameters, solver)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(task, range(0, pairs, length)))
    return out


def flow_of_run(frames: np.ndarray, out: np.ndarray, parameters: dict[str, Any], solver: Any = solve) -> int:
    """Consecutive pairs, one after the other, into `out` -> pixel-iterations of all of them."""
    step = parameters["scale_step"]
    _, height, width = frames.shape
    shapes = level_sizes(height, width, parameters["scales"], step)
    work = [Workspace(*shape, parameters, solver) for shape in shapes]
    first, second = ([empty_level(*shape) for shape in shapes] for _ in range(2))
    fill_pyramid(first, frames[0], step)
    count = 0
    for index, frame in enumerate(frames[1:]):
        fill_pyramid(second, frame, step)
        count += flow_of_pair(first, second, work, step, out[index])
        first, second = second, first
    return count


def flow_of_pair(
    first: list[Level], second: list[Level], levels: list["Workspace"], step: float, out: np.ndarray
) -> int:
    """Flow from `first` to `second` into `out` (2, H, W), from coarse to fine -> pixel-iterations."""
    count = 0
    for index in reversed(range(len(levels))):
        work = levels[index]
        if index + 1 == len(levels):
            work.flow[:] = 0
        else:
            work.enlarge(levels[index + 1], step)
        count += work.refine(first[index], second[index])
    out[:] = work.flow
    return count


class Workspace:
    """One thread's workspace for one level: the planes that `solve` needs, and the flow as a view of two of them."""

    def __init__(self, height: int, width: int, parameters: dict[str, Any], solver: Any) -> None:
        self.solver = solver
        row = stride(width)
        area = (height + 1) * row
        tau, theta = parameters["tau"], parameters["theta"]
        self.size = (height, width, row)
        self.both = aligned_zeros(2 * area).reshape(2, area)
        self.flow = self.both[:, : height * row].reshape(2, height, row)[:, :, :width]
        self.planes = aligned_zeros(9 * area).reshape(9, area)
        self.places = (np.zeros((2, row), np.int32), np.zeros((2, row), np.float32))
        self.columns = np.zeros((5, row + 2 * LANES), np.float32)
        self.mask = (np.arange(row) < width).astype(np.float32)
        self.schedule = tuple(parameters[k] for k in ("warps", "outer_iterations", "inner_iterations", "median"))
        self.steps = tuple(np.float32(value) for value in (parameters["lambda_"] * theta, tau, tau / theta))
        self.limit = np.float32(parameters["epsilon"] ** 2 * height * width)

    def enlarge(self, coarser: "Workspace", step: float) -> None:
        """Start from the coarser level's flow, resized linearly, its pixels made this level's."""
        for mine, theirs in zip(self.flow, coarser.flow, strict=True):
            mine[:] = cv2.resize(theirs, mine.shape[::-1], interpolation=cv2.INTER_LINEAR)
        self.flow *= np.float32(1 / step)

    def refine(self, first: Level, second: Level) -> int:
        """Solve this level in place -> pixel-iterations."""
        scratch = (self.planes, self.places, self.columns, self.mask)
        iterations = self.solver(
            first.grey, second.sampled, *self.both, *scratch, self.size, self.schedule, self.steps, self.limit
        )
        height, width, _ = self.size
        return iterations * height * width
