"""Which score files belong together: the same videos, classes and split, or a sentence with the first difference."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.common.errors import UserError
from pipeline.formats.scores import VideoScores, Views
from pipeline.index.video_files import stem

SHARED = ("classes", "split", "subset", "fingerprint")  # metadata that must agree where both files state them


def differ(a: Mapping[str, Any], b: Mapping[str, Any], name: str) -> bool:
    """Whether both metadata state `name` and not the same; imported scores may leave open what ours state."""
    return None not in (a.get(name), b.get(name)) and a[name] != b[name]


def refuse_unlike(first: Path, a: dict[str, Any], second: Path, b: dict[str, Any]) -> None:
    """Raise a UserError with the first difference of two files' metadata that keeps their scores apart."""
    for name in SHARED:
        if differ(a, b, name):
            raise UserError(f"{first} and {second} do not fuse: their {name} are {difference(a[name], b[name])}")


def aligned(first: Path, a: VideoScores, second: Path, b: VideoScores) -> VideoScores:
    """`b` in the order of `a` and under its names, or a UserError with the first video that differs."""
    if a.videos == b.videos:
        names = mine = a.videos
    elif sorted(a.videos) == sorted(b.videos):
        names, mine = a.videos, b.videos
    else:
        names, mine = [stem(video) for video in a.videos], [stem(video) for video in b.videos]
    if len(set(names)) < len(names) or sorted(names) != sorted(mine):
        raise UserError(f"{first} and {second} do not fuse: their videos are {difference(a.videos, b.videos)}")
    places = {name: number for number, name in enumerate(mine)}
    order = [places[name] for name in names]
    refuse_other_labels(first, a, second, b.labels[order])
    return b._replace(videos=a.videos, labels=a.labels, values=b.values[order])


def refuse_other_labels(first: Path, a: VideoScores, second: Path, labels: np.ndarray) -> None:
    """The same videos must be of the same classes in both; `labels` are the second file's in the first's order."""
    if (wrong := a.labels != labels).any():
        number = int(wrong.argmax())
        raise UserError(
            f"{first} and {second} do not fuse: {a.videos[number]} is of class {a.labels[number]} in the one"
            f" and {labels[number]} in the other"
        )


def refuse_other_views(first: Path, a: Views, second: Path, b: Views) -> None:
    """Two files must hold the same views in the same order."""
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


def refuse_unfit(
    train_paths: Sequence[Path], train: Sequence[VideoScores], paths: Sequence[Path], runs: Sequence[VideoScores]
) -> None:
    """Training scores must be of the same runs, classes and split as those judged, on other videos."""
    for fit, a, judged, b in zip(train_paths, train, paths, runs, strict=True):
        for name in ("classes", "split", "fingerprint", "run", "seed"):
            if differ(a.facts, b.facts, name):
                values = difference(a.facts[name], b.facts[name])
                raise UserError(f"{fit} does not train a fusion of {judged}: their {name} are {values}")
    if both := sorted(set(train[0].videos) & set(runs[0].videos)):
        raise UserError(
            f"{both[0]} is in the training scores and in the test scores: fit on other videos than are judged"
        )
    if len(set(train[0].labels.tolist())) < 2:
        raise UserError(f"{train_paths[0]} holds videos of one class, to which nothing can be fitted: add others")


def difference(a: Any, b: Any) -> str:
    """`x and y`, for lists the first pair that differs and its number."""
    if isinstance(a, list) and isinstance(b, list):
        number = next((n for n, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), min(len(a), len(b)))
        a, b = (values[number] if number < len(values) else "nothing" for values in (a, b))
        return f"{a} and {b} at number {number + 1}"
    return f"{a} and {b}"
