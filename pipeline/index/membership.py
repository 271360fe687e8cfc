"""The videos of a data set, their ids and their slices, from its folder and its official lists alone.

The index uses this module, and so does every job of the frames stage. A slice of frames therefore depends only on its
own videos, and neither on the index nor on the splits.
"""

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.files import short_hash
from pipeline.index import annotations, kinetics, own_tables, slices
from pipeline.index.annotations import Annotations
from pipeline.index.class_folders import listed_class, read_class_folders
from pipeline.index.matching import match_paths, refuse_unmatched
from pipeline.index.video_files import File, is_video, list_files, video_stem


class Layout(NamedTuple):
    """How to read the lists of a data set, and how to match the listed names with the paths of files."""

    read: Callable[[Path | str], Annotations]
    match: Callable[[Mapping[str, str], Iterable[str]], dict[str, str]]
    class_folders: bool  # whether a file that is in no list belongs to the class of its folder


class MatchedVideos(NamedTuple):
    """The videos of a data set. Paths are relative to its folder; listed names are as the lists spell them."""

    listed: Annotations
    files: dict[str, str]  # listed name -> path
    classes: dict[str, str]  # path -> class
    ids: dict[str, str]  # path -> video_id
    parents: Sequence[str]  # the folders that hold the class folders; empty with lists


class Member(NamedTuple):
    """One video and its slice; `path` is relative to the data set's folder, `mtime` is in nanoseconds."""

    video_id: str
    path: str
    bytes: int
    mtime: int
    slice: str


class FolderHashes(NamedTuple):
    """The state of a folder: hashes of all videos, of all other files, and of the videos of each slice."""

    videos: str
    others: str
    slices: dict[str, str]


LAYOUTS = {
    "ucf101": Layout(annotations.read_ucf101, match_paths, True),
    "hmdb51": Layout(annotations.read_hmdb51, match_paths, True),
    "kinetics": Layout(kinetics.read_annotations, kinetics.match_clips, False),
}
LABEL_TABLE = Layout(own_tables.read_label_table, match_paths, False)


def match_class_folders(videos: Iterable[str]) -> MatchedVideos:
    """The videos in class folders, without lists; the entries of folders train, val and test are the listed ones."""
    folders = read_class_folders(videos)
    entries = own_tables.part_entries((path, part, f"the folder {part}") for path, part in folders.parts.items())
    listed = Annotations([], entries, {})
    return MatchedVideos(listed, {}, folders.classes, {path: path for path in folders.classes}, folders.parents)


def match_lists(root: Path | str, videos: Sequence[str], layout: Layout, lists: str) -> MatchedVideos:
    """The videos of the official lists, and with `layout.class_folders` every other video of a listed class.

    Raises UserError if none of the listed videos is there.
    """
    listed = layout.read(lists)
    files = layout.match(listed.videos, videos)
    refuse_unmatched(root, listed.videos, files, videos)
    classes = {path: listed.videos[name] for name, path in files.items()}
    if layout.class_folders:
        classes = _unlisted_classes(videos, set(listed.classes), files.values()) | classes
    ids = {path: name for name, path in files.items()} if layout is LAYOUTS["kinetics"] else {}
    return MatchedVideos(listed, files, classes, {path: ids.get(path, path) for path in classes}, ())


def match_videos(root: Path | str, videos: Sequence[str], layout: str, lists: str | None) -> MatchedVideos:
    """The videos of a data set among the files `videos` below `root`; `lists` is `root` by default.

    With the layout `folder`, a folder without class folders may have a table of its videos' classes.
    """
    if layout != "folder":
        return match_lists(root, videos, LAYOUTS[layout], lists or str(root))
    table = label_table(root, videos, lists)
    return match_lists(root, videos, LABEL_TABLE, str(table.parent)) if table else match_class_folders(videos)


def label_table(root: Path | str, videos: Iterable[str], lists: str | None) -> Path | None:
    """The table of the videos' classes: that in `lists`, or that in `root` if no video lies in a folder."""
    if lists:
        return own_tables.find_label_table(lists)
    return None if any("/" in path for path in videos) else own_tables.find_label_table(root)


def _unlisted_classes(videos: Iterable[str], names: set[str], matched: Iterable[str]) -> dict[str, str]:
    """Path -> class of the videos of a class in `names`. Deeper than in class folders, copies are left out."""
    stems = {video_stem(path) for path in matched}
    classes = {path: listed_class(path, names) for path in videos}
    return {
        path: name
        for path, name in classes.items()
        if name and (path.split("/")[0] == name or video_stem(path) not in stems)
    }


def members(
    root: Path | str, files: Iterable[File], layout: str, lists: str | None, count: int, seed: int
) -> list[Member]:
    """Every video of the data set with one of `count` slices, sorted by video_id."""
    videos = {file.name: file for file in files if is_video(file.name) and not file.problem}
    ids = match_videos(root, list(videos), layout, lists).ids
    slice_names = slices.assign({ids[path]: videos[path].bytes for path in ids}, count, seed)
    return sorted(Member(video, *videos[path][:3], slice_names[video]) for path, video in ids.items())


def slice_members(root: Path | str, layout: str, lists: str | None, count: int, seed: int, name: str) -> list[Member]:
    """The videos of the slice `name` of `count` slices, sorted by video_id."""
    if name not in slices.names(count):
        raise UserError(f"there is no slice {name}: the {count} slices are 0000 to {slices.names(count)[-1]}")
    return [member for member in members(root, list_files(root), layout, lists, count, seed) if member.slice == name]


@functools.cache
def folder_hashes(root: str, layout: str, lists: str | None, count: int, seed: int) -> FolderHashes:
    """Hashes of a folder, from which the workflow sees what has changed.

    If the lists cannot be read, no slice has a hash: the job that reads them reports the error.
    """
    files = list(list_files(root))
    try:
        videos = members(root, files, layout, lists, count, seed)
        table = label_table(root, [member.path for member in videos], lists) if layout == "folder" else None
    except UserError:
        return FolderHashes(hash_rows(files), "", {})
    by_slice: dict[str, list[Member]] = {name: [] for name in slices.names(count)}
    for member in videos:
        by_slice[member.slice].append(member)
    paths = {member.path for member in videos}
    labels = [file for file in files if table is not None and file.name == table.name]
    others = hash_rows(file for file in files if file.name not in paths)
    return FolderHashes(
        hash_rows([*videos, *labels]), others, {name: hash_rows(rows) for name, rows in by_slice.items()}
    )


def hash_rows(rows: Iterable[File | Member]) -> str:
    """Twelve hex digits over files or members, including their times: a video may change and keep its size."""
    return short_hash(json.dumps([tuple(row) for row in rows]))


def refuse_changed_slice(root: Path | str, name: str, videos: Sequence[Member], planned: str | None) -> None:
    """Raise UserError if `planned`, the hash of the slice's videos when the workflow was planned, is not theirs now."""
    if planned and hash_rows(videos) != planned:
        raise UserError(
            f"{root} has changed while the workflow ran: the hash of the videos of slice {name} was {planned} when it"
            f" was planned and is {hash_rows(videos)} now: run the workflow again"
        )
