"""Chunks of clips in buffers of shared memory, written by the loader's workers and read by the training process.

The buffers are reused, because allocating memory for every chunk would take a quarter of the time of decoding. A buffer
is assigned when the loader requests a chunk and freed when the chunk's last tensor is garbage-collected. If no buffer
is free, or if workers do not inherit memory (they are not forked), torch sends the chunk's tensors as usual.
"""

import itertools
import math
import mmap
import multiprocessing
import weakref
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from pipeline.config.recipe import Recipe
from pipeline.inputs.fast_volumes import buffer_shapes
from pipeline.train.dataset import ChunkSampler, TrainingClips
from pipeline.train.trainer import Chunk

ALIGNMENT = 64  # bytes: a cache line
PREFETCH = 2  # chunks that every worker reads ahead
ChunkRequest = tuple[int | None, list[int]]  # the buffer (None: fresh memory) and the positions of the chunk's clips

_POOLS: "weakref.WeakValueDictionary[int, BufferPool]" = weakref.WeakValueDictionary()
_pool_ids = itertools.count()


class SharedChunk(NamedTuple):
    """A reference to a chunk of `num_clips` clips in a buffer of a pool, which is all that a worker sends."""

    pool_id: int
    buffer: int
    num_clips: int

    def to_tensors(self) -> Chunk:
        """The chunk's tensors, for the training process; its buffer is freed with the last of them."""
        return _POOLS[self.pool_id].read(self.buffer, self.num_clips)

    def pin_memory(self) -> Chunk:
        """The chunk in page-locked memory; torch calls this in a thread of the training process."""
        sample, labels, tasks = self.to_tensors()
        pinned = tuple((data.pin_memory(), offset.pin_memory()) for data, offset in sample)
        return pinned, labels.pin_memory(), tasks.pin_memory()


class BufferPool:
    """Shared-memory buffers for chunks of up to `max_clips` clips; pages that are never written take no memory."""

    def __init__(self, recipe: Recipe, max_clips: int, num_buffers: int) -> None:
        self.id = next(_pool_ids)
        pairs = [((data, dtype), (offset, np.float32)) for data, dtype, offset in buffer_shapes(recipe)]
        self.specs = [*itertools.chain(*pairs), ((), np.int64), ((), np.int64)]  # (shape, dtype) of each array
        size = self._array_ends(max_clips)[-1]
        self.buffers = [mmap.mmap(-1, size) for _ in range(num_buffers)]
        self.free = list(range(num_buffers))
        _POOLS[self.id] = self

    def acquire(self) -> int | None:
        """A free buffer, the one that was freed last; None if there is none."""
        return self.free.pop() if self.free else None

    def read(self, buffer: int, num_clips: int) -> Chunk:
        """The chunk in a buffer; the buffer is freed with the last of the chunk's tensors."""
        memory = np.frombuffer(self.buffers[buffer], np.uint8)
        weakref.finalize(memory, self.free.append, buffer).atexit = False  # all arrays of `_arrays` refer to `memory`
        return to_chunk(self._arrays(memory, num_clips))

    def writable_arrays(self, buffer: int | None, num_clips: int) -> list[np.ndarray]:
        """Arrays to write a chunk into, in a buffer or, without one, in fresh memory.

        They are the data and the offset of every input, the labels and the tasks.
        """
        if buffer is None:
            return self._arrays(np.empty(self._array_ends(num_clips)[-1], np.uint8), num_clips)
        return self._arrays(np.frombuffer(self.buffers[buffer], np.uint8), num_clips)

    def _arrays(self, memory: np.ndarray, num_clips: int) -> list[np.ndarray]:
        return [
            memory[begin : begin + num_clips * _num_bytes(shape, dtype)].view(dtype).reshape(num_clips, *shape)
            for begin, (shape, dtype) in zip([0, *self._array_ends(num_clips)], self.specs, strict=False)
        ]

    def _array_ends(self, num_clips: int) -> list[int]:
        sizes = (-(-num_clips * _num_bytes(shape, dtype) // ALIGNMENT) * ALIGNMENT for shape, dtype in self.specs)
        return list(itertools.accumulate(sizes))


class ChunkDataset(Dataset):
    """Maps a request to its chunk: written into the requested buffer, or into fresh memory if it has none."""

    def __init__(self, clips: TrainingClips, pool: BufferPool) -> None:
        self.clips, self.pool = clips, pool

    def __getitems__(self, request: ChunkRequest) -> SharedChunk | Chunk:
        buffer, positions = request
        arrays = self.pool.writable_arrays(buffer, len(positions))
        *inputs, labels, tasks = arrays
        pairs = list(zip(inputs[::2], inputs[1::2], strict=True))
        for row, position in enumerate(positions):
            sample = [(data[row, ...], offset[row, ...]) for data, offset in pairs]
            labels[row], tasks[row] = self.clips.write(sample, position)
        return to_chunk(arrays) if buffer is None else SharedChunk(self.pool.id, buffer, len(positions))


class RequestSampler:
    """The requests of a training: each chunk's positions with a buffer, acquired when the loader asks for the chunk."""

    def __init__(self, sampler: ChunkSampler, pool: BufferPool) -> None:
        self.sampler, self.pool = sampler, pool

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[ChunkRequest]:
        return ((self.pool.acquire(), positions) for positions in self.sampler)


def make_pool(sampler: ChunkSampler, workers: int) -> BufferPool:
    """Buffers for the chunks that workers read ahead and for those of two steps; none if workers are not forked."""
    inherited = not workers or multiprocessing.get_start_method() == "fork"
    num_buffers = PREFETCH * workers + 2 * sampler.chunks_per_step + 1
    return BufferPool(sampler.recipe, sampler.max_clips, num_buffers if inherited else 0)


def to_chunk(arrays: Sequence[np.ndarray]) -> Chunk:
    """Tensors that share the memory of arrays."""
    *inputs, labels, tasks = map(torch.from_numpy, arrays)
    return tuple(zip(inputs[::2], inputs[1::2], strict=True)), labels, tasks


def _num_bytes(shape: Sequence[int], dtype: type) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize
