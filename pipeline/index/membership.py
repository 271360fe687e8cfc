"""Which videos a data set has, by which names, and in which slice: from its folder and its official lists alone.

The index asks here, and so does every job of frames for itself: a slice then depends on its own videos, and neither on
the index nor on who trains and who tests.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.index import annotations, kinetics, slices
from pipeline.index.annotations import Annotations
from pipeline.index.video_files import File, is_video, read


class Layout(NamedTuple):
    """How a data set's lists are read, and which of the files below the videos' folder a listed video is."""

    read: Callable[[Path | str], Annotations]
    match: Callable[[Iterable[str], Iterable[str]], dict[str, str]]
    class_folders: bool  # a file that no list names has its folder's class


class Named(NamedTuple):
    """Of the videos that count, path -> class and path -> video_id; `files` is a list's spelling -> path."""

    listed: Annotations
    files: dict[str, str]
    classes: dict[str, str]
    ids: dict[str, str]


class Member(NamedTuple):
    """One video and its slice; `path` lies below the data set's folder, `mtime` is in nanoseconds."""

    video_id: str
    path: str
    bytes: int
    mtime: int
    slice: str


class Survey(NamedTuple):
    """A folder at one moment: hashes of the videos that count and of all other files; slice -> hash of its videos."""

    videos: str
    others: str
    slices: dict[str, str]


def match(listed: Iterable[str], videos: Iterable[str]) -> dict[str, str]:
    """List's spelling -> file's path: exactly, else whatever the case, else by the file's name where that is unique."""
    exact = set(videos)
    folded = {name.casefold(): name for name in exact}
    by_name: dict[str, list[str]] = {}
    for name in exact:
        by_name.setdefault(name.rpartition("/")[2].casefold(), []).append(name)
    found = {}
    for video in dict.fromkeys(listed):
        same_name = by_name.get(video.rpartition("/")[2].casefold(), [])
        target = video if video in exact else folded.get(video.casefold())
        if target or len(same_name) == 1:
            found[video] = target or same_name[0]
    return found


LAYOUTS = {
    "ucf101": Layout(annotations.ucf101, match, True),
    "hmdb51": Layout(annotations.hmdb51, match, True),
    "kinetics": Layout(kinetics.read, kinetics.match, False),
}


def of_folder(videos: Iterable[str]) -> Named:
    """A folder of class folders: the class is the first folder, a loose video is none."""
    classes = {name: name.split("/")[0] for name in videos if "/" in name}
    return Named(Annotations([], [], {}), {}, classes, {path: path for path in classes})


def of_lists(videos: Sequence[str], layout: Layout, lists: str) -> Named:
    """The official lists' videos, wherever they lie, and with some layouts all else in a class's folder."""
    listed = layout.read(lists)
    files = layout.match(listed.videos, videos)
    classes = {path: listed.videos[name] for name, path in files.items()}
    if layout.class_folders:
        known = set(listed.classes)
        classes = {path: path.split("/")[0] for path in videos if path.split("/")[0] in known} | classes
    names = {} if layout.class_folders else {path: name for name, path in files.items()}
    return Named(listed, files, classes, {path: names.get(path, path) for path in classes})


def named(root: Path | str, videos: Sequence[str], layout: str, lists: str | None) -> Named:
    """The videos that count, of those below `root`; without a folder of lists they lie there too."""
    return of_folder(videos) if layout == "folder" else of_lists(videos, LAYOUTS[layout], lists or str(root))


def members(
    root: Path | str, files: Iterable[File], layout: str, lists: str | None, count: int, seed: int
) -> list[Member]:
    """Every video that counts, by video_id, in one of `count` slices."""
    videos = {file.name: file for file in files if is_video(file.name)}
    ids = named(root, list(videos), layout, lists).ids
    places = slices.assign({ids[path]: videos[path].bytes for path in ids}, count, seed)
    return sorted(Member(video, *videos[path], places[video]) for path, video in ids.items())


def of_slice(root: Path | str, layout: str, lists: str | None, count: int, seed: int, name: str) -> list[Member]:
    """One slice's videos, by video_id; there are `count` slices."""
    if name not in slices.names(count):
        raise UserError(f"there is no slice {name} among {count}, 0000 to {slices.names(count)[-1]}: name one of them")
    return [member for member in members(root, read(root), layout, lists, count, seed) if member.slice == name]


@functools.cache
def survey(root: str, layout: str, lists: str | None, count: int, seed: int) -> Survey:
    """A folder as planning needs it. Where its lists cannot be read no slice has a hash: jobs say why."""
    files = list(read(root))
    try:
        found = members(root, files, layout, lists, count, seed)
    except UserError:
        return Survey(digest(files), "", {})
    parts: dict[str, list[Member]] = {name: [] for name in slices.names(count)}
    for member in found:
        parts[member.slice].append(member)
    paths = {member.path for member in found}
    others = digest(file for file in files if file.name not in paths)
    return Survey(digest(found), others, {name: digest(part) for name, part in parts.items()})


def digest(rows: Iterable[File] | Iterable[Member]) -> str:
    """Twelve hex digits over files or members; times count, since a video may change and keep its size."""
    return hashlib.sha256(json.dumps([tuple(row) for row in rows]).encode()).hexdigest()[:12]


def refuse_change(root: Path | str, name: str, found: Sequence[Member], planned: str | None) -> None:
    """Raise where a slice's videos are not those that `planned` is the digest of, where one was taken."""
    if planned and digest(found) != planned:
        raise UserError(
            f"{root} has changed while the workflow ran: the videos of slice {name} were {planned} when it was planned"
            f" and are {digest(found)} now: run again"
        )
