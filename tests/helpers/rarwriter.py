"""RAR archives that pipeline.demo.rar does not write: version 5, and hostile members."""

import struct
import zlib
from pathlib import Path

from pipeline.demo import rar

LINK_MODE = 0o120777
PASSWORD = 0x04
FOLDER_FLAGS = 0xE0


def rar4(path: Path, members: dict[str, bytes], mode: int = rar.FILE_MODE, flags: int = 0, end: bool = True) -> Path:
    """A RAR 4 archive of stored members, with a mode or flags of choice for all of them, or without its end."""
    with open(path, "wb") as file:
        file.write(rar.MARKER + rar.block(rar.ARCHIVE, 0, bytes(6)))
        for name, data in members.items():
            fields = rar.member_fields(name, data)
            cut = len(fields) - len(name) - 4
            fields = fields[:cut] + struct.pack("<I", mode) + fields[cut + 4 :]
            file.write(rar.block(rar.MEMBER, rar.HAS_DATA | flags, fields) + data)
        if end:
            file.write(rar.block(rar.END, rar.SKIP_IF_UNKNOWN))
    return path


def rar5(path: Path, members: dict[str, bytes]) -> Path:
    """A RAR 5 archive of stored members."""
    with open(path, "wb") as file:
        file.write(b"Rar!\x1a\x07\x01\x00" + block5(bytes([1, 0, 0])))
        for name, data in members.items():
            encoded = name.encode()
            fields = bytes([2, 2]) + vint(len(data)) + vint(4) + vint(len(data)) + vint(0o100644)
            fields += struct.pack("<I", zlib.crc32(data)) + bytes([0, 1]) + vint(len(encoded)) + encoded
            file.write(block5(fields) + data)
        file.write(block5(bytes([5, 0, 0])))
    return path


def block5(fields: bytes) -> bytes:
    """A block header: CRC-32 of its size and fields, then these."""
    body = vint(len(fields)) + fields
    return struct.pack("<I", zlib.crc32(body)) + body


def vint(number: int) -> bytes:
    """RAR 5's integers: seven bits a byte, low ones first."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
