"""The splits that a data set has, known before any job runs, so that a wrong split number fails immediately.

Which splits config.yaml selects changes no job of the data: official lists contain all their splits, and at least
MIN_DRAWN_SPLITS are drawn. Selecting one more split therefore trains on it and repeats nothing.
"""

import re
from pathlib import Path

from pipeline.config.settings import DatasetSettings
from pipeline.index import annotations, own_tables

OFFICIAL_SPLITS = {"ucf101": (1, 2, 3), "hmdb51": (1, 2, 3), "kinetics": (1, 2)}  # of the archives in sources.tsv
SPLIT_FILE_NAMES = {
    "ucf101": re.compile(r"(?:train|test)list0*(\d+)\.txt"),
    "hmdb51": re.compile(r".+_test_split(\d+)\.txt"),
}


def count_drawn(settings: DatasetSettings) -> int:
    """How many splits the index draws; 0 if the data set has lists or a split file."""
    has_splits = settings.layout != "folder" or settings.split_file
    return 0 if has_splits else max(annotations.MIN_DRAWN_SPLITS, *settings.splits)


def listed_splits(settings: DatasetSettings) -> list[int]:
    """The numbers of the splits in a data set's lists or split file; empty if splits are drawn."""
    if settings.split_file:
        return sorted({entry.split for entry in own_tables.read_split_file(settings.split_file)})
    layout = settings.layout
    if settings.lists and layout in SPLIT_FILE_NAMES:
        paths = Path(settings.lists).glob("*.txt")
        matches = (SPLIT_FILE_NAMES[layout].fullmatch(path.name) for path in paths)
        return sorted({int(match[1]) for match in matches if match})
    return list(OFFICIAL_SPLITS.get(layout, ()))
