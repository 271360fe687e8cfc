"""Tables of a user's own: the splits of videos in class folders, and the classes of videos in one flat folder."""

from collections.abc import Iterable
from pathlib import Path

from pipeline.common.errors import UserError
from pipeline.index.annotations import ROLES, Annotations, SplitEntry
from pipeline.index.text_lists import has_columns, read_table

PARTS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "validate": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
LABEL_COLUMNS = ("video", "label")


def read_split_file(path: Path | str) -> list[SplitEntry]:
    """Read a table with the columns video, split (a number) and role (train or test).

    Without the column role, split is train, val or test.
    """
    if not has_columns(path, ("role",)) and has_columns(path, ("split",)):
        rows = read_table(path, ("video", "split"))
        parts = [(_video(path, line, row), _part(path, line, row)) for line, row in rows]
        return part_entries((video, part, Path(path).name) for video, part in parts)
    entries = []
    for line, row in read_table(path, ("video", "split", "role")):
        split, role = row["split"].strip(), row["role"].strip().lower()
        if role not in ROLES or not (split.isascii() and split.isdecimal()):
            raise UserError(
                f"{path} line {line} has split {row['split']!r} and role {row['role']!r}:"
                " write a number and train or test"
            )
        entries.append(SplitEntry(_video(path, line, row), int(split), role, Path(path).name))
    return entries


def read_label_table(folder: Path | str) -> Annotations:
    """Read the table of a folder with the columns video, label and, not always, split (train, val or test)."""
    path = find_label_table(folder)
    if path is None:
        raise UserError(f"{folder} has no CSV or TSV file with the columns video and label: put it there")
    videos: dict[str, str] = {}
    parts = []
    for line, row in read_table(path, LABEL_COLUMNS):
        video, label = _video(path, line, row), row["label"].strip()
        if not label or videos.get(video, label) != label:
            raise UserError(
                f"{path} line {line} gives {video} the label {label!r}, an earlier line {videos.get(video, 'none')!r}:"
                " write one label for each video"
            )
        videos[video] = label
        if "split" in row:
            parts.append((video, _part(path, line, row), path.name))
    return Annotations(sorted(set(videos.values())), part_entries(parts), videos)


def find_label_table(folder: Path | str) -> Path | None:
    """The CSV or TSV file in a folder that has the columns video and label; raises UserError if there are two."""
    files = sorted(path for path in Path(folder).glob("*") if path.suffix.lower() in (".csv", ".tsv"))
    tables = [path for path in files if path.is_file() and has_columns(path, LABEL_COLUMNS)]
    if len(tables) > 1:
        raise UserError(f"both {tables[0]} and {tables[1]} have the columns video and label: remove one of them")
    return tables[0] if tables else None


def part_entries(parts: Iterable[tuple[str, str, str]]) -> list[SplitEntry]:
    """The splits of videos in the parts train, val and test; `parts` has (video, part, source).

    With the parts val and test, both splits train on train, split 1 tests on val and split 2 on test, as of Kinetics.
    With one of them there is only split 1.
    """
    rows = list(parts)
    test_parts = [part for part in ("val", "test") if any(row[1] == part for row in rows)]
    splits = range(1, max(len(test_parts), 1) + 1)
    return [
        SplitEntry(video, split, "train" if part == "train" else "test", source)
        for video, part, source in rows
        for split in (splits if part == "train" else [test_parts.index(part) + 1])
    ]


def _video(path: Path | str, line: int, row: dict[str, str]) -> str:
    if not row["video"].strip():
        raise UserError(f"{path} line {line} names no video: write its path below the folder of the videos")
    return row["video"].rstrip(" \t")


def _part(path: Path | str, line: int, row: dict[str, str]) -> str:
    part = PARTS.get(row["split"].strip().lower())
    if part is None:
        raise UserError(
            f"{path} line {line} has split {row['split']!r}: write train, val or test, or a number and add a column"
            " role that is train or test"
        )
    return part
