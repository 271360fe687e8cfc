"""Protocol buffers' wire format, read without a schema (https://protobuf.dev/programming-guides/encoding)."""

from collections.abc import Iterator

Value = int | memoryview


class FormatError(ValueError):
    """A file does not follow its format; the message says where."""


def fields(data: memoryview) -> Iterator[tuple[int, Value]]:
    """(field number, value) in the file's order: an int for a varint, bytes for every other wire type."""
    offset = 0
    while offset < len(data):
        tag, offset = read_varint(data, offset)
        field_number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value: Value
            value, offset = read_varint(data, offset)
        else:
            size, offset = _read_size(data, offset, wire_type)
            value, offset = read_bytes(data, offset, size), offset + size
        if field_number == 0:
            raise FormatError(f"a field with number 0 ends at byte {offset}")
        yield field_number, value


def read_varint(data: memoryview, offset: int) -> tuple[int, int]:
    """(the number that begins at `offset`, the offset behind it)."""
    value = 0
    for shift in range(0, 70, 7):
        if offset >= len(data):
            raise FormatError(f"it ends at byte {offset}, inside a number")
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
    raise FormatError(f"a number of more than 10 bytes ends at byte {offset}")


def read_bytes(data: memoryview, offset: int, size: int) -> memoryview:
    """`size` bytes from `offset`; FormatError if the data end before."""
    if offset + size > len(data):
        raise FormatError(f"it ends early: {size} bytes should follow byte {offset} but {len(data) - offset} do")
    return data[offset : offset + size]


def as_bytes(value: Value) -> memoryview:
    """The value of a field that holds a message, a string or packed numbers."""
    if isinstance(value, int):
        raise FormatError(f"a field holds the number {value} but should hold a message")
    return value


def as_number(value: Value) -> int:
    """The value of a field that holds one signed 64-bit integer."""
    if not isinstance(value, int):
        raise FormatError(f"a field holds {len(value)} bytes but should hold a number")
    return _signed(value)


def as_numbers(value: Value) -> list[int]:
    """The values of a repeated field, packed or not, as signed 64-bit integers."""
    if isinstance(value, int):
        return [_signed(value)]
    numbers, offset = [], 0
    while offset < len(value):
        number, offset = read_varint(value, offset)
        numbers.append(_signed(number))
    return numbers


def as_text(value: Value) -> str:
    """The value of a field that holds UTF-8."""
    try:
        return bytes(as_bytes(value)).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"a name is not UTF-8: {error}") from error


def _read_size(data: memoryview, offset: int, wire_type: int) -> tuple[int, int]:
    """(the number of bytes of a value, the offset at which they begin)."""
    if wire_type == 2:
        return read_varint(data, offset)
    if wire_type not in (1, 5):
        raise FormatError(f"wire type {wire_type} at byte {offset} is unknown or deprecated")
    return {1: 8, 5: 4}[wire_type], offset


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
