"""Snappy's raw form (google/snappy, format_description.txt), in which early TensorFlow could write a table's blocks."""

from pipeline.weights.frameworks.protobuf import Broken, take, varint

MOST = 1 << 30  # bytes that a block may claim; TensorFlow's hold a tensor at the most


def unpacked(data: memoryview) -> bytes:
    """The bytes that were compressed: literal runs, and copies of what came out before."""
    size, at = varint(data, 0)
    if size > MOST:
        raise Broken(f"a block claims {size} bytes, more than the {MOST} that are read")
    out = bytearray()
    while at < len(data):
        tag, at = data[at], at + 1
        if tag & 3 == 0:
            length, at = _literal(data, at, tag >> 2)
            out += take(data, at, length)
            at += length
        else:
            length, back, at = _copy(data, at, tag)
            _repeat(out, length, back)
        if len(out) > size:
            break
    if len(out) != size:
        raise Broken(f"a block says it is {size} bytes and holds {len(out)}{' or more' if len(out) > size else ''}")
    return bytes(out)


def _literal(data: memoryview, at: int, length: int) -> tuple[int, int]:
    """Up to 60 bytes by the tag itself; 60 to 63 say in how many bytes a greater length follows."""
    if length < 60:
        return length + 1, at
    wide = length - 59
    return int.from_bytes(take(data, at, wide), "little") + 1, at + wide


def _copy(data: memoryview, at: int, tag: int) -> tuple[int, int, int]:
    """(length, how far back, where the next tag stands), with 1, 2 or 4 bytes of distance."""
    if tag & 3 == 1:
        return (tag >> 2 & 7) + 4, (tag >> 5) << 8 | take(data, at, 1)[0], at + 1
    wide = 2 if tag & 3 == 2 else 4
    return (tag >> 2) + 1, int.from_bytes(take(data, at, wide), "little"), at + wide


def _repeat(out: bytearray, length: int, back: int) -> None:
    if not 0 < back <= len(out):
        raise Broken(f"a block copies from {back} bytes before its byte {len(out)}")
    start = len(out) - back
    piece = out[start : start + length]
    while len(piece) < length:  # a copy may reach into itself
        piece += piece[: length - len(piece)]
    out += piece
