"""TV-L1 on an NVIDIA GPU: the schedule of level.py for a batch of frame pairs, with kernels compiled at run time.

A launch runs up to `depth` iterations and returns the change of each. The host then decides which pairs continue. If a
pair converged within a launch, the launch is repeated for this pair with exactly the number of iterations after which
OpenCV's criterion stops. The flow therefore does not depend on `depth` or on the other pairs of the batch.
"""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_double, c_float, c_int, c_void_p
from typing import Any, Protocol

import numpy as np

from pipeline.common.errors import UserError
from pipeline.flow.tvl1.pyramid import level_sizes
from pipeline.flow.tvl1.tile import Tile

POINTER, INT = c_void_p, c_int  # types of kernel arguments
STREAMS = 2
MEMORY_SHARE = 0.4  # of the free memory, for each stream
MAX_PAIRS = 256  # in a batch; larger batches are no faster
BLOCK_THREADS = 256  # for kernels with one pixel per thread


class Device(Protocol):
    """Memory and kernel launches: of a GPU (driver.py), or emulated on the CPU by the tests. Sizes are in bytes."""

    tile: Tile

    def allocate(self, size: int) -> int: ...
    def free(self) -> None: ...
    def free_memory(self) -> int: ...
    def clear(self, address: int, size: int) -> None: ...
    def upload(self, address: int, array: np.ndarray) -> None: ...
    def download(self, address: int, array: np.ndarray) -> None: ...
    def launch(self, name: str, blocks: tuple[int, int], threads: int, shared: int, *arguments: Any) -> None: ...


