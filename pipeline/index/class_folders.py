"""Videos without lists: in class folders, in class folders of train, val and test, or named after UCF-101's classes."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.index.own_tables import PARTS

UCF101_NAME = re.compile(r"v_(.+)_g\d+_c\d+\.\w+")


class ClassFolders(NamedTuple):
    """The classes of videos by their folders. `parents` are the folders of the class folders, such as `train/`."""

    classes: dict[str, str]  # path -> class
    parts: dict[str, str]  # path -> train, val or test; empty without such folders
    parents: list[str]


def read_class_folders(videos: Iterable[str]) -> ClassFolders:
    """The class of each video: its first folder, or the next one if the first is the only one, or train, val or test.

    Without folders, the class is that in a name such as `v_Archery_g01_c01.avi`. Raises UserError if folders train and
    test hold no class folders, or lie beside other folders that have the same classes.
    """
    paths = [path.split("/") for path in videos]
    nested = [path for path in paths if len(path) > 1]
    if not nested:
        classes = {path[0]: name for path in paths if (name := ucf101_class(path[0]))}
        return ClassFolders(classes, {}, [""])
    depth = 0
    while len({path[depth] for path in nested}) == 1 and all(len(path) > depth + 2 for path in nested):
        depth += 1
    prefix = "".join(f"{name}/" for name in nested[0][:depth])
    if not _has_parts(nested, depth):
        return ClassFolders({"/".join(path): path[depth] for path in nested}, {}, [prefix])
    classes = {"/".join(path): name for path in nested if (name := _class_in_part(path, depth))}
    parts = {"/".join(path): PARTS[path[depth].lower()] for path in nested if "/".join(path) in classes}
    return ClassFolders(classes, parts, sorted({f"{prefix}{path[depth]}/" for path in nested}))


def ucf101_class(path: str) -> str:
    """`Archery` for `v_Archery_g01_c01.avi` in any folder; empty for other names."""
    match = UCF101_NAME.fullmatch(path.rpartition("/")[2])
    return match.group(1) if match else ""


def listed_class(path: str, names: set[str]) -> str:
    """The class of an unlisted video: the first of its folders that is one of `names`, or UCF-101's in its name."""
    folders = path.split("/")[:-1]
    return next((name for name in (*folders, ucf101_class(path)) if name in names), "")


def only_deeper(classes: Iterable[str], parents: Sequence[str]) -> bool:
    """Whether every video lies in a folder of its class folder, so that the classes may be a level deeper."""
    level = (parents[0].count("/") if parents else 0) + 1
    return all(path.count("/") > level for path in classes)


def _has_parts(paths: Sequence[Sequence[str]], depth: int) -> bool:
    """Whether the folders at `depth` are train and val or test."""
    folders = {path[depth] for path in paths}
    parts = {PARTS[name.lower()] for name in folders if name.lower() in PARTS}
    if "train" not in parts or len(parts) < 2:
        return False
    if others := {name for name in folders if name.lower() not in PARTS}:
        inner = {path[depth + 1] for path in paths if path[depth].lower() in PARTS and len(path) > depth + 2}
        if not inner:
            return False  # train and test are two classes among others
        raise UserError(
            f"beside the folders train and test lies the folder {min(others)} with videos: move it away, or put all"
            " class folders into one folder without train and test"
        )
    if not any(_class_in_part(path, depth) for path in paths):
        raise UserError(
            f"the folders {', '.join(sorted(folders))} hold videos and no class folders: put one folder per class into"
            " each, or a table with the columns video, label and split beside them"
        )
    return True


def _class_in_part(path: Sequence[str], depth: int) -> str:
    return path[depth + 1] if len(path) > depth + 2 else ucf101_class(path[-1])
