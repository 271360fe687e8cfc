"""LevelDB's table of sorted keys (its doc/table_format.md), the form of TensorFlow's indices and old checkpoints."""

import struct
from collections.abc import Iterator

from pipeline.weights.frameworks.crc32c import masked
from pipeline.weights.frameworks.protobuf import Broken, take, varint
from pipeline.weights.frameworks.snappy import unpacked

MAGIC = 0xDB4775248B80FB57
FOOTER = 48  # two block handles, padding, magic
TRAILER = 5  # a block's compression and checksum
PLAIN, SNAPPY = 0, 1


def is_table(data: memoryview) -> bool:
    """Whether some bytes end as a table does."""
    return len(data) >= FOOTER and struct.unpack("<Q", data[-8:])[0] == MAGIC


def entries(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """(key, value) of a whole table, in the order of the keys; every block is held to its checksum."""
    if not is_table(data):
        raise Broken(f"its last 8 of {len(data)} bytes are not a table's: it is cut off, or something else")
    footer = data[-FOOTER:]
    _, at = _handle(footer, 0)  # of the metaindex, which is empty
    index, _ = _handle(footer, at)
    for _, value in _block(data, *index):
        handle, _ = _handle(value, 0)
        yield from _block(data, *handle)


def _handle(data: memoryview, at: int) -> tuple[tuple[int, int], int]:
    offset, at = varint(data, at)
    size, at = varint(data, at)
    return (offset, size), at


def _block(data: memoryview, offset: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """A block's entries: each key repeats a part of the one before it."""
    whole = take(data, offset, size + TRAILER)
    (stored,) = struct.unpack("<I", whole[-4:])
    if (computed := masked(whole[:-4])) != stored:
        raise Broken(f"the block at byte {offset} has the checksum {computed:08x} and says {stored:08x}")
    if whole[size] not in (PLAIN, SNAPPY):
        raise Broken(
            f"the block at byte {offset} is compressed in a way ({whole[size]}) that TensorFlow does not write"
        )
    block = whole[:size] if whole[size] == PLAIN else memoryview(unpacked(whole[:size]))
    (restarts,) = struct.unpack("<I", take(block, max(len(block) - 4, 0), 4))
    content = take(block, 0, max(len(block) - 4 * (restarts + 1), 0))
    key, at = b"", 0
    while at < len(content):
        shared, at = varint(content, at)
        fresh, at = varint(content, at)
        length, at = varint(content, at)
        key = key[:shared] + bytes(take(content, at, fresh))
        yield key, take(content, at + fresh, length)
        at += fresh + length
