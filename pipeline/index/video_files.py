"""The files below a folder, and which of them are videos."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.formats.quarantine import QuarantineRow

VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts"}
    | {".vob", ".webm", ".wmv"}
)


class File(NamedTuple):
    """A file below a folder: its path there, and its last change in nanoseconds."""

    name: str
    bytes: int
    mtime: int


def walk(folder: Path | str) -> Iterator[tuple[str, os.stat_result]]:
    """Every file below `folder` but hidden ones, sorted: its path there, with forward slashes, and its state.

    Links are followed, but not in a circle. A folder that cannot be read is the user's error.
    """
    try:
        yield from _walk(str(folder), "", frozenset())
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be read ({error.strerror}): give access to it, or take it away"
        ) from error


def read(folder: Path | str) -> Iterator[File]:
    """The same without what nobody asks for."""
    return (File(name, state.st_size, state.st_mtime_ns) for name, state in walk(folder))


def scan(folder: Path | str) -> dict[str, int]:
    """The files' paths and bytes."""
    return {name: state.st_size for name, state in walk(folder)}


def is_video(name: str) -> bool:
    """By its suffix."""
    return suffix(name) in VIDEO_SUFFIXES


def suffix(name: str) -> str:
    """`.avi` of `Class/clip.AVI`."""
    return os.path.splitext(name)[1].lower()


def stem(video: str) -> str:
    """`clip` of `Class/clip.avi`; a name that ends in no video's suffix is kept whole."""
    path = PurePosixPath(video)
    return path.stem if is_video(video) else path.name


def sort_files(files: Mapping[str, int]) -> tuple[dict[str, int], list[QuarantineRow]]:
    """The videos among `files` (by suffix), and a row for every other file."""
    videos = {name: size for name, size in files.items() if is_video(name)}
    ignored = [
        QuarantineRow(name, "index", "ignored", f"{PurePosixPath(name).suffix or 'no suffix'} is no video's suffix")
        for name in files
        if name not in videos
    ]
    return videos, ignored


def _walk(folder: str, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[tuple[str, os.stat_result]]:
    state = os.stat(folder)
    here = (state.st_dev, state.st_ino)
    if here in above:
        return
    with os.scandir(folder) as listing:
        entries = sorted((entry for entry in listing if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir():
            yield from _walk(entry.path, f"{prefix}{entry.name}/", above | {here})
        elif entry.is_file():
            yield f"{prefix}{entry.name}", entry.stat()
