"""TV-L1 on the CPU: threads over runs of frame pairs, each with its own workspace, without the GIL."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np

from pipeline.flow.tvl1.level import solve
from pipeline.flow.tvl1.pyramid import Level, aligned_zeros, empty_level, fill_pyramid, level_sizes, stride
from pipeline.flow.tvl1.vector import LANES

MAX_RUN = 8  # consecutive pairs that one thread processes, so that the pyramid of a frame is built once for two pairs


def flow(frames: np.ndarray, parameters: dict[str, Any], threads: int, solver: Any = solve) -> np.ndarray:
    """uint8 (T, H, W) -> float32 (T-1, 2, H, W); needs additional memory for a few frames per thread."""
    pairs = len(frames) - 1
    out = np.empty((pairs, 2, *frames.shape[1:]), np.float32)
    length = min(MAX_RUN, -(-pairs // threads)) or 1

    def task(begin: int) -> int:
        return flow_of_run(frames[begin : begin + length + 1], out[begin : begin + length], parameters, solver)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(task, range(0, pairs, length)))
    return out


def flow_of_run(frames: np.ndarray, out: np.ndarray, parameters: dict[str, Any], solver: Any = solve) -> int:
    """Write the flow of consecutive frames to `out`; returns the number of iterations times pixels."""
    step = parameters["scale_step"]
    _, height, width = frames.shape
    sizes = level_sizes(height, width, parameters["scales"], step)
    workspaces = [Workspace(*size, parameters, solver) for size in sizes]
    first, second = ([empty_level(*size) for size in sizes] for _ in range(2))
    fill_pyramid(first, frames[0], step)
    pixel_iterations = 0
    for index, frame in enumerate(frames[1:]):
        fill_pyramid(second, frame, step)
        pixel_iterations += flow_of_pair(first, second, workspaces, step, out[index])
        first, second = second, first
    return pixel_iterations


def flow_of_pair(
    first: list[Level], second: list[Level], workspaces: list["Workspace"], step: float, out: np.ndarray
) -> int:
    """Write the flow from `first` to `second` to `out` (2, H, W), coarse to fine; returns iterations times pixels."""
    pixel_iterations = 0
    for index in reversed(range(len(workspaces))):
        workspace = workspaces[index]
        if index + 1 == len(workspaces):
            workspace.flow[:] = 0
        else:
            workspace.upsample(workspaces[index + 1], step)
        pixel_iterations += workspace.refine(first[index], second[index])
    out[:] = workspace.flow
    return pixel_iterations


class Workspace:
    """One thread's memory for one level: the arrays that `solve` needs, and the flow as a view of `u`."""

    def __init__(self, height: int, width: int, parameters: dict[str, Any], solver: Any) -> None:
        self.solver = solver
        row = stride(width)
        area = (height + 1) * row
        tau, theta = parameters["tau"], parameters["theta"]
        self.size = (height, width, row)
        self.u = aligned_zeros(2 * area).reshape(2, area)
        self.flow = self.u[:, : height * row].reshape(2, height, row)[:, :, :width]
        self.planes = aligned_zeros(9 * area).reshape(9, area)
        self.taps = (np.zeros((2, row), np.int32), np.zeros((2, row), np.float32))
        self.columns = np.zeros((5, row + 2 * LANES), np.float32)
        self.mask = (np.arange(row) < width).astype(np.float32)
        self.schedule = tuple(parameters[k] for k in ("warps", "outer_iterations", "inner_iterations", "median"))
        self.steps = tuple(np.float32(value) for value in (parameters["lambda_"] * theta, tau, tau / theta))
        self.limit = np.float32(parameters["epsilon"] ** 2 * height * width)

    def upsample(self, coarser: "Workspace", step: float) -> None:
        """Initialise the flow with that of the coarser level, resized linearly and scaled to pixels of this level."""
        for target, source in zip(self.flow, coarser.flow, strict=True):
            target[:] = cv2.resize(source, target.shape[::-1], interpolation=cv2.INTER_LINEAR)
        self.flow *= np.float32(1 / step)

    def refine(self, first: Level, second: Level) -> int:
        """Solve this level in place; returns the number of iterations times pixels."""
        scratch = (self.planes, self.taps, self.columns, self.mask)
        iterations = self.solver(
            first.grey, second.sampled, *self.u, *scratch, self.size, self.schedule, self.steps, self.limit
        )
        height, width, _ = self.size
        return iterations * height * width
