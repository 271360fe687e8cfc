"""Kinetics' annotation files and clip names.

The files are CSV with a header: label, youtube_id, time_start, time_end, split, and columns that do not matter here. A
clip's file is youtube_id_SSSSSS_EEEEEE (seconds) with any video suffix, in class folders or flat. Split 1 tests on the
validation clips, as nearly all papers do; split 2 tests on the test clips (I3D's held-out set), where their labels are
known. Both train on the training clips.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.index.annotations import Annotations, Entry

COLUMNS = ("youtube_id", "time_start", "time_end")
PARTS = {
    "train": "train",
    "val": "val",
    "validate": "val",
    "validation": "val",
    "test": "test",
    "held-out test": "test",
}
SPLIT_OF = {"train": ((1, "train"), (2, "train")), "val": ((1, "test"),), "test": ((2, "test"),)}
REPLACEMENT = "replacement"  # where fetch puts the clips that replace corrupted ones


class Clip(NamedTuple):
    """One line of an annotation file; `part` is train, val or test."""

    name: str
    label: str
    part: str
    source: str


def read(folder: Path | str) -> Annotations:
    """Every annotation file in `folder`; labels in alphabetical order. Clips are called `label/name`.

    A clip on several lines has the first part that is given and the first label: one file's test clips may lack labels
    that another one has.
    """
    found: dict[str, Clip] = {}
    for clip in _lines(Path(folder)):
        known = found.get(clip.name)
        if known is None or (clip.label and not known.label):
            found[clip.name] = clip if known is None else clip._replace(part=known.part)
    labelled = [clip for clip in found.values() if clip.label]
    if not labelled:
        raise UserError(f"{folder} has no annotation file with labels: put Kinetics' train.csv and val.csv there")
    parts = {clip.part for clip in labelled}
    entries = [
        Entry(f"{clip.label}/{clip.name}", split, role, clip.source)
        for clip in labelled
        for split, role in SPLIT_OF[clip.part]
        if split == 1 or "test" in parts
    ]
    return Annotations(
        sorted({clip.label for clip in labelled}),
        entries,
        {f"{clip.label}/{clip.name}": clip.label for clip in labelled},
    )


def match(listed: Iterable[str], videos: Iterable[str]) -> dict[str, str]:
    """List's name -> file's path by the clip's name, wherever the file lies; a replacement goes before the original.

    Files named after the video alone, without times, are taken where the lists have one clip of that video.
    """
    files: dict[str, str] = {}
    for path in sorted(videos, key=lambda path: (REPLACEMENT not in path.split("/")[:-1], path)):
        files.setdefault(PurePosixPath(path).stem, path)
    names = {name: name.rpartition("/")[2] for name in listed}
    found = {name: files[clip] for name, clip in names.items() if clip in files}
    by_id: dict[str, list[str]] = {}
    for name, clip in names.items():
        by_id.setdefault(video_of(clip), []).append(name)
    alone = {group[0]: files[video] for video, group in by_id.items() if len(group) == 1 and video in files}
    return alone | found


def clip_name(youtube_id: str, start: str, end: str) -> str:
    """`0347ZoDXyP0_000095_000105`."""
    return f"{youtube_id}_{round(float(start)):06d}_{round(float(end)):06d}"


def video_of(clip: str) -> str:
    """The YouTube id, which may have underscores of its own, of a clip's name."""
    return re.sub(r"_\d{6}_\d{6}$", "", clip)


def _lines(folder: Path) -> Iterator[Clip]:
    files = sorted(path for path in folder.glob("*") if path.suffix in (".csv", ".txt"))
    for path in files:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
            if missing and path.suffix == ".txt":
                continue  # a label map or a note lies beside the lists
            if missing:
                raise UserError(f"{path} has no column {missing[0]}, which Kinetics' lists have: take the file away")
            for line, row in enumerate(reader, 2):
                yield _clip(path, line, row)


def _clip(path: Path, line: int, row: dict[str, str]) -> Clip:
    part = PARTS.get((row.get("split") or re.split(r"[._-]", path.stem)[-1]).strip().lower())
    try:
        name = clip_name(row["youtube_id"].strip(), row["time_start"], row["time_end"])
    except (AttributeError, TypeError, ValueError):
        name = ""
    if not name or part is None:
        raise UserError(
            f"{path} line {line} has times {row['time_start']!r} to {row['time_end']!r} and split {row.get('split')!r}:"
            " times are seconds, and a split is train, val or test"
        )
    return Clip(name, (row.get("label") or "").strip(), part, path.name)
