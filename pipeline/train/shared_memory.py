"""Chunks of clips handed from the processes that decode them to the one that trains, in memory that both see.

The memory is taken once and used again and again: to take fresh memory for every chunk costs a quarter of the decoding.
A slot of it is given away when its chunk is asked for, and is free again once nothing refers to the chunk any more.
Where no slot is free, or processes do not inherit memory, a chunk travels as torch sends tensors.
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
from pipeline.inputs.fast_volumes import shapes
from pipeline.train.dataset import Batches, TrainingClips
from pipeline.train.trainer import Chunk

ALIGNED = 64  # bytes, a line of the cache
AHEAD = 2  # chunks that every process reads ahead
Order = tuple[int | None, list[int]]  # a slot, and the positions of the clips that are to lie there

_POOLS: "weakref.WeakValueDictionary[int, Pool]" = weakref.WeakValueDictionary()
_numbers = itertools.count()


class Parcel(NamedTuple):
    """Where a chunk of some clips lies."""

    pool: int
    slot: int
    clips: int

    def open(self) -> Chunk:
        """The chunk, in the process that trains; its slot is free again when the last of its tensors is gone."""
        return _POOLS[self.pool].open(self.slot, self.clips)

    def pin_memory(self) -> Chunk:
        """Called by torch's thread that copies chunks to where a GPU fetches them."""
        sample, labels, tasks = self.open()
        return tuple((a.pin_memory(), b.pin_memory()) for a, b in sample), labels.pin_memory(), tasks.pin_memory()


class Pool:
    """`slots` places for chunks of up to `most` clips; pages of a slot that is never used are never taken."""

    def __init__(self, recipe: Recipe, most: int, slots: int) -> None:
        self.number = next(_numbers)
        pairs = [((data, kind), (shift, np.float32)) for data, kind, shift in shapes(recipe)]
        self.rows = [*itertools.chain(*pairs), ((), np.int64), ((), np.int64)]
        size = self._ends(most)[-1]
        self.memory = [mmap.mmap(-1, size) for _ in range(slots)]
        self.free = list(range(slots))
        _POOLS[self.number] = self

    def take(self) -> int | None:
        """A free slot, the one that was used last; None if there is none."""
        return self.free.pop() if self.free else None

    def open(self, slot: int, count: int) -> Chunk:
        """See Parcel.open."""
        whole = np.frombuffer(self.memory[slot], np.uint8)
        weakref.finalize(whole, self.free.append, slot).atexit = False  # every array of `arrays` refers to it
        return chunk_of(self.arrays(whole, count))

    def arrays(self, whole: np.ndarray, count: int) -> list[np.ndarray]:
        """Volume and shift of every input, labels, tasks of `count` clips, all within `whole`."""
        ends = self._ends(count)
        return [
            whole[begin : begin + count * _bytes(shape, kind)].view(kind).reshape(count, *shape)
            for begin, (shape, kind) in zip([0, *ends], self.rows, strict=False)
        ]

    def room(self, slot: int | None, count: int) -> list[np.ndarray]:
        """The arrays to write a chunk into: a slot's, or of fresh memory."""
        if slot is None:
            return self.arrays(np.empty(self._ends(count)[-1], np.uint8), count)
        return self.arrays(np.frombuffer(self.memory[slot], np.uint8), count)

    def _ends(self, count: int) -> list[int]:
        sizes = (-(-count * _bytes(shape, kind) // ALIGNED) * ALIGNED for shape, kind in self.rows)
        return list(itertools.accumulate(sizes))


class Written(Dataset):
    """What a process of a loader does: an Order -> the chunk in its slot, as a Parcel, or in fresh memory."""

    def __init__(self, data: TrainingClips, pool: Pool) -> None:
        self.data, self.pool = data, pool

    def __getitems__(self, order: Order) -> Parcel | Chunk:
        slot, positions = order
        arrays = self.pool.room(slot, len(positions))
        *inputs, labels, tasks = arrays
        pairs = list(zip(inputs[::2], inputs[1::2], strict=True))
        for row, position in enumerate(positions):
            room = [(data[row, ...], shift[row, ...]) for data, shift in pairs]
            labels[row], tasks[row] = self.data.write(room, position)
        return chunk_of(arrays) if slot is None else Parcel(self.pool.number, slot, len(positions))


class Ordered:
    """Batches with a slot for each chunk, taken when the loader asks for the chunk."""

    def __init__(self, order: Batches, pool: Pool) -> None:
        self.order, self.pool = order, pool

    def __len__(self) -> int:
        return len(self.order)

    def __iter__(self) -> Iterator[Order]:
        return ((self.pool.take(), positions) for positions in self.order)


def pool_for(order: Batches, workers: int) -> Pool:
    """Slots for what is read ahead and for two steps of what is trained on; none without memory in common."""
    common = not workers or multiprocessing.get_start_method() == "fork"
    slots = AHEAD * workers + 2 * order.chunks + 1
    return Pool(order.recipe, -(-len(order.share) // order.chunks), slots if common else 0)


def chunk_of(arrays: Sequence[np.ndarray]) -> Chunk:
    """Tensors of the same memory."""
    *inputs, labels, tasks = map(torch.from_numpy, arrays)
    return tuple(zip(inputs[::2], inputs[1::2], strict=True)), labels, tasks


def _bytes(shape: Sequence[int], kind: type) -> int:
    return math.prod(shape) * np.dtype(kind).itemsize
