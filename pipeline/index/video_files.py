"""The files below a folder, and which of them are videos (by suffix)."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.formats.quarantine import QuarantineRow

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts"}
    | {".vob", ".webm", ".wmv"}
)

DANGLING = "which does not exist"  # the end of the `problem` of a link without a target


class File(NamedTuple):
    """A file: `name` is its path relative to the folder, `mtime` is in nanoseconds.

    `problem` says why it can be no video of a data set, such as a link whose target does not exist.
    """

    name: str
    bytes: int
    mtime: int
    problem: str = ""


def list_files(folder: Path | str) -> Iterator[File]:
    """Every file below `folder`, sorted, with forward slashes in its name.

    Hidden files are left out. Links are followed, except into a folder that contains them. Raises UserError if a folder
    cannot be read.
    """
    try:
        yield from _walk(str(folder), "", frozenset())
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be read ({error.strerror}): give access to it") from error


def is_video(name: str) -> bool:
    """Whether the suffix of a file is that of a video."""
    return suffix(name) in VIDEO_SUFFIXES


def suffix(name: str) -> str:
    """`.avi` for `Class/clip.AVI`."""
    return os.path.splitext(name)[1].lower()


def video_stem(video: str) -> str:
    """`clip` for `Class/clip.avi`; only the suffix of a video is removed."""
    path = PurePosixPath(video)
    return path.stem if is_video(video) else path.name


def select_videos(files: Iterable[File]) -> tuple[dict[str, int], list[QuarantineRow]]:
    """Path -> bytes of the videos among `files`, and a quarantine row for every other file."""
    videos, rows = {}, []
    for file in files:
        if file.problem:
            verdict = "missing" if file.problem.endswith(DANGLING) else "ignored"
            rows.append(QuarantineRow(file.name, "index", verdict, file.problem))
        elif is_video(file.name):
            videos[file.name] = file.bytes
        else:
            reason = f"{PurePosixPath(file.name).suffix or 'no suffix'} is no video's suffix"
            rows.append(QuarantineRow(file.name, "index", "ignored", reason))
    return videos, rows


def name_problem(name: str) -> str:
    """Why a name cannot be in a list or table; empty if it can."""
    if name.isprintable():
        return ""
    if any(character in name for character in "\t\r\n"):
        return "its name has a tab or a line end, so no list can name it: rename it"
    undecodable = any("\ud800" <= character <= "\udfff" for character in name)
    return "its name is not UTF-8, so no list can name it: rename it" if undecodable else ""


def _walk(folder: str, prefix: str, parents: frozenset[tuple[int, int]]) -> Iterator[File]:
    state = os.stat(folder)
    identity = (state.st_dev, state.st_ino)
    if identity in parents:
        yield File(prefix, 0, 0, "is a link to a folder that contains it")
        return
    with os.scandir(folder) as listing:
        entries = sorted((entry for entry in listing if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in entries:
        name, entry_type = f"{prefix}{entry.name}", _type(entry)
        if entry_type == "folder":
            yield from _walk(entry.path, f"{name}/", parents | {identity})
        elif entry_type == "file":
            state = entry.stat()
            yield File(name, state.st_size, state.st_mtime_ns, name_problem(name))
        elif entry_type == "link":
            yield File(name, 0, 0, f"is a link to {os.readlink(entry.path)}, {DANGLING}")
        else:
            yield File(name, 0, 0, "is neither a file nor a folder")


def _type(entry: os.DirEntry[str]) -> str:
    """`folder`, `file`, `link` (to nothing or to itself) or `special` (such as a pipe)."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError:  # a link to itself
        if not entry.is_symlink():
            raise
    return "link" if entry.is_symlink() else "special"
