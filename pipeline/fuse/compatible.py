"""Checks that score files belong together: the same videos, labels, classes and split.

Each check raises a UserError with both files and the first difference.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.common.errors import UserError
from pipeline.formats.scores import VideoScores, Views
from pipeline.index.video_files import video_stem

SHARED = ("classes", "split", "subset", "fingerprint")  # metadata that must agree where both files state them


def check_same_data(first: Path, a: Mapping[str, Any], second: Path, b: Mapping[str, Any]) -> None:
    """Check that the metadata `a` and `b` of two files name the same classes, split, subset and data set."""
    for name in SHARED:
        if differs(a, b, name):
            raise UserError(f"{first} and {second} do not fuse: their {name} are {first_difference(a[name], b[name])}")


def differs(a: Mapping[str, Any], b: Mapping[str, Any], name: str) -> bool:
    """Whether two files state different values of `name`; imported scores may not state it at all."""
    return None not in (a.get(name), b.get(name)) and a[name] != b[name]


def align_videos(first: Path, a: VideoScores, second: Path, b: VideoScores) -> VideoScores:
    """`b` in the video order of `a` and under its names; videos or labels that differ are a UserError.

    Videos are matched by name, or by name without folder and suffix where that is unambiguous.
    """
    if a.videos == b.videos:
        names = other_names = a.videos
    elif sorted(a.videos) == sorted(b.videos):
        names, other_names = a.videos, b.videos
    else:
        names, other_names = [video_stem(video) for video in a.videos], [video_stem(video) for video in b.videos]
    if len(set(names)) < len(names) or sorted(names) != sorted(other_names):
        raise UserError(f"{first} and {second} do not fuse: their videos are {first_difference(a.videos, b.videos)}")
    index = {name: row for row, name in enumerate(other_names)}
    order = [index[name] for name in names]
    check_same_labels(first, a, second, b.labels[order])
    return b._replace(videos=a.videos, labels=a.labels, values=b.values[order])


def check_same_labels(first: Path, a: VideoScores, second: Path, labels: np.ndarray) -> None:
    """Check that both files label each video alike; `labels` are the second file's in the video order of the first."""
    if (wrong := a.labels != labels).any():
        row = int(wrong.argmax())
        raise UserError(
            f"{first} and {second} do not fuse: {a.videos[row]} is of class {a.labels[row]} in the one"
            f" and {labels[row]} in the other"
        )


def check_same_views(first: Path, a: Views, second: Path, b: Views) -> None:
    """Check that two files hold the same views in the same order."""
    if len(a.table) != len(b.table):
        raise UserError(f"{first} and {second} do not fuse view by view: they have {len(a.table)} and {len(b.table)}")
    for name in ("video_id", "label", "clip", "crop", "flip"):
        if not a.table[name].equals(b.table[name]):
            pairs = zip(a.table[name].to_pylist(), b.table[name].to_pylist(), strict=True)
            row, (one, other) = next((n, pair) for n, pair in enumerate(pairs) if pair[0] != pair[1])
            raise UserError(
                f"{first} and {second} do not fuse view by view: row {row + 1} has {name} {one} and {other}: score"
                " them by one protocol"
            )


def check_training_scores(
    train_paths: Sequence[Path], train: Sequence[VideoScores], test_paths: Sequence[Path], test: Sequence[VideoScores]
) -> None:
    """Check that a classifier may be fitted to `train` for `test`: the same runs, classes and split, other videos."""
    for train_path, a, test_path, b in zip(train_paths, train, test_paths, test, strict=True):
        for name in ("classes", "split", "fingerprint", "run", "seed"):
            if differs(a.metadata, b.metadata, name):
                values = first_difference(a.metadata[name], b.metadata[name])
                raise UserError(f"{train_path} does not train a fusion of {test_path}: their {name} are {values}")
    if both := sorted(set(train[0].videos) & set(test[0].videos)):
        raise UserError(
            f"{both[0]} is in the training scores and in the test scores: fit on videos that are not tested"
        )
    if len(set(train[0].labels.tolist())) < 2:
        raise UserError(f"{train_paths[0]} holds videos of one class, but a classifier takes two: add other videos")


def first_difference(a: Any, b: Any) -> str:
    """`x and y`; for two lists the first pair that differs and its number."""
    if isinstance(a, list) and isinstance(b, list):
        row = next((n for n, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), min(len(a), len(b)))
        a, b = (values[row] if row < len(values) else "nothing" for values in (a, b))
        return f"{a} and {b} at number {row + 1}"
    return f"{a} and {b}"
