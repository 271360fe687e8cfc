"""Zip archives; CRCs are checked as members are read."""

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.common.files import BLOCK
from pipeline.fetch.archives.members import FILE, FOLDER, BadArchive, Member, Save
from pipeline.fetch.archives.zip_names import member_name

ENCRYPTED = 0x1


def read(path: Path) -> Iterator[tuple[Member, Save]]:
    """Each member, in the archive's order, with the function that streams its bytes."""
    with _open(path) as archive:
        for info in archive.infolist():
            yield _member(info), _make_save(archive, info)


def count_and_size(path: Path) -> tuple[int, int]:
    """(number of members, bytes when unpacked)."""
    with _open(path) as archive:
        sizes = [info.file_size for info in archive.infolist()]
    return len(sizes), sum(sizes)


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError) as error:
        raise BadArchive(f"it is truncated or damaged: {error}") from error


def _member(info: zipfile.ZipInfo) -> Member:
    return Member(member_name(info), info.file_size, _member_type(info))


def _member_type(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "link"
    if info.flag_bits & ENCRYPTED:
        return "password-protected file"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "device"
    return FOLDER if info.is_dir() else FILE


def _make_save(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Save:
    def save(file: BinaryIO) -> None:
        try:
            with archive.open(info) as source:
                shutil.copyfileobj(source, file, BLOCK)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise BadArchive(f"its member {member_name(info)!r} is damaged: {error}") from error

    return save
