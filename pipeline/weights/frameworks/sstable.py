"""LevelDB's table of sorted keys (its doc/table_format.md), the form of TensorFlow's indices and V1 checkpoints."""

import struct
from collections.abc import Iterator

import pyarrow as pa

from pipeline.weights.frameworks.crc32c import masked_crc32c
from pipeline.weights.frameworks.protobuf import FormatError, read_bytes, read_varint

MAGIC = 0xDB4775248B80FB57
FOOTER_SIZE = 48  # two block handles, padding, magic number
TRAILER_SIZE = 5  # one byte for the compression, four for the checksum
UNCOMPRESSED, SNAPPY = 0, 1
MAX_BLOCK_SIZE = 1 << 30  # bytes
MAX_SNAPPY_RATIO = 22  # Snappy's densest element, a copy, is 3 bytes long and yields at most 64


def is_table(data: memoryview) -> bool:
    """Whether the data end with a table's magic number."""
    return len(data) >= FOOTER_SIZE and struct.unpack("<Q", data[-8:])[0] == MAGIC


def read_entries(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """(key, value) of every entry in the order of the keys; a block with a wrong checksum is a FormatError."""
    if not is_table(data):
        raise FormatError(f"the last 8 of its {len(data)} bytes are not a table's: it is cut off or of another format")
    footer = data[-FOOTER_SIZE:]
    _, offset = _read_handle(footer, 0)  # of the metaindex block, which TensorFlow leaves empty
    index, _ = _read_handle(footer, offset)
    for _, value in _block_entries(_read_block(data, *index)):
        handle, _ = _read_handle(value, 0)
        yield from _block_entries(_read_block(data, *handle))


def decompress_snappy(data: memoryview) -> memoryview:
    """A raw Snappy block; its own first varint says the decompressed size, which is bounded before memory is used."""
    size, _ = read_varint(data, 0)
    limit = min(MAX_BLOCK_SIZE, MAX_SNAPPY_RATIO * len(data))
    if size > limit:
        raise FormatError(f"a Snappy block of {len(data)} bytes claims {size} bytes but can hold {limit} at most")
    try:
        return memoryview(pa.decompress(pa.py_buffer(data), decompressed_size=size, codec="snappy", asbytes=True))
    except OSError as error:  # pyarrow's ArrowIOError
        raise FormatError(f"a Snappy block that claims {size} bytes is broken: {error}") from error


def _read_handle(data: memoryview, offset: int) -> tuple[tuple[int, int], int]:
    """((offset and size of a block), the offset behind the handle)."""
    block_offset, offset = read_varint(data, offset)
    size, offset = read_varint(data, offset)
    return (block_offset, size), offset


def _read_block(data: memoryview, offset: int, size: int) -> memoryview:
    """A block's bytes, decompressed, after a check of its checksum."""
    block = read_bytes(data, offset, size + TRAILER_SIZE)
    (stored,) = struct.unpack("<I", block[-4:])
    if (computed := masked_crc32c(block[:-4])) != stored:
        raise FormatError(f"the block at byte {offset} has the checksum {computed:08x} but records {stored:08x}")
    compression = block[size]
    if compression not in (UNCOMPRESSED, SNAPPY):
        raise FormatError(f"the block at byte {offset} has the unknown compression {compression}")
    return decompress_snappy(block[:size]) if compression == SNAPPY else block[:size]


def _block_entries(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """(key, value) of a block's entries; a key is stored without the prefix that it shares with the key before."""
    (restarts,) = struct.unpack("<I", read_bytes(block, max(len(block) - 4, 0), 4))
    content = read_bytes(block, 0, max(len(block) - 4 * (restarts + 1), 0))
    key, offset = b"", 0
    while offset < len(content):
        shared, offset = read_varint(content, offset)
        unshared, offset = read_varint(content, offset)
        length, offset = read_varint(content, offset)
        key = key[:shared] + bytes(read_bytes(content, offset, unshared))
        yield key, read_bytes(content, offset + unshared, length)
        offset += unshared + length
