"""Chunks of clips for a training, read ahead by processes, whose troubles are sentences as in the one that trains."""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from pipeline.errors import UserError
from pipeline.training import Chunk
from pipeline.trainingdata import Batches


def loader_of(data: Any, order: Batches | None, workers: int, device: torch.device | None) -> DataLoader:
    """Chunks of `data` in the order given, or of one each, read ahead by `workers` processes."""
    return DataLoader(
        data,
        batch_sampler=order if order is not None else [[number] for number in range(len(data))],
        num_workers=workers,
        pin_memory=device is not None and device.type == "cuda",
        generator=torch.Generator(),  # its own, so that nothing hangs on the global one
    )


def steps(loader: DataLoader, chunks: int) -> Iterator[list[Chunk]]:
    """The loader's chunks, a step's together."""
    stream = iter(loader)
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
