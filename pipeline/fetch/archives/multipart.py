"""Archives in several files (.part1.rar, .r00, .z01, .001, .aa): one file alone cannot be unpacked."""

import re
from pathlib import Path

from pipeline.fetch.archives.magic import RAR4, RAR5
from pipeline.fetch.archives.members import UnsupportedArchive
from pipeline.fetch.archives.zip_layout import JOIN as JOIN_ZIP

HEADER_BYTES = 64
RAR4_ARCHIVE_HEADER = b"\x73"
FIRST_ZIP_PART = b"PK\x07\x08"

JOIN_RAR = (
    "put all parts into one folder, unpack the first with `unrar x` or `7z x`, pack the files as one zip or tar and put"
    " that there"
)
JOIN_PIECES = "join all parts in their order (`cat NAME.001 NAME.002 ... > NAME`) and put the joined file there"
# pattern of a part's name: how to join the parts
NAMES = (
    (re.compile(r".\.(part\d+\.rar|r\d\d)$", re.I), JOIN_RAR),
    (re.compile(r".\.z\d\d$", re.I), JOIN_ZIP),
    (re.compile(r".\.(\d{3}|(rar|zip|tar|gz|tgz|7z)[._-]?(part)?[._-]?(a[a-z]|\d{2,3}))$", re.I), JOIN_PIECES),
)


def part_of_several(path: Path) -> UnsupportedArchive | None:
    """The error for a file whose first bytes say that it is one part of an archive; None if they do not."""
    with open(path, "rb") as file:
        header = file.read(HEADER_BYTES)
    if _is_rar_volume(header):
        return UnsupportedArchive("it is one part of a multi-part RAR archive", JOIN_RAR)
    if header.startswith(FIRST_ZIP_PART):
        return UnsupportedArchive("it is the first part of a multi-part zip archive", JOIN_ZIP)
    return None


def part_by_name(path: Path) -> UnsupportedArchive | None:
    """The error for a file that is no whole archive and has the name of a part; None for other names."""
    for pattern, advice in NAMES:
        if pattern.search(path.name):
            return UnsupportedArchive("its name is that of one part of a multi-part archive", advice)
    return None


def _is_rar_volume(header: bytes) -> bool:
    """Whether the archive header's flag "volume" is set."""
    if header.startswith(RAR4):
        return header[9:10] == RAR4_ARCHIVE_HEADER and bool(header[10] & 1)  # after a CRC of 2 bytes
    if not header.startswith(RAR5):
        return False
    fields = _rar5_integers(header[12:])  # after the CRC: header size, type, header flags, [size of extra area,] flags
    flags = fields[3 + (fields[2] & 1)] if len(fields) > 4 else 0
    return len(fields) > 1 and fields[1] == 1 and bool(flags & 1)


def _rar5_integers(data: bytes) -> list[int]:
    """The integers at the start of a header: seven bits per byte, the lowest first."""
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
    return numbers
