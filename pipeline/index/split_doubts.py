"""What in the splits is legal but hardly meant; each is a sentence for the log."""

from collections.abc import Iterator, Sequence

import pandas as pd

from pipeline.index.annotations import SplitEntry
from pipeline.index.own_tables import PARTS
from pipeline.index.video_files import video_stem


def split_doubts(entries: Sequence[SplitEntry], table: pd.DataFrame) -> Iterator[str]:
    """Yield the doubts about the listed `entries` and the rows of splits.parquet."""
    yield from _repeated(entries)
    for split, rows in table.groupby("split"):
        yield from _untrained_classes(split, rows)
        yield from _same_clip(split, rows)


def _repeated(entries: Sequence[SplitEntry]) -> Iterator[str]:
    names = pd.Series([(entry.video, entry.split, entry.role) for entry in entries])
    if repeated := [entries[number] for number in names[names.duplicated()].index]:
        first = repeated[0]
        yield f"{len(repeated)} lines repeat an earlier one and count once, such as {first.video} in {first.source}"


def _untrained_classes(split: object, rows: pd.DataFrame) -> Iterator[str]:
    trained = set(rows[(rows["role"] == "train") & rows["present"]]["class"])
    untrained = sorted(set(rows["class"]) - trained)
    if untrained:
        yield (
            f"warning: in split {split} no training video has the class {untrained[0]!r} ({len(untrained)} such of"
            f" {rows['class'].nunique()} classes), so that no network can learn it"
        )


def _same_clip(split: object, rows: pd.DataFrame) -> Iterator[str]:
    """Videos of both parts whose paths differ in folders such as train and test, and in their suffixes, alone."""
    keys = [_path_in_part(video) for video in rows["video_id"]]
    roles = rows["role"].groupby(keys).nunique()
    if len(both := roles[roles > 1]):
        yield (
            f"warning: in split {split} {len(both)} videos have the name of one in the other part, such as"
            f" {both.index[0]}: copies of training videos must not be tested on"
        )


def _path_in_part(video: str) -> str:
    folders = [name for name in video.split("/")[:-1] if name.lower() not in PARTS]
    return "/".join([*folders, video_stem(video)])
