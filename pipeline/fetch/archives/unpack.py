"""Unpack one archive into an empty folder, member by member, after checking that the disk has room for it."""

import filecmp
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import BLOCK, DISK_FULL_ERRNOS
from pipeline.fetch.archives import rar, rar_end, rar_programs, tar, zip
from pipeline.fetch.archives.magic import ARCHIVE_FORMATS, WEB_PAGE, file_format, unsupported_format
from pipeline.fetch.archives.members import (
    FILE,
    FOLDER,
    WITHOUT_LINKS,
    BadArchive,
    Member,
    Reader,
    Save,
    UnsupportedArchive,
    safe_path,
    unpack_error,
)
from pipeline.fetch.archives.multipart import part_by_name, part_of_several
from pipeline.fetch.archives.zip_layout import check_end

RENAME = "unpack it with 7-Zip (7z x), rename one of the two, pack the files as one zip or tar and put that there"

# format: (reader of members, function that returns the number of members and their size)
READERS: dict[str, tuple[Reader, Callable[[Path], tuple[int, int]]]] = {
    "rar": (rar.read, rar.count_and_size),
    "zip": (zip.read, zip.count_and_size),
    "tar": (tar.read, tar.count_and_size),
    "gzip": (tar.read, tar.count_and_size),
}


def unpack(archive: Path, folder: Path) -> None:
    """Write every file of `archive` below `folder`, which exists and is empty.

    Raises Damaged with the archive's name and the reason (truncated, wrong checksum, unsafe member), Unsupported if
    the archive may be intact but has what is not read here, and UserError when the disk is full. After an error the
    folder is incomplete and the caller deletes it.
    """
    size = archive.stat().st_size
    try:
        name = _archive_format(archive)
        if name == "rar" and not rar.available():
            _check_disk_space(archive, folder, size)
            rar_programs.unpack(archive, folder)
            return
        read, count_and_size = READERS[name]
        count, size = count_and_size(archive)
        _check_disk_space(archive, folder, size)
        members = read(archive)
        for member, save in log.progress(members, count, archive.name) if count else members:
            _write(member, save, folder)
    except BadArchive as error:
        supported = not isinstance(error, UnsupportedArchive)
        raise unpack_error(archive, (part_by_name(archive) if supported else None) or error) from error
    except OSError as error:
        if error.errno not in DISK_FULL_ERRNOS:
            raise
        raise _disk_full(archive, folder, size) from error


def _archive_format(archive: Path) -> str:
    name = file_format(archive)
    if name not in ARCHIVE_FORMATS:
        raise unknown_format(archive)
    if part := part_of_several(archive):
        raise part
    if name == "rar":
        rar_end.check_end(archive)
    return name


def unknown_format(path: Path) -> BadArchive:
    """The error for a file that `file_format` does not know as an archive."""
    if file_format(path) == WEB_PAGE:
        return BadArchive("it is a web page, not an archive")
    if part := part_by_name(path):
        return part
    if name := unsupported_format(path):
        return UnsupportedArchive(f"it is a {name} archive, and RAR, zip and tar are supported here")
    if zipfile.is_zipfile(path):
        try:
            with open(path, "rb") as file:
                check_end(file)
        except UnsupportedArchive as error:
            return error
        return UnsupportedArchive("it is a zip archive with something before its first member, as self-extracting ones")
    return BadArchive("it is no RAR, zip or tar archive")


def _check_disk_space(archive: Path, folder: Path, size: int) -> None:
    if size > shutil.disk_usage(folder).free:
        raise _disk_full(archive, folder, size)


def _disk_full(archive: Path, folder: Path, size: int) -> UserError:
    free = shutil.disk_usage(folder).free
    return UserError(
        f"{archive} needs {size:,} bytes of disk to unpack and {folder.parent} has {free:,} left:"
        " make room, or fetch to another disk"
    )


def _write(member: Member, save: Save, folder: Path) -> None:
    path = safe_path(member)
    if path is None:
        log.say(f"skipped {member.name}, which macOS added to the archive")
        return
    target = folder / path
    needed = target if member.type == FOLDER else target.parent
    try:
        _empty_file_to_folder(needed, folder)
        needed.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UnsupportedArchive(
            f"its member {member.name!r} needs a folder where another member is a file", RENAME
        ) from error
    if member.type == FOLDER or (target.is_dir() and not member.size):
        return
    if member.link:
        save = _copy_of_link(member, folder)
    if target.exists():
        _check_duplicate(member, save, target)
        return
    with open(target, "xb") as file:
        save(file)


def _empty_file_to_folder(path: Path, folder: Path) -> None:
    """Make way for a folder that an earlier member stands for: some packers write folders as empty files."""
    for parent in (path, *path.parents):
        if parent == folder:
            return
        if parent.is_file() and not parent.stat().st_size:
            parent.unlink()


def _copy_of_link(member: Member, folder: Path) -> Save:
    """The function that writes a hard link as a copy of the member it names, which stands before it in the archive."""
    try:
        source = safe_path(Member(member.link, 0, FILE))
    except BadArchive:  # it leads out of the folder
        source = None
    if source is None or not (folder / source).is_file():
        raise UnsupportedArchive(
            f"its member {member.name!r} is a hard link to {member.link!r}, which is no file before it in the archive",
            WITHOUT_LINKS,
        )

    def save(file: BinaryIO) -> None:
        with open(folder / source, "rb") as original:
            shutil.copyfileobj(original, file, BLOCK)

    return save


def _check_duplicate(member: Member, save: Save, target: Path) -> None:
    """Raise BadArchive unless a member whose path exists already has the same bytes as the file there.

    On a file system that ignores case this also happens for `Clip.avi` and `clip.avi`.
    """
    duplicate = target.with_name(f"{target.name}.twin")
    with open(duplicate, "xb") as file:
        save(file)
    same = target.is_file() and filecmp.cmp(target, duplicate, shallow=False)
    duplicate.unlink()
    if not same:
        raise UnsupportedArchive(
            f"two different members of it would be written to the one name {member.name!r}", RENAME
        )
