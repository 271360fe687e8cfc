"""What an archive unpacked to, made into what later stages read: inner archives opened, its own top folder gone."""

import shutil
from pathlib import Path

from pipeline.common import log
from pipeline.fetch.archives.kinds import ARCHIVES, kind_of
from pipeline.fetch.archives.members import Damaged
from pipeline.fetch.archives.unpack import unpack

INNER = (".rar", ".zip", ".tar.gz", ".tgz", ".tar")


def open_inner(archive: Path, folder: Path) -> None:
    """Unpack the archives among the files of `archive` in place, each into a folder of its stem (HMDB51's classes)."""
    found = sorted(path for path in folder.rglob("*") if path.name.lower().endswith(INNER) and path.is_file())
    for path in log.progress(found, len(found), "inner archives"):
        if kind_of(path) not in ARCHIVES:
            continue
        scratch = path.with_name(f"{path.name}.inner")
        scratch.mkdir()
        try:
            unpack(path, scratch)
        except Damaged as error:
            raise Damaged(archive, f"its member {path.name!r} is an archive and damaged: {error.reason}") from error
        path.unlink()
        target = _stem(path)
        if target.exists():
            raise Damaged(archive, f"it holds both {path.name!r} and a folder {target.name!r}")
        (only_folder(scratch) or scratch).rename(target)
        shutil.rmtree(scratch, ignore_errors=True)


def _stem(path: Path) -> Path:
    ending = next(ending for ending in INNER if path.name.lower().endswith(ending))
    return path.with_name(path.name[: -len(ending)])


def without_top(folder: Path, videos: bool) -> Path:
    """The folder below the archive's own top folder: `UCF-101/Class/clip.avi` gives `UCF-101`.

    A class folder must not be taken for that top folder, so of videos only one that holds folders counts.
    """
    top = only_folder(folder)
    if top is None or (videos and not any(path.is_dir() for path in top.iterdir())):
        return folder
    return top


def only_folder(folder: Path) -> Path | None:
    """The one entry of a folder, if it is a folder."""
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else None
