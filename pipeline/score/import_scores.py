"""Import the scores of another program: an HDF5 dataset or a CSV file and a list of its videos become a score file.

The list has one line per row of scores, `video label` or `video frames label`, with labels counted from 0. Columns are
separated by spaces or by tabs. The last column is the label. If all lines have an integer before the label, it is the
number of frames. Names of videos may contain spaces, but a name that ends in a number needs tabs.
"""

import re
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.formats import class_counts, scores
from pipeline.score.score_readers import Layout, read_scores

NAME_FRAMES_LABEL = re.compile(r"\S[^\t]* \d+ +\S+")  # a line of a list with three columns, separated by spaces
KINDS = ("logits", "probabilities", "decisions")


class VideoList(NamedTuple):
    """The videos of a list, in its order, and their labels."""

    videos: list[str]
    labels: list[int]


def read_classes(path: Path | str) -> list[str]:
    """Class names, one per line in the order of the scores' columns.

    If every line is `NUMBER NAME`, as in UCF-101's classInd.txt, the order is that of the numbers.
    """
    lines = [" ".join(line.split()) for line in _read_lines(path)]
    pairs = [line.partition(" ") for line in lines]
    if all(number.isdecimal() and name for number, _, name in pairs):
        if sorted(int(number) for number, _, _ in pairs) != list(range(1, len(lines) + 1)):
            raise UserError(f"{path} does not number its {len(lines)} classes 1 to {len(lines)}: correct the numbers")
        lines = [name for _, _, name in sorted(pairs, key=lambda pair: int(pair[0]))]
    if name := _first_duplicate(lines):
        raise UserError(f"{path} names the class {name!r} {lines.count(name)} times: name each class once")
    return lines


def read_list(path: Path | str, num_classes: int) -> VideoList:
    """The videos and labels of a list; raises UserError for a wrong label and for a video that is listed twice."""
    lines = _read_lines(path)
    with_frames = all(NAME_FRAMES_LABEL.fullmatch(line) for line in lines)
    videos, labels = [], []
    for number, line in enumerate(lines, 1):
        columns = _split_line(path, number, line, with_frames)
        videos.append(columns[0])
        labels.append(_parse_label(path, number, columns[0], columns[-1], num_classes))
    if video := _first_duplicate(videos):
        rows = [str(number) for number, name in enumerate(videos, 1) if name == video]
        raise UserError(f"{path} names {video} in its rows {' and '.join(rows)}: list a video once")
    return VideoList(videos, labels)


def score_columns(video_list: VideoList, values: np.ndarray) -> dict[str, Any]:
    """The columns of the score file for values (N, views, K); every view counts as a clip."""
    count, views, classes = values.shape
    return {
        "video_id": np.repeat(video_list.videos, views), "label": np.repeat(video_list.labels, views),
        "clip": np.tile(np.arange(views), count), "crop": np.zeros(count * views, int),
        "place": ["imported"] * (count * views), "flip": np.zeros(count * views, bool),
        "start": np.zeros(count * views, int), "scores": values.reshape(-1, classes),
    }  # fmt: skip


def check_finite(values: np.ndarray, video_list: VideoList, source: str) -> None:
    """Raise UserError if a score is NaN or infinite."""
    invalid = ~np.isfinite(values).all((1, 2))
    if invalid.any():
        raise UserError(
            f"{source} has scores that are no finite numbers for {invalid.sum()} of {len(invalid)} videos, the first"
            f" {video_list.videos[int(invalid.argmax())]}: score them again, or leave them out of the list and the file"
        )


def check_probabilities(values: np.ndarray, video_list: VideoList, source: str) -> None:
    """Raise UserError unless the scores are at least 0 and sum to 1 over the classes."""
    invalid = (values.min(2) < -1e-6).any(1) | (np.abs(values.sum(2) - 1) > 1e-2).any(1)
    if invalid.any():
        index = int(invalid.argmax())
        raise UserError(
            f"{source} gives {video_list.videos[index]} scores from {values[index].min():.3g} to"
            f" {values[index].max():.3g} that are no probabilities: import them with --kind logits"
        )


