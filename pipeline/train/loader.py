"""Data loaders of a training, whose workers' errors reach the user as in the training process."""

import itertools
from collections.abc import Iterator
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader

from pipeline.common.errors import UserError
from pipeline.train import shared_memory
from pipeline.train.dataset import ChunkSampler, TrainingClips, ValidationClips
from pipeline.train.shared_memory import SharedChunk
from pipeline.train.trainer import Chunk


def training_loader(
    clips: TrainingClips, sampler: ChunkSampler, workers: int, device: torch.device | None, persistent: bool = False
) -> DataLoader:
    """A loader of the chunks of `sampler` as SharedChunk or Chunk, which `chunks` unpacks; pinned for a GPU."""
    pool = shared_memory.make_pool(sampler, workers)
    requests: Any = shared_memory.RequestSampler(sampler, pool)
    if workers:
        # Before the workers are forked: a fork does not inherit OpenCV's threads and would wait for them for ever.
        cv2.setNumThreads(1)
    return DataLoader(
        shared_memory.ChunkDataset(clips, pool),
        batch_sampler=requests,
        collate_fn=_identity,
        num_workers=workers,
        pin_memory=device is not None and device.type == "cuda",
        generator=torch.Generator(),  # a generator of its own, so that the loader does not draw from the global one
        prefetch_factor=shared_memory.PREFETCH if workers else None,
        persistent_workers=persistent and workers > 0,
    )


def validation_loader(clips: ValidationClips) -> DataLoader:
    """A loader of chunks of one clip each, without workers."""
    return DataLoader(clips, batch_size=1, generator=torch.Generator())


def chunks(loader: DataLoader) -> Iterator[Chunk]:
    """The loader's chunks as tensors."""
    return (chunk.to_tensors() if isinstance(chunk, SharedChunk) else chunk for chunk in loader)


def step_chunks(loader: DataLoader, chunks_per_step: int) -> Iterator[list[Chunk]]:
    """The chunks of each step; errors of workers are raised as UserError."""
    stream = chunks(loader)
    try:
        while step := list(itertools.islice(stream, chunks_per_step)):
            yield step
    except UserError as error:  # torch puts the worker's traceback into the message
        raise UserError(str(error).rpartition(f"{UserError.__name__}: ")[2].strip()) from error
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise UserError(
            f"a process that decodes clips was stopped ({error}): give the job more memory, or fewer --threads"
        ) from error


def _identity(chunk: Any) -> Any:
    return chunk
