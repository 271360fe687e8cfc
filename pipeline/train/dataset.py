"""The clips that a network trains on: which video stands where in the sequence, and what is drawn from it."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Dataset

from pipeline.common.errors import UserError
from pipeline.common.log import say
from pipeline.config.recipe import Recipe
from pipeline.formats import manifest
from pipeline.inputs import clip_sampling, clip_volumes, crops, fast_volumes
from pipeline.inputs.clip_volumes import Sample, size_of
from pipeline.inputs.readers import Readers, frame_count
from pipeline.train.distributed import World
from pipeline.train.sampler import Sampler


class Video(NamedTuple):
    """A video that is trained on: where it is read from, its id, its label."""

    readers: Readers
    name: str
    label: int


class TrainingClips(Dataset):
    """Position in the training sequence -> (sample, label, task); the same at every asking.

    Of several tasks (2014, section 5) every one has its own videos and its turn.
    """

    def __init__(self, tasks: Sequence[Sequence[Video]], recipe: Recipe, seed: int) -> None:
        self.tasks, self.recipe = tasks, recipe
        labels = ([video.label for video in videos] for videos in tasks)
        self.samplers = [Sampler(recipe.sampler, of, seed + 1_000_003 * task) for task, of in enumerate(labels)]

    @property
    def videos(self) -> int:
        """Videos of an epoch."""
        return sum(map(len, self.tasks))

    def __getitem__(self, position: int) -> tuple[Sample, int, int]:
        video, generator, task = self._at(position)
        return augmented(video.readers, video.name, self.recipe, generator), video.label, task

    def write(self, room: fast_volumes.Room, position: int) -> tuple[int, int]:
        """(label, task); the sample is written into `room`."""
        video, generator, task = self._at(position)
        augment(room, video.readers, video.name, self.recipe, generator)
        return video.label, task

    def _at(self, position: int) -> tuple[Video, np.random.Generator, int]:
        place, task = divmod(position, len(self.tasks))
        sampler = self.samplers[task]
        return self.tasks[task][sampler.video(place)], sampler.generator(place), task


class HeldOut(Dataset):
    """Number -> (sample, label, task 0) of a video that is not trained on: its middle clip's centre crop."""

    def __init__(self, videos: Sequence[Video], recipe: Recipe) -> None:
        self.videos, self.recipe = videos, recipe

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, number: int) -> tuple[Sample, int, int]:
        video, recipe = self.videos[number], self.recipe
        (times,) = clip_sampling.tested(recipe, frame_count(video.readers, video.name), 1)
        volumes = clip_volumes.read(video.readers, recipe, video.name, times)
        box = crops.named(recipe, size_of(volumes), "centre", False)
        return clip_volumes.cut(volumes, box, recipe.frames is not None), video.label, 0


class Batches:
    """The positions of a training from step `begin` on, `chunks` lists a step: this process's share of its batch."""

    def __init__(self, recipe: Recipe, world: World, begin: int) -> None:
        self.recipe, self.share, self.begin = recipe, world.share(recipe.batch), begin
        most = recipe.bn_batch or recipe.micro_batch or len(self.share)
        self.chunks = -(-len(self.share) // min(most, len(self.share)))

    def __len__(self) -> int:
        return (self.recipe.steps - self.begin) * self.chunks

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.begin, self.recipe.steps):
            for chunk in np.array_split(np.array(self.share), self.chunks):
                yield (chunk + step * self.recipe.batch).tolist()


def augmented(readers: Readers, video: str, recipe: Recipe, generator: np.random.Generator) -> Sample:
    """One training clip: times, crop, flip and jitter drawn, the same for every picture and input."""
    room = fast_volumes.room_for(recipe)
    augment(room, readers, video, recipe, generator)
    return fast_volumes.tensors(room)


def augment(
    room: fast_volumes.Room, readers: Readers, video: str, recipe: Recipe, generator: np.random.Generator
) -> None:
    """The same, written into `room`."""
    times = clip_sampling.drawn(recipe, frame_count(readers, video), generator)
    fast_volumes.write(room, readers, recipe, video, times, lambda size: crops.drawn(recipe, size, generator))
    fast_volumes.jitter(room, list(recipe.stack), recipe.rgb_jitter, generator)


def of_split(readers: Readers, splits: Path, split: int) -> list[Video]:
    """The training videos of a split that are in the shards; the others are counted in the log."""
    return _usable(readers, manifest.read_splits(splits, split, "train"), f"training videos of split {split}")


def of_all_splits(readers: Readers, splits: Path) -> list[Video]:
    """Every video of a data set that only helps to train (2014, Table 2: all its splits combined)."""
    both = [manifest.read_splits(splits, 1, subset) for subset in ("train", "test")]
    return [video for table in both for video in _usable(readers, table, "videos of the partner")]


def held_out(videos: Sequence[Video], share: float, seed: int) -> tuple[list[Video], list[Video]]:
    """(trained on, held out): a seeded share of each class, one video of it at the least if it has two."""
    generator, out = np.random.default_rng((seed, 7)), set[int]()
    for label in sorted({video.label for video in videos}):
        members = [number for number, video in enumerate(videos) if video.label == label]
        count = min(max(round(share * len(members)), 1), len(members) - 1)
        out |= {members[place] for place in generator.permutation(len(members))[:count]}
    if not out:
        raise UserError(
            f"plateau holds out {share:g} of each class but none of the {len(videos)} videos' classes has two: take"
            " drops instead"
        )
    kept = [video for number, video in enumerate(videos) if number not in out]
    return kept, [video for number, video in enumerate(videos) if number in out]


def added_classes(
    own: Sequence[Video], more: Sequence[Video], classes: Sequence[str], other: Sequence[str]
) -> tuple[list[Video], list[str]]:
    """Videos of two data sets under one list of classes: `other`'s are added behind, those of the same name are one."""
    names = [*classes, *(name for name in other if name not in classes)]
    moved = [video._replace(label=names.index(other[video.label])) for video in more]
    return [*own, *moved], names


def digest(tasks: Sequence[Sequence[Video]]) -> str:
    """A hash of the videos and labels trained on."""
    lines = (f"{video.name}\t{video.label}" for videos in tasks for video in videos)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _usable(readers: Readers, table: Any, what: str) -> list[Video]:
    rows = zip(table["video_id"], table["label"].tolist(), strict=True)
    found = [Video(readers, name, label) for name, label in rows if all(name in reader for reader in readers.values())]
    if not found:
        folder = next(iter(readers.values())).folder
        raise UserError(f"none of the {len(table)} {what} is in {folder}: run shard again")
    say(f"training on {len(found)} of {len(table)} {what}")
    return found
