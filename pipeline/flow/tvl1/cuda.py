"""TV-L1 on an NVIDIA GPU: the schedule of level.py over a batch of pairs, on kernels that are compiled at run time.

The host decides, after every launch of up to `depth` iterations, which pairs go on. A launch returns the change of each
of its iterations, so a pair that converged within one is run again from where that launch began, for just as many
iterations as OpenCV's stopping test allows: the flow does not depend on `depth`, nor on what else is in the batch.
"""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_double, c_float, c_int, c_void_p
from typing import Any, Protocol

import numpy as np

from pipeline.common.errors import UserError
from pipeline.flow.tvl1.pyramid import level_sizes
from pipeline.flow.tvl1.tile import Tile

POINTER, INT = c_void_p, c_int  # how a pointer and a whole number go to a kernel
STREAMS = 2
MEMORY_SHARE = 0.4  # of the free memory, for each of them
MAX_PAIRS = 256  # in a batch: more gains nothing
BLOCK_THREADS = 256  # a block, where every thread has a pixel of its own


class Device(Protocol):
    """What runs the kernels: a GPU (driver.py), or the processor in the tests."""

    tile: Tile

    def allocate(self, count: int) -> int: ...
    def free(self) -> None: ...
    def room(self) -> int: ...
    def clear(self, address: int, count: int) -> None: ...
    def put(self, address: int, array: np.ndarray) -> None: ...
    def get(self, address: int, array: np.ndarray) -> None: ...
    def launch(self, name: str, blocks: tuple[int, int], threads: int, shared: int, *arguments: Any) -> None: ...