def check_first_label(values: np.ndarray, video_list: VideoList, classes: Sequence[str], source: Path | str) -> str:
    """Notice labels that count from 1: returns a warning, or "" if they count from 0.

    Labels from 1 to K are refused when they are read, but if the last class has no video, they are all valid and every
    score is compared with the wrong class. Therefore, if no video has the label 0, top-1 is also computed with the
    labels less 1. Raises UserError if that is better by more than three standard deviations of chance: of the videos
    that are right with one of the two labels, as many would then be right with either.
    """
    labels = np.array(video_list.labels)
    if not labels.all():
        return ""
    predicted = values.mean(1).argmax(1)
    correct, shifted = int((predicted == labels).sum()), int((predicted == labels - 1).sum())
    comparison = (
        f"{source} gives no video the label 0 ({classes[0]}); top-1 is {100 * correct / len(labels):.1f} % with these"
        f" labels and {100 * shifted / len(labels):.1f} % if they count from 1"
    )
    if shifted - correct > 3 * np.sqrt(shifted + correct):
        raise UserError(f"{comparison}: subtract 1 from every label, or correct the order of the class list")
    return f"{comparison}: if they do, subtract 1 from every label" if shifted >= correct else ""


def options(parser: ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--logits", required=True, help="FILE.h5:DATASET, (videos, [views,] classes), or FILE.csv")
    parser.add_argument("--videos", required=True, type=Path, help="the list of videos, a line per row of scores")
    parser.add_argument("--classes", required=True, type=Path, help="class names, a line per column of scores")
    parser.add_argument("--kind", choices=KINDS, default="logits", help="what the scores are; an SVM's are decisions")
    parser.add_argument("--run", help="the name of the run (default: that of the file)")
    parser.add_argument("--split", type=int, help="the split whose test videos these are, which fusions then check")
    parser.add_argument("--out", required=True, type=Path, help="the Parquet file to write")


def run(args: Namespace) -> None:
    """Check the scores and write them as a score file."""
    classes = read_classes(args.classes)
    video_list = read_list(args.videos, len(classes))
    values = read_scores(args.logits, Layout(len(video_list.videos), args.videos, classes, args.classes))
    check_finite(values, video_list, args.logits)
    if args.kind == "probabilities":
        check_probabilities(values, video_list, args.logits)
    warning = check_first_label(values, video_list, classes, args.videos)
    if warning:
        log.say(f"warning: {warning}")
    num_views = values.shape[1]
    metadata = {
        "run": args.run or Path(args.logits).stem, "split": args.split, "classes": classes, "kind": args.kind,
        "average": "probabilities" if args.kind == "logits" else args.kind, "protocol": f"imported, {num_views} views",
        "subset": None, "fingerprint": None, "videos": len(video_list.videos),
        "deviations": f"scores imported from {Path(args.logits).name}" + ("; no video has label 0" if warning else ""),
    }  # fmt: skip
    scores.write(args.out, score_columns(video_list, values), metadata)
    top1 = 100 * class_counts.write_counts(args.out)
    log.say(f"{args.out}: {len(values)} videos x {num_views} views, top-1 {top1:.1f} %")


def _read_lines(path: Path | str) -> list[str]:
    """The lines of a file that are not blank."""
    try:
        lines = [line.strip() for line in Path(path).read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a list of lines: {error}") from error
    if not lines:
        raise UserError(f"{path} is empty: write a line for every row or column of scores")
    return lines


def _first_duplicate(names: Sequence[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _split_line(path: Path | str, number: int, line: str, with_frames: bool) -> list[str]:
    """[video, label] or [video, frames, label]."""
    columns = line.split("\t") if "\t" in line else line.rsplit(maxsplit=1 + with_frames)
    columns = [column.strip() for column in columns]
    if not 2 <= len(columns) <= 3 or not all(columns):
        raise UserError(f"{path} row {number} is {line!r}: write the video, its frames if you like, and its label")
    return columns


def _parse_label(path: Path | str, number: int, video: str, text: str, num_classes: int) -> int:
    if not text.isdecimal() or int(text) >= num_classes:
        raise UserError(
            f"{path} row {number} gives {video} the label {text}, but with {num_classes} classes labels go from 0 to"
            f" {num_classes - 1}: count from 0, in the order of the class list"
        )
    return int(text)
