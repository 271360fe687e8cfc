"""What follows the end mark of a RAR archive, which the unrar library does not read."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pipeline.common.files import BLOCK
from pipeline.fetch.archives.magic import RAR4, RAR5
from pipeline.fetch.archives.members import UnsupportedArchive

RAR4_ARCHIVE, RAR4_END, RAR5_END = 0x73, 0x7B, 5
HAS_DATA_4, LARGE_4, HEADERS_ENCRYPTED_4 = 0x8000, 0x0100, 0x0080
MEMBERS_4 = (0x74, 0x7A)  # files and services
HAS_EXTRA_5, HAS_DATA_5 = 0x01, 0x02
ENCRYPTION_5 = 4
SPLIT = (
    "cut it at the end mark (`head -c`), unpack both pieces with unrar, pack the files as one zip or tar and put that"
    " there"
)


def check_end(path: Path) -> None:
    """Raise UnsupportedArchive if anything but zeros follows the end mark.

    An archive whose headers cannot be followed, or that has no end mark (RAR 2 has none), is left to the library.
    """
    with open(path, "rb") as file:
        magic = file.read(len(RAR5))
        if magic == RAR5:
            end = _find_end(file, len(RAR5), _block5)
        else:
            end = _find_end(file, len(RAR4), _block4) if magic.startswith(RAR4) else None
        if end is None:
            return
        file.seek(end)
        if any(block.strip(b"\0") for block in iter(lambda: file.read(BLOCK), b"")):
            size = file.seek(0, 2)
            raise UnsupportedArchive(f"{size - end:,} bytes follow its end mark at byte {end:,}", SPLIT)


def _find_end(file: BinaryIO, position: int, block: Callable[[BinaryIO, int], tuple[int, bool] | None]) -> int | None:
    """The position after the end block; None if there is none."""
    last = False
    while not last:
        read = block(file, position)
        if read is None or read[0] <= position:
            return None
        position, last = read
    return position


def _block4(file: BinaryIO, position: int) -> tuple[int, bool] | None:
    """(position after a block of RAR 1.5 to 4, whether it is the end block); None if it cannot be read."""
    file.seek(position)
    header = file.read(36)
    if len(header) < 7:
        return None
    block, flags, size = struct.unpack("<BHH", header[2:7])
    if block == RAR4_END and zlib.crc32(header[2:size]) & 0xFFFF != int.from_bytes(header[:2], "little"):
        return None  # no end block: an earlier header was not understood
    if block == RAR4_ARCHIVE and flags & HEADERS_ENCRYPTED_4:
        return None
    data = 0
    if flags & HAS_DATA_4 or block in MEMBERS_4:
        data = int.from_bytes(header[7:11], "little")
        if block in MEMBERS_4 and flags & LARGE_4:
            data += int.from_bytes(header[32:36], "little") << 32
    return position + size + data, block == RAR4_END


def _block5(file: BinaryIO, position: int) -> tuple[int, bool] | None:
    """The same for RAR 5."""
    file.seek(position)
    crc, header = file.read(4), file.read(64)
    fields: list[int] = []
    used = size_bytes = 0
    while len(fields) < 5 and used < len(header):
        number, length = _integer(header[used:])
        used += length
        size_bytes = size_bytes or used
        fields.append(number)
    if len(fields) < 3 or fields[1] == ENCRYPTION_5:
        return None
    if fields[1] == RAR5_END and zlib.crc32(header[: size_bytes + fields[0]]) != int.from_bytes(crc, "little"):
        return None
    has_extra, has_data = bool(fields[2] & HAS_EXTRA_5), bool(fields[2] & HAS_DATA_5)
    data = (fields[3 + has_extra :] or [0])[0] if has_data else 0
    return position + 4 + size_bytes + fields[0] + data, fields[1] == RAR5_END


def _integer(data: bytes) -> tuple[int, int]:
    """(value, length in bytes) of an integer at the start of `data`: seven bits per byte, the lowest first."""
    number = 0
    for index, byte in enumerate(data):
        number |= (byte & 127) << (7 * index)
        if byte < 128:
            return number, index + 1
    return number, len(data)
