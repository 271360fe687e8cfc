"""Zip archives; CRCs are checked as members are read."""

import lzma
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from pipeline.common.files import BLOCK
from pipeline.fetch.archives.members import (
    FILE,
    FOLDER,
    PASSWORD_PROTECTED,
    BadArchive,
    Member,
    Save,
    UnsupportedArchive,
)
from pipeline.fetch.archives.zip_layout import check_end, check_layout
from pipeline.fetch.archives.zip_names import member_name

ENCRYPTED = 0x1
DOS_FOLDER = 0x10  # in external_attr
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)  # those that zipfile reads
METHOD_NAMES = {
    1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "Zstandard", 95: "XZ", 96: "JPEG", 97: "WavPack", 98: "PPMd",
}  # fmt: skip
READ_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)


def read(path: Path) -> Iterator[tuple[Member, Save]]:
    """Each member, in the archive's order, with the function that streams its bytes."""
    with _open(path) as archive:
        for info in archive.infolist():
            yield _member(info), _make_save(archive, info)


def count_and_size(path: Path) -> tuple[int, int]:
    """(number of members, bytes when unpacked); raises UnsupportedArchive for what cannot be unpacked."""
    with _open(path) as archive:
        members = archive.infolist()
        check_layout(cast(BinaryIO, archive.fp), members, archive.start_dir)
    _check_methods(members)
    return len(members), sum(info.file_size for info in members)


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except NotImplementedError as error:  # a member needs a version of the format that zipfile does not know
        raise UnsupportedArchive(f"it is packed in a way that is not supported here ({error})") from error
    except UnicodeDecodeError as error:
        raise UnsupportedArchive(f"a name in it is marked as UTF-8 and is not: {error}") from error
    except (zipfile.BadZipFile, ValueError) as error:
        with open(path, "rb") as file:
            check_end(file)
        raise BadArchive(f"it is truncated or damaged: {error}") from error


def _check_methods(members: Sequence[zipfile.ZipInfo]) -> None:
    """Raise UnsupportedArchive if a member is compressed by a method that zipfile lacks, such as Deflate64.

    Windows compresses members above 2 GB with Deflate64. Encrypted members are refused later, by their type.
    """
    unread = [info for info in members if info.compress_type not in METHODS and not info.flag_bits & ENCRYPTED]
    if unread:
        method = METHOD_NAMES.get(unread[0].compress_type, f"method {unread[0].compress_type}")
        raise UnsupportedArchive(
            f"{len(unread)} of its {len(members)} members, the first {member_name(unread[0])!r}, are compressed with"
            f" {method}, which is not supported here"
        )


def _member(info: zipfile.ZipInfo) -> Member:
    return Member(member_name(info), info.file_size, _member_type(info))


def _member_type(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "link"
    if info.flag_bits & ENCRYPTED:
        return PASSWORD_PROTECTED
    piped = stat.S_ISFIFO(mode) and info.file_size  # `zip a.zip -` packs standard input under the mode of a pipe
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR) and not piped:
        return "device"
    return FOLDER if _is_folder(info, mode) else FILE


def _is_folder(info: zipfile.ZipInfo, mode: int) -> bool:
    """Whether a member is a folder: its name ends with a slash, or with Windows' one, or its attributes say so."""
    marked = info.orig_filename.endswith(("/", "\\")) or stat.S_ISDIR(mode) or bool(info.external_attr & DOS_FOLDER)
    return marked and not info.file_size


def _make_save(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Save:
    def save(file: BinaryIO) -> None:
        try:
            with archive.open(info) as source:
                shutil.copyfileobj(source, file, BLOCK)
        except NotImplementedError as error:
            raise UnsupportedArchive(f"its member {member_name(info)!r} is not supported here: {error}") from error
        except READ_ERRORS as error:
            raise BadArchive(f"its member {member_name(info)!r} is damaged: {error}") from error
        except OSError as error:  # bz2 raises it without an errno
            if error.errno is not None:
                raise
            raise BadArchive(f"its member {member_name(info)!r} is damaged: {error}") from error

    return save
