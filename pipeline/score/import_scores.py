"""Import scores that others computed: an HDF5 dataset or a CSV file beside a list of videos, as a score file of ours.

The list has a line a row of scores: `video label` or `video frames label`, labels from 0. Its columns stand between
spaces, or between tabs; a line's last number is the label, and where every line has a whole number before it, that is
the count of frames. So a name may hold spaces, but one that ends in a number needs tabs.
"""

import re
from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.formats import class_counts, scores
from pipeline.score.score_readers import read_scores

FRAMES = re.compile(r"\S[^\t]* \d+ +\S+")  # a line of a name, frames and a label between spaces
KINDS = ("logits", "probabilities", "decisions")


class Listed(NamedTuple):
    """The videos of a list, in its order, and their labels."""

    videos: list[str]
    labels: list[int]


def read_classes(path: Path | str) -> list[str]:
    """Class names, one a line in the order of the scores' columns; UCF's `1 Name` too, in the order of its numbers."""
    lines = [" ".join(line.split()) for line in _lines(path)]
    numbered = [line.partition(" ") for line in lines]
    if all(number.isdecimal() and name for number, _, name in numbered):
        if sorted(int(number) for number, _, _ in numbered) != list(range(1, len(lines) + 1)):
            raise UserError(
                f"{path} numbers its {len(lines)} classes otherwise than 1 to {len(lines)}: mend the numbers"
            )
        lines = [name for _, _, name in sorted(numbered, key=lambda parts: int(parts[0]))]
    if twice := [name for name, count in Counter(lines).items() if count > 1]:
        raise UserError(f"{path} names the class {twice[0]!r} {lines.count(twice[0])} times: name each once")
    return lines


def read_list(path: Path | str, classes: int) -> Listed:
    """The list's videos and labels; a line without a label, one out of range or a video named twice is a UserError."""
    lines = _lines(path)
    with_frames = all(FRAMES.fullmatch(line) for line in lines)
    videos, labels = [], []
    for number, line in enumerate(lines, 1):
        row = _columns(path, number, line, with_frames)
        videos.append(row[0])
        labels.append(_label(path, number, row[0], row[-1], classes))
    if twice := [video for video, count in Counter(videos).items() if count > 1]:
        places = [str(number) for number, video in enumerate(videos, 1) if video == twice[0]]
        raise UserError(f"{path} names {twice[0]} in its rows {' and '.join(places)}: list a video once")
    return Listed(videos, labels)


def columns(listed: Listed, values: np.ndarray) -> dict[str, Any]:
    """The score file's columns for values (N, views, K): every view a clip of its own."""
    count, views, classes = values.shape
    return {
        "video_id": np.repeat(listed.videos, views), "label": np.repeat(listed.labels, views),
        "clip": np.tile(np.arange(views), count), "crop": np.zeros(count * views, int),
        "place": ["imported"] * (count * views), "flip": np.zeros(count * views, bool),
        "start": np.zeros(count * views, int), "scores": values.reshape(-1, classes),
    }  # fmt: skip


def refuse_not_finite(values: np.ndarray, listed: Listed, source: str) -> None:
    """Every score must be a number, not NaN and not infinite."""
    bad = ~np.isfinite(values).all((1, 2))
    if bad.any():
        raise UserError(
            f"{source} has scores that are no finite numbers for {bad.sum()} of {len(bad)} videos, the first"
            f" {listed.videos[int(bad.argmax())]}: score them again, or leave them out of the list and of the file"
        )


def refuse_no_probabilities(values: np.ndarray, listed: Listed, source: str) -> None:
    """Probabilities lie between 0 and 1 and sum to 1 over the classes."""
    bad = (values.min(2) < -1e-6).any(1) | (np.abs(values.sum(2) - 1) > 1e-2).any(1)
    if bad.any():
        number = int(bad.argmax())
        raise UserError(
            f"{source} gives {listed.videos[number]} scores from {values[number].min():.3g} to"
            f" {values[number].max():.3g} that are no probabilities: import them with --kind logits"
        )


def options(parser: ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--logits", required=True, help="FILE.h5:DATASET, (videos, [views,] classes), or FILE.csv")
    parser.add_argument("--videos", required=True, type=Path, help="the list of videos, a line a row of scores")
    parser.add_argument("--classes", required=True, type=Path, help="class names, a line a column of scores")
    parser.add_argument("--kind", choices=KINDS, default="logits", help="what the scores are; an SVM's are decisions")
    parser.add_argument("--run", help="a name for them; the file's unless given")
    parser.add_argument("--split", type=int, help="the split that the videos test, if it is to be checked in fusions")
    parser.add_argument("--out", required=True, type=Path, help="the Parquet file to write")


def run(a: Namespace) -> None:
    """Check and write another program's scores."""
    classes = read_classes(a.classes)
    listed = read_list(a.videos, len(classes))
    values = read_scores(a.logits, len(listed.videos), a.videos, classes, a.classes)
    refuse_not_finite(values, listed, a.logits)
    if a.kind == "probabilities":
        refuse_no_probabilities(values, listed, a.logits)
    facts = {
        "run": a.run or Path(a.logits).stem, "split": a.split, "classes": classes, "kind": a.kind,
        "average": "probabilities" if a.kind == "logits" else a.kind, "protocol": f"imported, {values.shape[1]} views",
        "subset": None, "fingerprint": None, "videos": len(listed.videos),
        "deviations": f"scores imported from {Path(a.logits).name}",
    }  # fmt: skip
    scores.write(a.out, columns(listed, values), facts)
    log.say(
        f"{a.out}: {len(values)} videos x {values.shape[1]} views, top-1 {100 * class_counts.write_counts(a.out):.1f} %"
    )


def _lines(path: Path | str) -> list[str]:
    """Lines that are not blank; none at all is a UserError."""
    try:
        lines = [line.strip() for line in Path(path).read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a list of lines: {error}") from error
    if not lines:
        raise UserError(f"{path} is empty: give it a line for every row or column of scores")
    return lines


def _columns(path: Path | str, number: int, line: str, with_frames: bool) -> list[str]:
    """[video, label] or [video, frames, label]"""
    spaces = line.rsplit(maxsplit=1 + with_frames)
    parts = [part.strip() for part in line.split("\t")] if "\t" in line else spaces
    if not 2 <= len(parts) <= 3 or not all(parts):
        raise UserError(f"{path} row {number} is {line!r}: write the video, its frames if you like, and its label")
    return parts


def _label(path: Path | str, number: int, video: str, text: str, classes: int) -> int:
    if not text.isdecimal() or int(text) >= classes:
        raise UserError(
            f"{path} row {number} gives {video} the label {text}, but with {classes} classes labels go from 0 to"
            f" {classes - 1}: count from 0, in the order of the class list"
        )
    return int(text)
