"""What an archive unpacked to, made into what later stages read: inner archives opened, its own top folder gone."""

import shutil
from pathlib import Path

from pipeline import cli
from pipeline.archives.kinds import ARCHIVES, kind_of
from pipeline.archives.unpack import unpack

INNER = (".rar", ".zip", ".tar", ".gz", ".tgz")


def open_inner(folder: Path) -> None:
    """Unpack the archives among the files in place, each into a folder of its stem (HMDB51: one rar a class)."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in INNER and path.is_file())
    for path in cli.progress(found, len(found), "inner archives"):
        if kind_of(path) not in ARCHIVES:
            continue
        scratch = path.with_name(f"{path.name}.inner")
        scratch.mkdir()
        unpack(path, scratch)
        path.unlink()
        only = only_folder(scratch) or scratch
        only.rename(path.with_name(path.name.split(".")[0]))
        shutil.rmtree(scratch, ignore_errors=True)


def without_top(folder: Path, videos: bool) -> Path:
    """The folder below the archive's own top folder: `UCF-101/Class/clip.avi` gives `UCF-101`.

    A class folder must not be taken for that top folder, so of videos only one that holds folders alone counts.
    """
    top = only_folder(folder)
    if top is None or (videos and any(path.is_file() for path in top.iterdir())):
        return folder
    return top


def only_folder(folder: Path) -> Path | None:
    """The one entry of a folder, if it is a folder."""
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else None
