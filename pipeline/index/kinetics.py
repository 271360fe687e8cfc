"""The annotation files and clip names of Kinetics.

The files are CSV with a header: label, youtube_id, time_start, time_end, split, and other columns. The file of a clip
is named youtube_id_SSSSSS_EEEEEE (start and end in seconds) with any video suffix, in class folders or not. Both splits
train on the training clips. Split 1 tests on the validation clips, as nearly all papers do, and split 2 on the test
clips (I3D's held-out set), if their labels are known.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.index.annotations import Annotations, SplitEntry

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
    file may have their labels in another.
    """
    clips: dict[str, Clip] = {}
    for clip in _read_clips(Path(folder)):
        earlier = clips.get(clip.name)
        if earlier is None or (clip.label and not earlier.label):
            clips[clip.name] = clip if earlier is None else clip._replace(part=earlier.part)
    labelled = [clip for clip in clips.values() if clip.label]
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


def _read_clips(folder: Path) -> Iterator[Clip]:
    files = sorted(path for path in folder.glob("*") if path.suffix in (".csv", ".txt"))
    for path in files:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
            if missing and path.suffix == ".txt":
                continue  # a label map or a note
            if missing:
                raise UserError(f"{path} has no column {missing[0]}, so it is not a list of Kinetics: move it away")
            for line, row in enumerate(reader, 2):
                yield _parse_clip(path, line, row)


def _parse_clip(path: Path, line: int, row: dict[str, str]) -> Clip:
    part = PART_OF_NAME.get((row.get("split") or re.split(r"[._-]", path.stem)[-1]).strip().lower())
    try:
        name = clip_name(row["youtube_id"].strip(), row["time_start"], row["time_end"])
    except (AttributeError, TypeError, ValueError):
        name = ""
    if not name or part is None:
        raise UserError(
            f"{path} line {line} has times {row['time_start']!r} to {row['time_end']!r} and split {row.get('split')!r}:"
            " write times in seconds and a split that is train, val or test"
        )
    return Clip(name, (row.get("label") or "").strip(), part, path.name)
