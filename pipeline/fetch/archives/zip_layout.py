"""Checks that a zip archive's directory accounts for every byte of the file: zipfile ignores what it does not list."""

import struct
import zipfile
from collections.abc import Sequence
from typing import BinaryIO

from pipeline.common.files import BLOCK
from pipeline.fetch.archives.members import UnsupportedArchive

LOCAL_HEADER, END_RECORD = b"PK\x03\x04", b"PK\x05\x06"
LOCAL_HEADER_BYTES, END_RECORD_BYTES = 30, 22
DESCRIPTOR_SIZES = (0, 12, 16, 20, 24)  # what may follow a member's bytes: its CRC and sizes, with or without a mark
RECOVER = "write all members into one archive with `zip -FF OLD.zip --out NEW.zip`, check it and put that there"
JOIN = "put all parts into one folder, join them with `zip -s 0 NAME.zip --out NEW.zip` and put that there"


def check_layout(file: BinaryIO, members: Sequence[zipfile.ZipInfo], directory: int) -> None:
    """Raise UnsupportedArchive if the file holds anything besides `members` and the directory at byte `directory`.

    That is so if archives were concatenated, if something was appended, or if the file is one part of several.
    """
    check_end(file)
    size = file.seek(0, 2)
    unlisted = _unlisted_member(file, members, directory)
    if unlisted is not None:
        raise UnsupportedArchive(
            f"at byte {unlisted:,} of {size:,} it holds a member that its directory does not list, as if several"
            " archives were concatenated",
            RECOVER,
        )


def check_end(file: BinaryIO) -> None:
    """Raise UnsupportedArchive if content follows the end record, or if that is of the last part of several.

    A file without an end record passes: it is truncated, or no zip archive.
    """
    position = _end_record(file)
    file.seek(max(0, position))
    record = file.read(END_RECORD_BYTES)
    if position < 0 or len(record) < END_RECORD_BYTES:
        return
    if struct.unpack("<H", record[4:6])[0] not in (0, 0xFFFF):
        raise UnsupportedArchive("it is the last part of a multi-part zip archive", JOIN)
    comment = struct.unpack("<H", record[20:22])[0]
    file.seek(comment, 1)
    if any(block.strip(b"\0") for block in iter(lambda: file.read(BLOCK), b"")):
        rest = file.seek(0, 2) - position - END_RECORD_BYTES - comment
        raise UnsupportedArchive(f"{rest:,} bytes follow its end mark, which no zip program unpacks", RECOVER)


def _end_record(file: BinaryIO) -> int:
    """The position of the last end record, -1 if there is none; zipfile looks at the last 64 KiB alone."""
    end = file.seek(0, 2)
    while end > 0:
        start = max(0, end - BLOCK)
        file.seek(start)
        position = file.read(end - start + len(END_RECORD) - 1).rfind(END_RECORD)
        if position >= 0:
            return start + position
        end = start
    return -1


def _unlisted_member(file: BinaryIO, members: Sequence[zipfile.ZipInfo], directory: int) -> int | None:
    """The position of a local header between the listed members, or None."""
    end = 0
    for info in sorted(members, key=lambda info: info.header_offset):
        if info.header_offset > end and (header_offset := _local_header(file, end, info.header_offset)) is not None:
            return header_offset
        file.seek(info.header_offset)
        header = file.read(LOCAL_HEADER_BYTES)
        name_bytes, extra_bytes = struct.unpack("<HH", header[26:30].ljust(4, b"\0"))
        end = max(end, info.header_offset + LOCAL_HEADER_BYTES + name_bytes + extra_bytes + info.compress_size)
    return _local_header(file, end, directory)


def _local_header(file: BinaryIO, begin: int, end: int) -> int | None:
    """The position of a local header where a member may begin in the bytes [begin, end), or None."""
    for position in (begin + size for size in DESCRIPTOR_SIZES):
        file.seek(position)
        if position < end and file.read(4) == LOCAL_HEADER:
            return position
    return None
