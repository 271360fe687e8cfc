"""The names of a zip archive's members, in the encoding in which the packer wrote them."""

import struct
import zipfile
import zlib
from collections.abc import Iterator

UTF8_FLAG = 0x800
UNICODE_PATH = 0x7075  # Info-ZIP's extra field: the name in UTF-8, beside one in an older encoding


def member_name(info: zipfile.ZipInfo) -> str:
    """The name of a member.

    The zip format knows two encodings: UTF-8 if flag 11 is set, else CP437. Many packers write UTF-8 without the flag:
    Info-ZIP on Linux and macOS' Finder write the bytes of the file system. Therefore a name without the flag is, in
    this order,

    1. the UTF-8 name of its extra field 0x7075, if the CRC in the field is that of the name in the header: otherwise
       a program that ignores the field has renamed the member;
    2. UTF-8, if its bytes are valid UTF-8. A CP437 name would be mistaken only if every byte above 0x7F stood in a
       sequence such as `├⌐`, a box-drawing character and a symbol, which no word has;
    3. CP437, as the format says.
    """
    # orig_filename: zipfile truncates `filename` at a NUL byte, which would hide part of an unsafe name.
    if info.flag_bits & UTF8_FLAG:
        return info.orig_filename
    raw = info.orig_filename.encode("cp437")  # zipfile decoded it as CP437, which maps every byte
    try:
        return _unicode_path(info.extra, raw) or raw.decode()
    except UnicodeDecodeError:
        return info.orig_filename


def _unicode_path(extra: bytes, raw: bytes) -> str:
    """The name in the extra field 0x7075 (version 1, CRC-32 of the header's name, UTF-8); "" if it does not apply."""
    for field, data in _extra_fields(extra):
        if field == UNICODE_PATH and data[:5] == struct.pack("<BL", 1, zlib.crc32(raw)):
            return data[5:].decode()
    return ""


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while len(extra) >= 4:
        field, size = struct.unpack("<HH", extra[:4])
        yield field, extra[4 : 4 + size]
        extra = extra[4 + size :]
