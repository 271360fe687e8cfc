"""Unpacking one archive into an empty folder: checked, bounded in memory, with the disk looked at first."""

import filecmp
import shutil
from collections.abc import Callable
from pathlib import Path

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.fetch.archives import rar, tar, tools, zip
from pipeline.fetch.archives.kinds import ARCHIVES, kind_of
from pipeline.fetch.archives.members import (
    DISK_FULL,
    FOLDER,
    BadArchive,
    Damaged,
    Member,
    Reader,
    Save,
    place,
)

READERS: dict[str, tuple[Reader, Callable[[Path], tuple[int, int]]]] = {
    "rar": (rar.read, rar.declared),
    "zip": (zip.read, zip.declared),
    "tar": (tar.read, tar.declared),
    "gzip": (tar.read, tar.declared),
}


def unpack(archive: Path, folder: Path) -> None:
    """Every file of `archive` under `folder`, which exists and is empty.

    Raises Damaged with the archive's name and what is wrong (truncated, bad checksum, unsafe member), and UserError
    when the disk has no room.
    On an error the folder's content is worthless; the caller throws it away.
    """
    needed = archive.stat().st_size
    try:
        kind = _kind(archive)
        if kind == "rar" and not rar.available():
            _check_room(archive, folder, needed)
            tools.unpack(archive, folder)
            return
        read, declared = READERS[kind]
        count, needed = declared(archive)
        _check_room(archive, folder, needed)
        members = read(archive)
        for member, save in log.progress(members, count, archive.name) if count else members:
            _write(member, save, folder)
    except BadArchive as error:
        raise Damaged(archive, error) from error
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise _no_room(archive, folder, needed) from error


def _kind(archive: Path) -> str:
    kind = kind_of(archive)
    if kind not in ARCHIVES:
        raise BadArchive("it is a web page, not an archive" if kind == "page" else "it is no RAR, zip or tar archive")
    return kind


def _check_room(archive: Path, folder: Path, needed: int) -> None:
    if needed > shutil.disk_usage(folder).free:
        raise _no_room(archive, folder, needed)


def _no_room(archive: Path, folder: Path, needed: int) -> UserError:
    free = shutil.disk_usage(folder).free
    return UserError(
        f"{archive} needs {needed:,} bytes of disk to unpack and {folder.parent} has {free:,} left:"
        " make room, or fetch to another disk"
    )


def _write(member: Member, save: Save, folder: Path) -> None:
    where = place(member)
    if where is None:
        log.say(f"left out {member.name}, which macOS added to the archive")
        return
    target = folder / where
    try:
        (target if member.sort == FOLDER else target.parent).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadArchive(f"its member {member.name!r} needs a folder where another member is a file") from error
    if member.sort == FOLDER:
        return
    if target.exists():
        _write_twin(member, save, target)
        return
    with open(target, "xb") as file:
        save(file)


def _write_twin(member: Member, save: Save, target: Path) -> None:
    """A name that is there already: an archive may hold the same bytes twice, but not two files under one name.

    On a file system that ignores case this is also where `Clip.avi` meets `clip.avi`.
    """
    twin = target.with_name(f"{target.name}.twin")
    with open(twin, "xb") as file:
        save(file)
    same = target.is_file() and filecmp.cmp(target, twin, shallow=False)
    twin.unlink()
    if not same:
        raise BadArchive(f"two different members of it would be written to the one name {member.name!r}")