def flow(frames: np.ndarray, parameters: dict[str, Any], threads: int) -> np.ndarray:
    """uint8 (T, H, W) -> float32 (T-1, 2, H, W); `threads` does not matter here.

    Two lanes share the GPU, each with half of the pairs, so that one computes while the other's flow is fetched.
    """
    from pipeline.flow.tvl1.driver import open_device

    pairs = len(frames) - 1
    out = np.empty((pairs, 2, *frames.shape[1:]), np.float32)
    half = -(-pairs // STREAMS) or 1

    def lane(begin: int) -> None:
        with contextlib.closing(open_device()) as gpu:
            flow_into(gpu, frames[begin : begin + half + 1], out[begin : begin + half], parameters)

    with ThreadPoolExecutor(STREAMS) as pool:
        list(pool.map(lane, range(0, pairs, half)))
    return out


def flow_into(
    device: Device, frames: np.ndarray, out: np.ndarray, parameters: dict[str, Any], most: int = MAX_PAIRS
) -> None:
    """Flow of n + 1 frames on `device` into `out` (n, 2, H, W), in batches of at most `most` pairs that fit it."""
    pairs, _, height, width = out.shape
    levels = level_sizes(height, width, parameters["scales"], parameters["scale_step"])
    batch = min(pairs, most, int(device.room() * MEMORY_SHARE) // Batch.bytes_a_pair(levels) - 1)
    if batch < 1:
        raise UserError(f"frames of {width}x{height} do not fit the GPU's free memory: use the backend cpu")
    try:
        engine = Batch(device, levels, batch, parameters)
        for begin in range(0, pairs, batch):
            count = min(batch, pairs - begin)
            engine.run(frames[begin : begin + count + 1], out[begin : begin + count])
    finally:
        device.free()


class Batch:
    """The device's memory for up to `most` pairs of one size, and the solver on it."""

    def __init__(self, device: Device, levels: list[tuple[int, int]], most: int, parameters: dict[str, Any]) -> None:
        self.device, self.levels, self.parameters = device, levels, parameters
        (height, width), tile = levels[0], device.tile
        area = height * width
        self.raw = device.allocate((most + 1) * area)
        self.grey = [device.allocate(4 * (most + 1) * h * w) for h, w in levels]
        self.pixels = [device.allocate(16 * (most + 1) * h * w) for h, w in levels]
        self.u, self.q = device.allocate(16 * most * area), device.allocate(32 * most * area)
        self.data, self.collected = device.allocate(16 * most * area), device.allocate(8 * most * area)
        self.changes = device.allocate(4 * most * tile.across(width) * tile.down(height) * tile.depth)
        self.list = device.allocate(16 * most)

    @staticmethod
    def bytes_a_pair(levels: list[tuple[int, int]]) -> int:
        """What __init__ allocates for each pair, with some air."""
        height, width = levels[0]
        return 20 * sum(h * w for h, w in levels) + 76 * height * width + 65536

    def run(self, frames: np.ndarray, out: np.ndarray) -> int:
        """uint8 (n + 1, H, W) -> `out` (n, 2, H, W) -> pixel-iterations of all pairs."""
        self.pairs, count = len(out), 0
        self.pyramids(frames)
        for index in reversed(range(len(self.levels))):
            height, width = self.levels[index]
            self.start(index)
            count += height * width * self.solve(index)
            self.each(
                "collect",
                2 * height * width,
                self.everything(),
                POINTER(self.u),
                POINTER(self.collected),
                *self.size(index),
            )
        self.device.get(self.collected, out)
        return count

    def pyramids(self, frames: np.ndarray) -> None:
        """Grey levels and gradients of every frame at every level."""
        step = self.parameters["scale_step"]
        self.device.put(self.raw, frames)
        area = self.levels[0][0] * self.levels[0][1]
        self.simple("widen", area, len(frames), POINTER(self.raw), POINTER(self.grey[0]), INT(area))
        for index, (height, width) in enumerate(self.levels):
            if index:
                self.resize(
                    self.grey[index - 1], self.grey[index], index - 1, index, len(frames), (1 / step, 1 / step), 1.0
                )
            pointers = POINTER(self.grey[index]), POINTER(self.pixels[index])
            self.simple("differences", height * width, len(frames), *pointers, INT(height), INT(width))

    def resize(
        self, source: int, target: int, old: int, new: int, planes: int, scale: tuple[float, float], factor: float
    ) -> None:
        """`planes` planes of the level `old` -> of the level `new`, times `factor`."""
        (h, w), (height, width) = self.levels[old], self.levels[new]
        shape = INT(h), INT(w), INT(height), INT(width)
        scales = c_double(scale[0]), c_double(scale[1]), c_float(factor)
        self.simple("resize", height * width, planes, POINTER(source), POINTER(target), *shape, *scales)

    def start(self, index: int) -> None:
        """u from the coarser level or zero, q zero, all in their buffers 0."""
        height, width = self.levels[index]
        plane = 4 * self.pairs * height * width
        self.device.clear(self.q, 4 * plane)
        self.u_from, self.q_from = np.zeros((2, self.pairs), np.int32)
        if index + 1 == len(self.levels):
            self.device.clear(self.u, 2 * plane)
            return
        h, w = self.levels[index + 1]
        step = self.parameters["scale_step"]
        self.resize(self.collected, self.u, index + 1, index, 2 * self.pairs, (h / height, w / width), 1 / step)

    def solve(self, index: int) -> int:
        """All warps of one level -> iterations of all pairs."""
        height, width = self.levels[index]
        count = 0
        for _ in range(self.parameters["warps"]):
            pointers = POINTER(self.grey[index]), POINTER(self.pixels[index]), POINTER(self.u), POINTER(self.data)
            self.each("warp", height * width, self.everything(), *pointers, *self.size(index))
            count += self.one_warp(index)
        return count

    def one_warp(self, index: int) -> int:
        """Iterate every pair until it changes less than epsilon, as `level.solve` does -> iterations of all pairs."""
        p, depth = self.parameters, self.device.tile.depth
        height, width = self.levels[index]
        limit = np.float32(p["epsilon"] ** 2 * height * width)
        inside, rounds, again = np.zeros((3, self.pairs), np.int32)
        left, total = np.arange(self.pairs), 0
        while len(left):
            if p["median"]:
                self.smooth(index, left[(inside[left] == 0) & (again[left] == 0)])
            count = np.where(again[left], again[left], np.minimum(depth, p["inner_iterations"] - inside[left]))
            under = self.iterate(index, left, count) <= limit
            under &= np.arange(depth) < count[:, None]
            stop = np.where(under.any(axis=1), under.argmax(axis=1) + 1, 0)
            early = (stop > 0) & (stop < count) & (again[left] == 0)  # it ran too far: once more, not as far
            accepted, finished = left[~early], (stop > 0) | (again[left] > 0)
            self.u_from[accepted] ^= 1
            self.q_from[accepted] ^= 1
            inside[accepted] += count[~early]
            total += int(count[~early].sum())
            again[left] = np.where(early, stop, 0)
            full = inside >= p["inner_iterations"]
            rounds[full] += 1
            inside[full] = 0
            left = left[early | ~(finished | (rounds[left] >= p["outer_iterations"]))]
        return total

    def smooth(self, index: int, which: np.ndarray) -> None:
        """The median filter on u of the pairs `which`."""
        if len(which):
            height, width = self.levels[index]
            side = INT(self.parameters["median"])
            self.each("median", 2 * height * width, self.entries(which), POINTER(self.u), *self.size(index), side)
            self.u_from[which] ^= 1

    def iterate(self, index: int, which: np.ndarray, count: np.ndarray) -> np.ndarray:
        """`count` iterations of the pairs `which` -> each one's change (pairs, depth); beyond is undefined."""
        tile, p = self.device.tile, self.parameters
        height, width = self.levels[index]
        across, down = tile.across(width), tile.down(height)
        self.device.put(self.list, self.entries(which, count))
        steps = c_float(p["lambda_"] * p["theta"]), c_float(p["tau"]), c_float(p["tau"] / p["theta"])
        pointers = POINTER(self.u), POINTER(self.q), POINTER(self.data), POINTER(self.changes), POINTER(self.list)
        shape = INT(self.pairs), INT(height), INT(width), INT(across), INT(down)
        self.device.launch("iterate", (across * down, len(which)), tile.threads, tile.shared, *pointers, *shape, *steps)
        changes = np.empty((len(which), across * down, tile.depth), np.float32)
        self.device.get(self.changes, changes)
        return changes.astype(np.float64).sum(axis=1).astype(np.float32)

    def entries(self, which: np.ndarray, count: np.ndarray | int = 0) -> np.ndarray:
        """The kernels' list: pair, buffer of u, buffer of q, iterations."""
        counts = np.broadcast_to(count, which.shape)
        return np.stack([which, self.u_from[which], self.q_from[which], counts], axis=1).astype(np.int32)

    def everything(self) -> np.ndarray:
        return self.entries(np.arange(self.pairs))

    def size(self, index: int) -> tuple[Any, ...]:
        """What the kernels over a list take after their pointers."""
        height, width = self.levels[index]
        return POINTER(self.list), INT(self.pairs), INT(height), INT(width)

    def each(self, name: str, count: int, entries: np.ndarray, *arguments: Any) -> None:
        """A kernel on `count` elements of every entry."""
        self.device.put(self.list, entries)
        self.simple(name, count, len(entries), *arguments)

    def simple(self, name: str, count: int, rows: int, *arguments: Any) -> None:
        """A kernel on `count` elements of every row."""
        self.device.launch(name, (-(-count // BLOCK_THREADS), rows), BLOCK_THREADS, 0, *arguments)
