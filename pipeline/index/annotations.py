"""The splits of a data set: the official lists, a user's table, or a seeded stratified draw."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.common.errors import UserError
from pipeline.index.text_lists import read_lines

ROLES = ("train", "test")
MIN_DRAWN_SPLITS = 3  # so that selecting a second or third split later changes no table
HMDB51_ROLES = {"0": "", "1": "train", "2": "test"}


class SplitEntry(NamedTuple):
    """One video in one split. `video` is its name in the list, a path below the folder of the videos."""

    video: str
    split: int
    role: str
    source: str


class Annotations(NamedTuple):
    """The contents of the lists; a video may be listed without being in a split."""

    classes: list[str]  # in label order
    entries: list[SplitEntry]  # in the order of the lists
    videos: dict[str, str]  # listed video -> class


def read_ucf101(folder: Path | str) -> Annotations:
    """Read UCF-101's classInd.txt (`1 Archery`), trainlistNN.txt (`Archery/clip.avi 3`), testlistNN.txt (no label)."""
    folder = Path(folder)
    classes = _class_index(folder / "classInd.txt")
    lists = sorted(path for path in folder.glob("*list*.txt") if re.fullmatch(r"(train|test)list\d+\.txt", path.name))
    if not lists:
        raise UserError(f"{folder} has no trainlist01.txt or testlist01.txt: put UCF-101's split lists there")
    entries = [entry for path in lists for entry in _ucf101_list(path, classes)]
    unknown = next((entry for entry in entries if _class_folder(entry.video) not in classes), None)
    if unknown is not None:
        raise UserError(
            f"{folder / unknown.source} names {unknown.video}, whose class is not in classInd.txt: add it there"
        )
    return Annotations(classes, entries, {entry.video: _class_folder(entry.video) for entry in entries})


def read_hmdb51(folder: Path | str) -> Annotations:
    """Read HMDB51's CLASS_test_splitN.txt: lines `clip.avi 1`, where 1 is train, 2 is test and 0 is neither."""
    folder = Path(folder)
    matches = [re.fullmatch(r"(.+)_test_split(\d+)\.txt", path.name) for path in sorted(folder.glob("*.txt"))]
    lists = [(folder / match.group(0), match.group(1), int(match.group(2))) for match in matches if match]
    if not lists:
        raise UserError(f"{folder} has no file such as brush_hair_test_split1.txt: put HMDB51's split lists there")
    videos: dict[str, str] = {}
    entries = []
    for path, name, split in lists:
        for video, role in _hmdb51_list(path):
            videos[f"{name}/{video}"] = name
            entries += [SplitEntry(f"{name}/{video}", split, role, path.name)] if role else []
    return Annotations(sorted({name for _, name, _ in lists}), entries, videos)


def read_label_map(path: Path | str, classes: Sequence[str]) -> list[str]:
    """`classes` in the order of a file with one name per line, such as the label map of released weights."""
    names = [text.strip() for _, text in read_lines(path)]
    if differing := sorted(set(names) ^ set(classes)) or sorted({name for name in names if names.count(name) > 1}):
        where = "only in the label map" if differing[0] not in classes else "only in the data set"
        where = "twice in the label map" if len(names) > len(set(names)) else where
        raise UserError(
            f"{path} has {len(names)} classes and the data set {len(classes)}; {differing[0]!r} is {where}:"
            " correct the label map"
        )
    return names


def stratified_splits(
    videos: Mapping[str, str], splits: Sequence[int], test_share: float, seed: int
) -> list[SplitEntry]:
    """Draw `splits` at random: `test_share` of each class, but at least one video, in the test part.

    `videos` maps video -> class. The video of a class with only one is in the train part. The draw of a class depends
    only on the seed, the split and the videos of that class.
    """
    by_class = defaultdict(list)
    for video, name in sorted(videos.items()):
        by_class[name].append(video)
    return [
        SplitEntry(video, split, "test" if rank < _test_count(len(members), test_share) else "train", "stratified draw")
        for split in splits
        for name, members in sorted(by_class.items())
        for rank, video in enumerate(_shuffled(members, f"{seed}/{split}/{name}"))
    ]


def _class_folder(video: str) -> str:
    return video.replace("\\", "/").split("/")[0]


def _class_index(path: Path) -> list[str]:
    try:
        lines = [text.split(maxsplit=1) for _, text in read_lines(path)]
        numbered = sorted((int(number), name) for number, name in lines)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a class index (lines such as `1 Archery`): {error}") from error
    if [number for number, _ in numbered] != list(range(1, len(numbered) + 1)):
        raise UserError(
            f"{path} numbers {len(numbered)} classes {numbered[0][0]} to {numbered[-1][0]}: number them from 1"
        )
    return [name for _, name in numbered]


def _ucf101_list(path: Path, classes: Sequence[str]) -> Iterator[SplitEntry]:
    """Yield the entries of a list. The official names have no spaces, but those of other lists may."""
    labels = {name: str(number) for number, name in enumerate(classes, 1)}
    match = re.fullmatch(r"(train|test)list(\d+)\.txt", path.name)
    role, split = match.group(1), int(match.group(2))  # type: ignore[union-attr]
    for line, text in read_lines(path):
        labelled = re.fullmatch(r"(.*?)[ \t]+(\d+)", text)
        video = labelled.group(1) if labelled else text
        name = _class_folder(video)
        if labelled and name in labels and labels[name] != labelled.group(2).lstrip("0"):
            raise UserError(
                f"{path} line {line} gives {video} the label {labelled.group(2)}, but classInd.txt numbers {name}"
                f" {labels[name]}: correct one of them"
            )
        yield SplitEntry(video, split, role, path.name)


def _hmdb51_list(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, role) for each line; the role is empty for clips in neither part. Names may contain spaces."""
    for line, text in read_lines(path):
        match = re.fullmatch(r"(.*?)[ \t]+(\S+)", text)
        if match is None or match.group(2) not in HMDB51_ROLES:
            last = match.group(2) if match else text
            raise UserError(f"{path} line {line} ends with {last!r}, but must end with 0, 1 or 2: correct it")
        yield match.group(1), HMDB51_ROLES[match.group(2)]


def _test_count(videos: int, share: float) -> int:
    return 0 if videos < 2 else min(max(round(videos * share), 1), videos - 1)


def _shuffled(items: Sequence[str], seed: str) -> list[str]:
    generator = np.random.default_rng(list(seed.encode()))
    return [items[index] for index in generator.permutation(len(items))]
