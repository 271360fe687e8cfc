"""Chunks of clips for a training, read ahead by processes, whose troubles are sentences as in the one that trains."""

import itertools
from collections.abc import Iterator
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader

from pipeline.common.errors import UserError
from pipeline.train import shared_memory
from pipeline.train.dataset import Batches
from pipeline.train.trainer import Chunk


def loader_of(
    data: Any, order: Batches | None, workers: int, device: torch.device | None, persistent: bool = False
) -> DataLoader:
    """Chunks of `data` in the order given, as parcels, or of one clip each, read ahead by `workers` processes."""
    options: dict[str, Any] = {"batch_sampler": [[number] for number in range(len(data))]} if order is None else {}
    if order is not None:
        pool = shared_memory.pool_for(order, workers)
        data, options = (
            shared_memory.Written(data, pool),
            {"batch_sampler": shared_memory.Ordered(order, pool), "collate_fn": _same},
        )
    if workers:
        # Before they are forked: OpenCV's threads are not, and whoever waits for them in a fork waits for ever.
        cv2.setNumThreads(1)
    return DataLoader(
        data,
        num_workers=workers,
        pin_memory=device is not None and device.type == "cuda",
        generator=torch.Generator(),  # its own, so that nothing hangs on the global one
        prefetch_factor=shared_memory.AHEAD if workers else None,
        persistent_workers=persistent and workers > 0,
        **options,
    )


def opened(loader: DataLoader) -> Iterator[Chunk]:
    """The loader's chunks, out of their parcels."""
    return (chunk.open() if isinstance(chunk, shared_memory.Parcel) else chunk for chunk in loader)


def _same(chunk: Chunk | shared_memory.Parcel) -> Chunk | shared_memory.Parcel:
    return chunk


def steps(loader: DataLoader, chunks: int) -> Iterator[list[Chunk]]:
    """The loader's chunks, a step's together."""
    stream = opened(loader)
    try:
        while step := list(itertools.islice(stream, chunks)):
            yield step
    except UserError as error:  # torch puts the traceback of the process that raised it into the message
        raise UserError(str(error).rpartition(f"{UserError.__name__}: ")[2].strip()) from error
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise UserError(
            f"a process that decodes clips was stopped ({error}): give the job more memory, or fewer --threads"
        ) from error
