"""From the unpacked archive to the folders that later stages read: nested archives unpacked, the top folder dropped."""

import shutil
from pathlib import Path

from pipeline.common import log
from pipeline.fetch.archives.magic import ARCHIVE_FORMATS, file_format
from pipeline.fetch.archives.members import Damaged, Unsupported, UnsupportedArchive
from pipeline.fetch.archives.unpack import RENAME, unknown_format, unpack

SUFFIXES = (".rar", ".zip", ".tar.gz", ".tgz", ".tar")
OTHER_SUFFIXES = (".7z", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".z01", ".7z.001", ".zip.001", ".rar.001")


def unpack_nested(archive: Path, folder: Path) -> None:
    """Replace every archive inside `folder` by a folder of its name without suffix (HMDB51 has one RAR per class).

    `archive` is the outer archive, which errors name.
    """
    paths = sorted(path for path in folder.rglob("*") if path.name.lower().endswith(SUFFIXES) and path.is_file())
    for path in (path for path in folder.rglob("*") if path.name.lower().endswith(OTHER_SUFFIXES) and path.is_file()):
        log.say(f"warning: the member {path.name!r} of {archive} stays packed: {unknown_format(path)}")
    for path in log.progress(paths, len(paths), "inner archives"):
        if file_format(path) not in ARCHIVE_FORMATS:
            _refuse_part(archive, path)
            continue
        scratch = path.with_name(f"{path.name}.inner")
        scratch.mkdir()
        try:
            unpack(path, scratch)
        except Damaged as error:
            raise Damaged(archive, f"its member {path.name!r} is an archive and damaged: {error.reason}") from error
        except Unsupported as error:
            raise Unsupported(
                archive, f"its member {path.name!r} is an archive: {error.reason}", error.advice
            ) from error
        path.unlink()
        target = _without_suffix(path)
        if target.exists():
            raise Unsupported(archive, f"it holds both {path.name!r} and a folder {target.name!r}", RENAME)
        (_only_folder(scratch) or scratch).rename(target)
        shutil.rmtree(scratch, ignore_errors=True)


def _refuse_part(archive: Path, path: Path) -> None:
    """Raise Unsupported for a part of a multi-part archive; for any other file, say in the log that it stays packed."""
    error = unknown_format(path)
    if isinstance(error, UnsupportedArchive):
        raise Unsupported(archive, f"its member {path.name!r} is an archive: {error}", error.advice)
    log.say(f"warning: the member {path.name!r} of {archive} stays as it is: {error}")


def content_folder(folder: Path, videos: bool) -> Path:
    """The folder of the actual content: `UCF-101` if the archive holds `UCF-101/Class/clip.avi`, else `folder` itself.

    In an archive of videos a single folder counts as the top folder only if it holds folders: it may be a class.
    """
    top = _only_folder(folder)
    if top is None or (videos and not any(path.is_dir() for path in top.iterdir())):
        return folder
    return top


def _without_suffix(path: Path) -> Path:
    suffix = next(suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix))
    return path.with_name(path.name[: -len(suffix)])


def _only_folder(folder: Path) -> Path | None:
    """The single entry of a folder, if it is a folder."""
    entries = list(folder.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else None
