"""The clips that a network is trained and validated on."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from torch.utils.data import Dataset

from pipeline.common.errors import UserError
from pipeline.common.log import say
from pipeline.config.recipe import Recipe
from pipeline.formats import manifest
from pipeline.inputs import clip_sampling, clip_volumes, crops, fast_volumes
from pipeline.inputs.clip_volumes import Sample, picture_size
from pipeline.inputs.readers import Readers, frame_count, videos_in_shards
from pipeline.train.distributed import ProcessGroup
from pipeline.train.sampler import Sampler


class Video(NamedTuple):
    """A training video: the readers of its shards, its id and its label."""

    readers: Readers
    name: str
    label: int


class TrainingClips(Dataset):
    """Maps a position in the training sequence to (sample, label, task), always to the same one.

    With several tasks (Simonyan and Zisserman 2014, section 5) the positions alternate between them; each task has its
    own videos and its own sampler.
    """

    def __init__(self, tasks: Sequence[Sequence[Video]], recipe: Recipe, seed: int) -> None:
        self.tasks, self.recipe = tasks, recipe
        labels = ([video.label for video in videos] for videos in tasks)
        self.samplers = [
            Sampler(recipe.sampler, task_labels, seed + 1_000_003 * task) for task, task_labels in enumerate(labels)
        ]

    @property
    def num_videos(self) -> int:
        """The number of videos of all tasks, which is the number of clips in an epoch."""
        return sum(map(len, self.tasks))

    def __getitem__(self, position: int) -> tuple[Sample, int, int]:
        video, generator, task = self._video_at(position)
        return training_clip(video.readers, video.name, self.recipe, generator), video.label, task

    def write(self, arrays: fast_volumes.Buffers, position: int) -> tuple[int, int]:
        """Write the sample at a position into `arrays` and return (label, task)."""
        video, generator, task = self._video_at(position)
        write_training_clip(arrays, video.readers, video.name, self.recipe, generator)
        return video.label, task

    def _video_at(self, position: int) -> tuple[Video, np.random.Generator, int]:
        task_position, task = divmod(position, len(self.tasks))
        sampler = self.samplers[task]
        return self.tasks[task][sampler.video_index(task_position)], sampler.generator(task_position), task


class ValidationClips(Dataset):
    """Maps an index to (sample, label, task 0) of a held-out video: the centre crop of its middle clip."""

    def __init__(self, videos: Sequence[Video], recipe: Recipe) -> None:
        self.videos, self.recipe = videos, recipe

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> tuple[Sample, int, int]:
        video, recipe = self.videos[index], self.recipe
        (times,) = clip_sampling.uniform_clips(recipe, frame_count(video.readers, video.name), 1)
        volumes = clip_volumes.read_volumes(video.readers, recipe, video.name, times)
        box = crops.test_crop(recipe, picture_size(volumes), "centre", False)
        return clip_volumes.crop_volumes(volumes, box, recipe.frames is not None), video.label, 0


class ChunkSampler:
    """The positions of every chunk of a training from `first_step` on, for this process.

    A process's part of a batch is read, and normalised by batch normalisation, in `chunks_per_step` chunks of about
    equal size: at most `bn_batch`, or `micro_batch`, clips each.
    """

    def __init__(self, recipe: Recipe, group: ProcessGroup, first_step: int) -> None:
        self.recipe, self.local_batch, self.first_step = recipe, group.local_batch(recipe.batch), first_step
        max_clips = recipe.bn_batch or recipe.micro_batch or len(self.local_batch)
        self.chunks_per_step = -(-len(self.local_batch) // min(max_clips, len(self.local_batch)))

    @property
    def max_clips(self) -> int:
        """The number of clips in the largest chunk."""
        return -(-len(self.local_batch) // self.chunks_per_step)

    def __len__(self) -> int:
        return (self.recipe.steps - self.first_step) * self.chunks_per_step

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.first_step, self.recipe.steps):
            for indices in np.array_split(np.array(self.local_batch), self.chunks_per_step):
                yield (indices + step * self.recipe.batch).tolist()


def training_clip(readers: Readers, video: str, recipe: Recipe, generator: np.random.Generator) -> Sample:
    """A clip at random times with a random crop, flip and colour jitter, the same in all frames and inputs."""
    arrays = fast_volumes.allocate(recipe)
    write_training_clip(arrays, readers, video, recipe, generator)
    return fast_volumes.as_tensors(arrays)


def write_training_clip(
    arrays: fast_volumes.Buffers, readers: Readers, video: str, recipe: Recipe, generator: np.random.Generator
) -> None:
    """Write a `training_clip` into `arrays`."""
    times = clip_sampling.random_clip(recipe, frame_count(readers, video), generator)
    fast_volumes.write_clip(
        arrays, readers, recipe, video, times, lambda size: crops.random_crop(recipe, size, generator)
    )
    fast_volumes.add_rgb_jitter(arrays, list(recipe.stack), recipe.rgb_jitter, generator)


def training_videos(readers: Readers, splits: Path, split: int) -> list[Video]:
    """The training videos of a split that are in the shards; the log says how many of them."""
    return _videos(readers, manifest.read_splits(splits, split, "train"), f"training videos of split {split}")


def partner_videos(readers: Readers, splits: Path) -> list[Video]:
    """All videos of the second data set (Simonyan and Zisserman 2014, Table 2, trains on all of its splits)."""
    tables = [manifest.read_splits(splits, 1, part) for part in ("train", "test")]
    return [video for table in tables for video in _videos(readers, table, "videos of the partner")]


def hold_out(videos: Sequence[Video], fraction: float, seed: int) -> tuple[list[Video], list[Video]]:
    """(training videos, validation videos): a random fraction of each class is held out for validation.

    Of a class with two or more videos at least one is held out and at least one is kept.
    """
    generator, held_out = np.random.default_rng((seed, 7)), set[int]()
    for label in sorted({video.label for video in videos}):
        members = [index for index, video in enumerate(videos) if video.label == label]
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        held_out |= {members[index] for index in generator.permutation(len(members))[:count]}
    if not held_out:
        raise UserError(
            f"plateau holds out {fraction:g} of each class but none of the {len(videos)} videos' classes has two: set"
            " milestones instead"
        )
    kept = [video for index, video in enumerate(videos) if index not in held_out]
    return kept, [video for index, video in enumerate(videos) if index in held_out]


def merge_classes(
    videos: Sequence[Video], partner: Sequence[Video], classes: Sequence[str], partner_classes: Sequence[str]
) -> tuple[list[Video], list[str]]:
    """The videos of two data sets with labels in one list of classes, and that list.

    The partner's classes follow those of the data set; classes of the same name are one class.
    """
    names = [*classes, *(name for name in partner_classes if name not in classes)]
    relabelled = [video._replace(label=names.index(partner_classes[video.label])) for video in partner]
    return [*videos, *relabelled], names


def hash_videos(tasks: Sequence[Sequence[Video]]) -> str:
    """A hash of the ids and labels of the training videos."""
    lines = (f"{video.name}\t{video.label}" for videos in tasks for video in videos)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _videos(readers: Readers, listed: pd.DataFrame, description: str) -> list[Video]:
    rows = videos_in_shards(listed, readers, description)
    say(f"training on {len(rows)} of {len(listed)} {description}")
    return [Video(readers, name, label) for name, label in zip(rows["video_id"], rows["label"].tolist(), strict=True)]
