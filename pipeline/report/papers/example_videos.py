"""The test videos that a paper's figure shows: of classes that the user names, or of classes drawn by a seed."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.formats import manifest
from pipeline.inputs.readers import Readers, videos_in_shards

STREAM = 11  # of random numbers for this choice


class Video(NamedTuple):
    """A test video and its label."""

    name: str
    label: int


def read_test_videos(readers: Readers, splits: Path, split: int) -> list[Video]:
    """The test videos of a split that are in the shards, in the official order."""
    listed = manifest.read_splits(splits, split, "test")
    rows = videos_in_shards(listed, readers, f"test videos of split {split}")
    return [Video(name, label) for name, label in zip(rows["video_id"], rows["label"].tolist(), strict=True)]


def choose_videos(
    videos: Sequence[Video], classes: Sequence[str], count: int, per_class: int, seed: int, wanted: Sequence[str] = ()
) -> list[Video]:
    """Up to `per_class` videos of up to `count` classes in the order of `classes`, drawn by the seed.

    With `wanted`, only classes that it names. One of them that has no test video is logged and left out; if none has
    any, or one is unknown, that is a UserError.
    """
    generator = np.random.default_rng((seed, STREAM))
    labels = choose_labels(videos, classes, wanted)
    if len(labels) > count:
        labels = sorted(generator.choice(labels, count, replace=False).tolist())
    chosen = []
    for label in labels:
        of_class = [video for video in videos if video.label == label]
        indices = generator.permutation(len(of_class))[:per_class]
        chosen += [of_class[index] for index in sorted(indices.tolist())]
    return chosen


def choose_labels(videos: Sequence[Video], classes: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The labels of the `wanted` classes that have test videos; without `wanted`, of all classes that have any."""
    labels = sorted({video.label for video in videos})
    if unknown := [name for name in wanted if name not in classes]:
        raise UserError(f"there is no class {unknown[0]}: choose among {', '.join(classes)}")
    if missing := [name for name in wanted if classes.index(name) not in labels]:
        if len(missing) == len(wanted):
            raise UserError(f"no test video of the class {missing[0]} is in the shards: choose another class")
        log.say(f"no test video of {', '.join(missing)} is in the shards: shown without")
    return [classes.index(name) for name in wanted if name not in missing] or labels
