"""A writer of RAR 4 archives without compression, since UCF-101 is distributed as a RAR."""

import struct
import zlib
from typing import BinaryIO

MARKER = b"Rar!\x1a\x07\x00"
ARCHIVE, MEMBER, END = 0x73, 0x74, 0x7B  # block types
HAS_DATA, SKIP_IF_UNKNOWN = 0x8000, 0x4000  # block flags
UNIX, VERSION, STORED, FILE_MODE = 3, 20, 0x30, 0o100644
# A fixed day in MS-DOS format, so that the same clips give the same bytes.
DATE = (2012 - 1980) << 25 | 12 << 21 | 3 << 16


class RarWriter:
    """A context manager that writes members into a binary file, and the end of the archive when it exits."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def __enter__(self) -> "RarWriter":
        self.file.write(MARKER + block(ARCHIVE, 0, bytes(6)))
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.file.write(block(END, SKIP_IF_UNKNOWN))

    def add(self, name: str, data: bytes) -> None:
        """Append a member; `name` is ASCII with forward slashes, `data` less than 4 GiB."""
        self.file.write(block(MEMBER, HAS_DATA, member_fields(name, data)) + data)


def block(block_type: int, flags: int, fields: bytes = b"") -> bytes:
    """A block header: the low half of its CRC-32, block type, flags, size, then the fields of its type."""
    body = struct.pack("<BHH", block_type, flags, 7 + len(fields)) + fields
    return struct.pack("<H", zlib.crc32(body) & 0xFFFF) + body


def member_fields(name: str, data: bytes) -> bytes:
    """The fields of a member's header: sizes, system, CRC-32, date, version, method, name length, mode, name."""
    path = name.replace("/", "\\").encode("ascii")  # RAR 4 separates folders by backslashes on every system
    size = len(data)
    return (
        struct.pack("<IIBIIBBHI", size, size, UNIX, zlib.crc32(data), DATE, VERSION, STORED, len(path), FILE_MODE)
        + path
    )
