"""Containers that are cut off: what the structure of a file says about its end.

Only sizes and flags that the container stores are compared with the file; nothing is decoded. A file of another
container, or one with bytes after its last element, is taken as complete.
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO

EBML_SEGMENT, EBML_CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
OGG_VIDEO = (b"\x80theora", b"BBCD", b"OVP80")  # how the first page of a video stream begins
OGG_FIRST, OGG_LAST = 2, 4  # flags of a page
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
TS_PACKETS = (188, 192, 204)  # bytes


def cut_off_reason(path: Path | str, container: str) -> str:
    """Why a file of the container (libavformat's name) is cut off, or an empty string."""
    check = next((check for name, check in CHECKS.items() if name in container.split(",")), None)
    if check is None:
        return ""
    with open(path, "rb") as file:
        return check(file, os.fstat(file.fileno()).st_size)


def _matroska(file: IO[bytes], size: int) -> str:
    """Walk the elements: a segment or a cluster of unknown size is entered, any other element is skipped."""
    position = 0
    while position < size:
        file.seek(position)
        head = file.read(12)
        id_length = 9 - head[0].bit_length()
        if head[0] == 0 or id_length > 4:
            return ""  # no element: bytes that something else appended
        length_position = head[id_length : id_length + 1]
        if not length_position or length_position[0] == 0:
            return "the file ends within an element" if not length_position else ""
        length = 9 - length_position[0].bit_length()
        start = position + id_length + length
        data = head[id_length : id_length + length]
        value = int.from_bytes(data, "big") & ((1 << 7 * length) - 1)
        unknown = value == (1 << 7 * length) - 1
        if len(data) < length or (not unknown and start + value > size):
            return f"its element at byte {position:,} ends beyond the file"
        enter = head[:id_length] == EBML_SEGMENT or unknown
        position = start if enter else start + value
    return ""


def _iso(file: IO[bytes], size: int) -> str:
    """Walk the boxes of the top level."""
    for position, _, end in iso_boxes(file, 0, size):
        if end > size:
            return f"its box at byte {position:,} ends beyond the file"
    return ""


def iso_boxes(file: IO[bytes], start: int, end: int) -> list[tuple[int, bytes, int]]:
    """(position, type, end) of the boxes between two positions; the end of the last one may lie beyond the file."""
    boxes = []
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        length = {0: end - start, 1: int.from_bytes(head[8:16], "big")}.get(length, length)
        if length < 8:
            break
        boxes.append((start, head[4:8], start + length))
        start += length
    return boxes


def _ogg(file: IO[bytes], size: int) -> str:
    """Walk the pages: the last page of every video stream has the flag of the end of a stream."""
    position, ended, video = 0, {}, set()
    while position < size:
        file.seek(position)
        head = file.read(27)
        if head[:4] != b"OggS"[: len(head)]:
            break
        segments = file.read(head[26]) if len(head) == 27 else b""
        if len(head) < 27 or len(segments) < head[26] or position + 27 + head[26] + sum(segments) > size:
            return f"its page at byte {position:,} ends beyond the file"
        serial = head[14:18]
        if head[5] & OGG_FIRST and file.read(8).startswith(OGG_VIDEO):
            video.add(serial)
        ended[serial] = bool(head[5] & OGG_LAST)
        position += 27 + head[26] + sum(segments)
    return "" if all(ended[serial] for serial in video) else "the page that ends its video stream is missing"


def _riff(file: IO[bytes], size: int) -> str:
    tag, length = struct.unpack("<4sI", file.read(8).ljust(8, b"\0"))
    promised = length + 8
    if tag == b"RIFF" and 0 < length < 0xFFFFFFFF and promised > size + 1:
        return f"its header promises {promised:,} bytes but it has {size:,}"
    return ""


def _asf(file: IO[bytes], size: int) -> str:
    head = file.read(1 << 16)
    start = head.find(ASF_FILE_PROPERTIES)
    if start < 0 or len(head) < start + 92:
        return ""
    (promised,) = struct.unpack_from("<Q", head, start + 40)
    broadcast = head[start + 88] & 1
    return f"its header promises {promised:,} bytes but it has {size:,}" if promised > size and not broadcast else ""


def _mpegts(_: IO[bytes], size: int) -> str:
    """A file that ends between two packets cannot be told from a complete one."""
    return "" if any(size % length == 0 for length in TS_PACKETS) else "the file ends within a packet"


def _flv(file: IO[bytes], size: int) -> str:
    """Walk the tags, each of which is followed by its size."""
    head = file.read(9)
    return _overrun(file, int.from_bytes(head[5:9], "big") + 4, size, 11, lambda tag: 15 + _big(tag[1:4]))


def _program_stream(file: IO[bytes], size: int) -> str:
    """Walk the packets; a pack header has a length of its own (MPEG-1: 12 bytes, MPEG-2: 14 and stuffing)."""

    def length(head: bytes) -> int:
        if head[:3] != b"\0\0\1":
            return 0
        if head[3] == 0xBA:
            return 14 + (head[13] & 7) if head[4] >> 6 == 1 else 12
        return 4 if head[3] == 0xB9 else 6 + _big(head[4:6])

    return _overrun(file, 0, size, 14, length)


def _mxf(file: IO[bytes], size: int) -> str:
    """Walk the triplets of key (16 bytes), length (BER) and value."""

    def length(head: bytes) -> int:
        if head[:4] != b"\x06\x0e\x2b\x34":
            return 0
        extra = head[16] & 0x7F if head[16] & 0x80 else 0
        return 17 + extra + (_big(head[17 : 17 + extra]) if extra else head[16])

    return _overrun(file, 0, size, 26, length)


def _gif(file: IO[bytes], size: int) -> str:
    file.seek(max(0, size - 1))
    return "" if file.read(1) == b";" else "its last byte is not the trailer"


def _overrun(file: IO[bytes], position: int, size: int, head: int, length: Callable[[bytes], int]) -> str:
    """Walk elements whose length follows from their first bytes; 0 is no element, and ends the walk."""
    while position < size:
        file.seek(position)
        step = length(file.read(head).ljust(head, b"\0"))
        if position + step > size:
            return f"its element at byte {position:,} ends beyond the file"
        if not step:
            break
        position += step
    return ""


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


CHECKS: dict[str, Callable[[IO[bytes], int], str]] = {
    "matroska": _matroska,
    "mov": _iso,
    "ogg": _ogg,
    "avi": _riff,
    "asf": _asf,
    "mpegts": _mpegts,
    "flv": _flv,
    "mpeg": _program_stream,
    "mxf": _mxf,
    "gif": _gif,
}
