"""Which splits a data set has, known before anything runs: to ask for another one is a sentence at once.

No job depends on which of its splits config.yaml asks for: lists have all of theirs, and of drawn ones there are always
a few, so that one more split trains what it needs and nothing anew.
"""

import re
from pathlib import Path

from pipeline.config.settings import Settings
from pipeline.index import annotations

OFFICIAL = {"ucf101": (1, 2, 3), "hmdb51": (1, 2, 3), "kinetics": (1, 2)}  # of the archives in sources.tsv
NUMBER = {"ucf101": re.compile(r"(?:train|test)list0*(\d+)\.txt"), "hmdb51": re.compile(r".+_test_split(\d+)\.txt")}


def drawn(settings: Settings) -> int:
    """How many splits the index draws: enough that a second or third one draws none anew; none from lists."""
    given_already = settings["layout"] != "folder" or settings["split_file"]
    return 0 if given_already else max(annotations.DRAWN, *settings["splits"])


def given(settings: Settings) -> list[int]:
    """The splits that a data set's lists or split file have; none where splits are drawn, as many as are asked for."""
    if settings["split_file"]:
        return sorted({entry.split for entry in annotations.split_file(settings["split_file"])})
    layout = settings["layout"]
    if settings["lists"] and layout in NUMBER:
        names = (NUMBER[layout].fullmatch(path.name) for path in Path(settings["lists"]).glob("*.txt"))
        return sorted({int(name[1]) for name in names if name})
    return list(OFFICIAL.get(layout, ()))
