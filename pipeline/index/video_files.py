"""The files below a folder, and which of them are videos (by suffix)."""

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
    """A file: `name` is its path relative to the folder, `mtime` is in nanoseconds."""

    name: str
    bytes: int
    mtime: int


def walk(folder: Path | str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the relative path (with forward slashes) and the stat of every file below `folder`, sorted.

    Hidden files are left out. Links are followed, except into a folder that contains them. Raises UserError if a folder
    cannot be read.
    """
    try:
        yield from _walk(str(folder), "", frozenset())
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be read ({error.strerror}): give access to it or remove it"
        ) from error


def list_files(folder: Path | str) -> Iterator[File]:
    """Every file below `folder`, sorted."""
    return (File(name, state.st_size, state.st_mtime_ns) for name, state in walk(folder))


def file_sizes(folder: Path | str) -> dict[str, int]:
    """Path -> bytes of every file below `folder`, sorted."""
    return {name: state.st_size for name, state in walk(folder)}


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


def select_videos(files: Mapping[str, int]) -> tuple[dict[str, int], list[QuarantineRow]]:
    """The videos among `files` (path -> bytes), and a quarantine row for every other file."""
    videos = {name: size for name, size in files.items() if is_video(name)}
    ignored = [
        QuarantineRow(name, "index", "ignored", f"{PurePosixPath(name).suffix or 'no suffix'} is no video's suffix")
        for name in files
        if name not in videos
    ]
    return videos, ignored


def _walk(folder: str, prefix: str, parents: frozenset[tuple[int, int]]) -> Iterator[tuple[str, os.stat_result]]:
    state = os.stat(folder)
    identity = (state.st_dev, state.st_ino)
    if identity in parents:
        return
    with os.scandir(folder) as listing:
        entries = sorted((entry for entry in listing if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir():
            yield from _walk(entry.path, f"{prefix}{entry.name}/", parents | {identity})
        elif entry.is_file():
            yield f"{prefix}{entry.name}", entry.stat()