def flow(frames: np.ndarray, parameters: dict[str, Any], threads: int) -> np.ndarray:
    """uint8 (T, H, W) -> float32 (T-1, 2, H, W); `threads` is not used.

    Two streams compute half of the pairs each, so that one computes while the other transfers its results.
    """
    from pipeline.flow.tvl1.driver import open_device

    pairs = len(frames) - 1
    out = np.empty((pairs, 2, *frames.shape[1:]), np.float32)
    half = -(-pairs // STREAMS) or 1

    def run_stream(begin: int) -> None:
        with contextlib.closing(open_device()) as gpu:
            flow_into(gpu, frames[begin : begin + half + 1], out[begin : begin + half], parameters)

    with ThreadPoolExecutor(STREAMS) as pool:
        list(pool.map(run_stream, range(0, pairs, half)))
    return out


def flow_into(
    device: Device, frames: np.ndarray, out: np.ndarray, parameters: dict[str, Any], max_pairs: int = MAX_PAIRS
) -> None:
    """Write the flow of n + 1 frames to `out` (n, 2, H, W), in batches of at most `max_pairs` that fit the memory."""
    pairs, _, height, width = out.shape
    levels = level_sizes(height, width, parameters["scales"], parameters["scale_step"])
    size = min(pairs, max_pairs, int(device.free_memory() * MEMORY_SHARE) // Batch.bytes_per_pair(levels) - 1)
    if size < 1:
        raise UserError(f"frames of {width}x{height} do not fit the GPU's free memory: use the backend cpu")
    try:
        batch = Batch(device, levels, size, parameters)
        for begin in range(0, pairs, size):
            count = min(size, pairs - begin)
            batch.run(frames[begin : begin + count + 1], out[begin : begin + count])
    finally:
        device.free()


class Batch:
    """The device memory for up to `max_pairs` pairs of one size, and the solver that uses it.

    u and q have two buffers each, from one of which a kernel reads and to the other of which it writes. `u_buffer` and
    `q_buffer` hold the current buffer of each pair.
    """

    def __init__(
        self, device: Device, levels: list[tuple[int, int]], max_pairs: int, parameters: dict[str, Any]
    ) -> None:
        self.device, self.levels, self.parameters = device, levels, parameters
        (height, width), tile = levels[0], device.tile
        area = height * width
        self.raw = device.allocate((max_pairs + 1) * area)
        self.grey = [device.allocate(4 * (max_pairs + 1) * h * w) for h, w in levels]
        self.pixels = [device.allocate(16 * (max_pairs + 1) * h * w) for h, w in levels]
        self.u, self.q = device.allocate(16 * max_pairs * area), device.allocate(32 * max_pairs * area)
        self.data, self.collected = device.allocate(16 * max_pairs * area), device.allocate(8 * max_pairs * area)
        self.changes = device.allocate(4 * max_pairs * tile.across(width) * tile.down(height) * tile.depth)
        self.list = device.allocate(16 * max_pairs)

    @staticmethod
    def bytes_per_pair(levels: list[tuple[int, int]]) -> int:
        """An upper bound on the memory that __init__ allocates per pair."""
        height, width = levels[0]
        return 20 * sum(h * w for h, w in levels) + 76 * height * width + 65536

    def run(self, frames: np.ndarray, out: np.ndarray) -> int:
        """Write the flow of uint8 (n + 1, H, W) to `out` (n, 2, H, W); returns iterations times pixels."""
        self.pairs, count = len(out), 0
        self.build_pyramids(frames)
        for index in reversed(range(len(self.levels))):
            height, width = self.levels[index]
            self.start_level(index)
            count += height * width * self.solve_level(index)
            pointers = POINTER(self.u), POINTER(self.collected)
            self.launch_entries(
                "collect", 2 * height * width, self.all_entries(), *pointers, *self.list_arguments(index)
            )
        self.device.download(self.collected, out)
        return count

    def build_pyramids(self, frames: np.ndarray) -> None:
        """Compute the grey levels and gradients of every frame at every level."""
        step = self.parameters["scale_step"]
        self.device.upload(self.raw, frames)
        area = self.levels[0][0] * self.levels[0][1]
        self.launch_rows("widen", area, len(frames), POINTER(self.raw), POINTER(self.grey[0]), INT(area))
        for index, (height, width) in enumerate(self.levels):
            if index:
                scale = (1 / step, 1 / step)
                self.resize(self.grey[index - 1], self.grey[index], index - 1, index, len(frames), scale, 1.0)
            pointers = POINTER(self.grey[index]), POINTER(self.pixels[index])
            self.launch_rows("differences", height * width, len(frames), *pointers, INT(height), INT(width))

    def resize(
        self, source: int, target: int, old: int, new: int, planes: int, scale: tuple[float, float], factor: float
    ) -> None:
        """Resize `planes` planes from level `old` to level `new` and multiply them by `factor`."""
        (h, w), (height, width) = self.levels[old], self.levels[new]
        shape = INT(h), INT(w), INT(height), INT(width)
        scales = c_double(scale[0]), c_double(scale[1]), c_float(factor)
        self.launch_rows("resize", height * width, planes, POINTER(source), POINTER(target), *shape, *scales)

    def start_level(self, index: int) -> None:
        """Initialise u from the coarser level (or with zeros) and q with zeros, in their buffers 0."""
        height, width = self.levels[index]
        plane = 4 * self.pairs * height * width
        self.device.clear(self.q, 4 * plane)
        self.u_buffer, self.q_buffer = np.zeros((2, self.pairs), np.int32)
        if index + 1 == len(self.levels):
            self.device.clear(self.u, 2 * plane)
            return
        h, w = self.levels[index + 1]
        step = self.parameters["scale_step"]
        self.resize(self.collected, self.u, index + 1, index, 2 * self.pairs, (h / height, w / width), 1 / step)

    def solve_level(self, index: int) -> int:
        """Run all warps of one level; returns the iterations of all pairs."""
        height, width = self.levels[index]
        count = 0
        for _ in range(self.parameters["warps"]):
            pointers = POINTER(self.grey[index]), POINTER(self.pixels[index]), POINTER(self.u), POINTER(self.data)
            self.launch_entries("warp", height * width, self.all_entries(), *pointers, *self.list_arguments(index))
            count += self.iterate_warp(index)
        return count

    def iterate_warp(self, index: int) -> int:
        """Iterate every pair until its change is below epsilon, as `level.solve` does; returns all iterations."""
        p, depth = self.parameters, self.device.tile.depth
        height, width = self.levels[index]
        limit = np.float32(p["epsilon"] ** 2 * height * width)
        # Per pair: inner iterations since the last median filter, outer iterations, and the iterations of a repetition.
        inner, outer, repeat = np.zeros((3, self.pairs), np.int32)
        active, total = np.arange(self.pairs), 0
        while len(active):
            if p["median"]:
                self.smooth(index, active[(inner[active] == 0) & (repeat[active] == 0)])
            count = np.where(repeat[active], repeat[active], np.minimum(depth, p["inner_iterations"] - inner[active]))
            converged = self.iterate(index, active, count) <= limit
            converged &= np.arange(depth) < count[:, None]
            stop = np.where(converged.any(axis=1), converged.argmax(axis=1) + 1, 0)
            early = (stop > 0) & (stop < count) & (repeat[active] == 0)  # too many iterations: repeat with fewer
            accepted, finished = active[~early], (stop > 0) | (repeat[active] > 0)
            self.u_buffer[accepted] ^= 1
            self.q_buffer[accepted] ^= 1
            inner[accepted] += count[~early]
            total += int(count[~early].sum())
            repeat[active] = np.where(early, stop, 0)
            full = inner >= p["inner_iterations"]
            outer[full] += 1
            inner[full] = 0
            active = active[early | ~(finished | (outer[active] >= p["outer_iterations"]))]
        return total

    def smooth(self, index: int, pairs: np.ndarray) -> None:
        """Apply the median filter to u of `pairs`."""
        if len(pairs):
            height, width = self.levels[index]
            arguments = POINTER(self.u), *self.list_arguments(index), INT(self.parameters["median"])
            self.launch_entries("median", 2 * height * width, self.entries(pairs), *arguments)
            self.u_buffer[pairs] ^= 1

    def iterate(self, index: int, pairs: np.ndarray, count: np.ndarray) -> np.ndarray:
        """Run `count` iterations of `pairs`; returns the change of each, (pairs, depth), undefined after `count`."""
        tile, p = self.device.tile, self.parameters
        height, width = self.levels[index]
        across, down = tile.across(width), tile.down(height)
        self.device.upload(self.list, self.entries(pairs, count))
        steps = c_float(p["lambda_"] * p["theta"]), c_float(p["tau"]), c_float(p["tau"] / p["theta"])
        pointers = tuple(POINTER(address) for address in (self.u, self.q, self.data, self.changes, self.list))
        shape = INT(self.pairs), INT(height), INT(width), INT(across), INT(down)
        self.device.launch("iterate", (across * down, len(pairs)), tile.threads, tile.shared, *pointers, *shape, *steps)
        changes = np.empty((len(pairs), across * down, tile.depth), np.float32)
        self.device.download(self.changes, changes)
        return changes.astype(np.float64).sum(axis=1).astype(np.float32)

    def entries(self, pairs: np.ndarray, count: np.ndarray | int = 0) -> np.ndarray:
        """The list that kernels work on: pair, buffer of u, buffer of q, number of iterations."""
        counts = np.broadcast_to(count, pairs.shape)
        return np.stack([pairs, self.u_buffer[pairs], self.q_buffer[pairs], counts], axis=1).astype(np.int32)

    def all_entries(self) -> np.ndarray:
        """The entries of all pairs."""
        return self.entries(np.arange(self.pairs))

    def list_arguments(self, index: int) -> tuple[Any, ...]:
        """The arguments after the pointers of the kernels that work on a list."""
        height, width = self.levels[index]
        return POINTER(self.list), INT(self.pairs), INT(height), INT(width)

    def launch_entries(self, name: str, count: int, entries: np.ndarray, *arguments: Any) -> None:
        """Launch a kernel for `count` elements of every entry."""
        self.device.upload(self.list, entries)
        self.launch_rows(name, count, len(entries), *arguments)

    def launch_rows(self, name: str, count: int, rows: int, *arguments: Any) -> None:
        """Launch a kernel for `count` elements of every row (block_y)."""
        self.device.launch(name, (-(-count // BLOCK_THREADS), rows), BLOCK_THREADS, 0, *arguments)
