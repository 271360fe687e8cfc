"""The annotation files and clip names of Kinetics.

The files are CSV with a header: label, youtube_id, time_start, time_end, split, and other columns. The file of a clip
is named youtube_id_SSSSSS_EEEEEE (start and end in seconds) with any video suffix, in class folders or not. Both splits
train on the training clips. Split 1 tests on the validation clips, as nearly all papers do, and split 2 on the test
clips (I3D's held-out set), if their labels are known.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.log import say_once
from pipeline.index.annotations import Annotations, SplitEntry
from pipeline.index.text_lists import has_columns, read_table

COLUMNS = ("youtube_id", "time_start", "time_end")
PART_OF_NAME = {
    "train": "train",
    "val": "val",
    "validate": "val",
    "validation": "val",
    "test": "test",
    "held-out test": "test",
}
SPLITS_OF_PART = {"train": ((1, "train"), (2, "train")), "val": ((1, "test"),), "test": ((2, "test"),)}
REPLACEMENT = "replacement"  # the folder in which fetch puts the clips that replace corrupted ones


class Clip(NamedTuple):
    """One line of an annotation file. `part` is train, val or test; `label` may be empty."""

    name: str
    label: str
    part: str
    source: str


def read_annotations(folder: Path | str) -> Annotations:
    """Read every annotation file in `folder`. Clips are named `label/name`; classes are in alphabetical order.

    A clip on several lines has the part of its first line and the first label that is not empty: the test clips of one
    file may have their labels in another. Labels that differ only in case, spaces and underscores are one class.
    """
    clips: dict[str, Clip] = {}
    contradictions = []
    for clip in _read_clips(Path(folder)):
        earlier = clips.get(clip.name)
        if earlier is not None and _contradicts(clip, earlier):
            contradictions.append((earlier, clip))
        if earlier is None or (clip.label and not earlier.label):
            clips[clip.name] = clip if earlier is None else clip._replace(part=earlier.part)
    _say_contradictions(contradictions)
    labelled = _one_spelling([clip for clip in clips.values() if clip.label])
    if not labelled:
        raise UserError(f"{folder} has no annotation file with labels: put Kinetics' train.csv and val.csv there")
    parts = {clip.part for clip in labelled}
    entries = [
        SplitEntry(f"{clip.label}/{clip.name}", split, role, clip.source)
        for clip in labelled
        for split, role in SPLITS_OF_PART[clip.part]
        if split == 1 or "test" in parts
    ]
    return Annotations(
        sorted({clip.label for clip in labelled}),
        entries,
        {f"{clip.label}/{clip.name}": clip.label for clip in labelled},
    )


def match_clips(listed: Iterable[str], videos: Iterable[str]) -> dict[str, str]:
    """Listed name -> path of the file with the clip's name, in any folder; replacements have priority over originals.

    A file named after the YouTube video, without times, matches if the lists have only one clip of that video.
    """
    files: dict[str, str] = {}
    for path in sorted(videos, key=lambda path: (REPLACEMENT not in path.split("/")[:-1], path)):
        files.setdefault(PurePosixPath(path).stem, path)
    names = {name: name.rpartition("/")[2] for name in listed}
    matches = {name: files[clip] for name, clip in names.items() if clip in files}
    by_id: dict[str, list[str]] = {}
    for name, clip in names.items():
        by_id.setdefault(youtube_id(clip), []).append(name)
    single_clips = {group[0]: files[video] for video, group in by_id.items() if len(group) == 1 and video in files}
    return single_clips | matches


def clip_name(video: str, start: str, end: str) -> str:
    """`0347ZoDXyP0_000095_000105` for the YouTube id and the times in seconds."""
    return f"{video}_{round(float(start)):06d}_{round(float(end)):06d}"


def youtube_id(clip: str) -> str:
    """The YouTube id in the name of a clip; the id itself may contain underscores."""
    return re.sub(r"_\d{6}_\d{6}$", "", clip)


def _spelling(label: str) -> str:
    return " ".join(label.replace("_", " ").split()).casefold()


def _one_spelling(clips: Sequence[Clip]) -> list[Clip]:
    """The clips with one label for all that are spelled alike: the one with spaces, which sorts first."""
    labels: dict[str, str] = {}
    for label in sorted({clip.label for clip in clips}):
        labels.setdefault(_spelling(label), label)
    return [clip._replace(label=labels[_spelling(clip.label)]) for clip in clips]


def _contradicts(clip: Clip, earlier: Clip) -> bool:
    two_labels = clip.label and earlier.label and _spelling(clip.label) != _spelling(earlier.label)
    return bool(two_labels) or clip.part != earlier.part


def _say_contradictions(pairs: Sequence[tuple[Clip, Clip]]) -> None:
    if pairs:
        first, second = pairs[0]
        say_once(
            f"{len(pairs)} clips have two labels or parts in the lists; the first label and part count. Such as"
            f" {first.name}: {first.label!r}, {first.part} ({first.source}) and {second.label!r}, {second.part}"
            f" ({second.source})"
        )


def _read_clips(folder: Path) -> Iterator[Clip]:
    files = sorted(path for path in folder.glob("*") if path.suffix in (".csv", ".txt"))
    for path in files:
        if path.suffix == ".csv" or has_columns(path, COLUMNS):  # another .txt is a label map or a note
            for line, row in read_table(path, COLUMNS):
                yield _parse_clip(path, line, row)


def _parse_clip(path: Path, line: int, row: dict[str, str]) -> Clip:
    part = PART_OF_NAME.get((row.get("split") or re.split(r"[._-]", path.stem)[-1]).strip().lower())
    try:
        name = clip_name(row["youtube_id"].strip(), row["time_start"], row["time_end"])
    except (OverflowError, ValueError):
        name = ""
    if not name or part is None:
        raise UserError(
            f"{path} line {line} has times {row['time_start']!r} to {row['time_end']!r} and split {row.get('split')!r}:"
            " write times in seconds and a split that is train, val or test"
        )
    return Clip(name, (row.get("label") or "").strip(), part, path.name)
