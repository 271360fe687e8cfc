"""RAR archives (versions 1.5 to 5) through the unrar library in unrar2-cffi; CRCs are checked as members are read.

The package's RarFile reads a whole member into memory and does not notice that an archive is truncated, so its lower
layer is used here: chunks go straight to the file, and the result code after the last header is checked.
"""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.fetch.archives.members import (
    FILE,
    FOLDER,
    PASSWORD_PROTECTED,
    UNLOCK,
    BadArchive,
    Member,
    Save,
    UnsupportedArchive,
)

try:
    from unrar.cffi import unrarlib
except ImportError:  # no wheel for this platform: pipeline.fetch.archives.rar_programs runs a program instead
    unrarlib = None

SUCCESS = 0
END_OF_ARCHIVE = 10  # ERAR_END_ARCHIVE
ERROR_TEXTS = {
    11: "out of memory",
    12: "its CRC is wrong or its end is missing",
    13: "the CRC of a header is wrong or a header is incomplete",
    14: "its format is newer than the unrar library",
    15: "a volume of it is missing",
    18: "it cannot be read",
    22: "it needs a password",
    24: "it needs a password",
}
UNKNOWN_FORMAT = 14
NO_PASSWORD = (22, 24)
UNIX = 3
ENCRYPTED = 0x04


def available() -> bool:
    """Whether the unrar library is installed."""
    return unrarlib is not None


def read(path: Path) -> Iterator[tuple[Member, Save]]:
    """Each member, in the archive's order, with a function that streams its bytes (call it before the next member)."""
    try:
        with unrarlib.RarArchive.open_for_processing(path) as archive:
            for header in _headers(archive):
                member = _member(header)
                saved = False

                def save(file: BinaryIO, header: Any = header, member: Member = member) -> None:
                    nonlocal saved
                    saved = True
                    _save(header, member, file)

                yield member, save
                if not saved:
                    header.skip()
    except unrarlib.BadRarFile as error:
        raise _bad_archive(error.code) from error


def count_and_size(path: Path) -> tuple[int, int]:
    """(number of members, bytes when unpacked)."""
    sizes = [member.size for member, _ in read(path)]
    return len(sizes), sum(sizes)


def _headers(archive: Any) -> Iterator[Any]:
    while True:
        data = unrarlib.RARHeaderDataEx()
        result = unrarlib.RARReadHeaderEx(archive.handle, data)
        if result == END_OF_ARCHIVE:
            return
        if result != SUCCESS:
            raise _bad_archive(result)
        yield unrarlib.RarHeader(archive, data)


def _member(header: Any) -> Member:
    size = header.UnpSize + (header.UnpSizeHigh << 32)
    return Member(header.FileNameW, size, _member_type(header))


def _member_type(header: Any) -> str:
    mode = header.headerDataEx.FileAttr if header.HostOS == UNIX else 0
    if header.headerDataEx.RedirType or stat.S_ISLNK(mode):
        return "link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "device"
    if header.Flags & ENCRYPTED:
        return PASSWORD_PROTECTED
    return FOLDER if header.Flags & unrarlib.FLAGS_RHDF_DIRECTORY else FILE


def _save(header: Any, member: Member, file: BinaryIO) -> None:
    errors: list[BaseException] = []  # an exception cannot pass through the C library, so it is raised afterwards

    def write(chunk: bytes) -> None:
        try:
            if not errors:
                file.write(chunk)
        except BaseException as error:  # Ctrl-C, too
            errors.append(error)

    try:
        header.test(write)
    except unrarlib.BadRarFile as error:
        raise _bad_archive(error.code, f"its member {member.name!r} is damaged: ") from error
    if errors:
        raise errors[0]


def _bad_archive(code: int, prefix: str = "") -> BadArchive:
    text = prefix + ERROR_TEXTS.get(code, f"the unrar library reports error {code}")
    if code in NO_PASSWORD:
        return UnsupportedArchive(text, UNLOCK)
    return UnsupportedArchive(text) if code == UNKNOWN_FORMAT else BadArchive(text)
