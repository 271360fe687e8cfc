"""File names and split lists in UCF-101's form."""

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.demo import CLASSES

FOLDER = "ucfTrainTestlist"
SPLITS = (1, 2, 3)


class Clip(NamedTuple):
    """A clip's class name, group and number within the group, both from 1."""

    name: str
    group: int
    number: int

    @property
    def path(self) -> str:
        """`Bounce/v_Bounce_g01_c01.avi`"""
        return f"{self.name}/v_{self.name}_g{self.group:02d}_c{self.number:02d}.avi"


def all_clips(groups: int, number: int, names: Sequence[str] = CLASSES) -> list[Clip]:
    """All clips, class by class and group by group; `number` is the clips per group."""
    return [Clip(name, g, c) for name in names for g in range(1, groups + 1) for c in range(1, number + 1)]


def held_out_groups(split: int, groups: int) -> range:
    """The third of the groups that a split tests on; it trains on the others."""
    third = groups // 3
    return range((split - 1) * third + 1, split * third + 1)


def split_lists(groups: int, number: int) -> dict[str, str]:
    """File name -> text, of classInd.txt and of the train and test lists of three splits."""
    clips = all_clips(groups, number)
    texts = {"classInd.txt": _lines(f"{label} {name}" for label, name in enumerate(CLASSES, 1))}
    for split in SPLITS:
        test = held_out_groups(split, groups)
        train = (f"{c.path} {CLASSES.index(c.name) + 1}" for c in clips if c.group not in test)
        texts[f"trainlist{split:02d}.txt"] = _lines(train)
        texts[f"testlist{split:02d}.txt"] = _lines(c.path for c in clips if c.group in test)
    return texts


def write_lists(path: Path, texts: dict[str, str]) -> None:
    """Write a zip of the lists, without compression and with a fixed date: the same lists give the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(texts):
            entry = zipfile.ZipInfo(f"{FOLDER}/{name}", date_time=(2012, 12, 3, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, texts[name])


def _lines(lines: Iterable[str]) -> str:
    return "".join(line + "\n" for line in lines)
