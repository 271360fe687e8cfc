"""Protocol buffers' wire format, read without a schema (https://protobuf.dev/programming-guides/encoding)."""

from collections.abc import Iterator

Value = int | memoryview


class Broken(ValueError):
    """Bytes that are not what their format says; the message tells where."""


def fields(data: memoryview) -> Iterator[tuple[int, Value]]:
    """(field number, value) in the file's order: an int of a varint, the bytes of anything else."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value: Value
            value, at = varint(data, at)
        else:
            size, at = _size(data, at, kind)
            value, at = take(data, at, size), at + size
        if number == 0:
            raise Broken(f"a field with number 0 ends at byte {at}")
        yield number, value


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at a byte, and where the next byte stands."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise Broken(f"it breaks off at byte {at}, inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Broken(f"a number of more than 10 bytes ends at byte {at}")


def varints(value: Value) -> list[int]:
    """A repeated number, packed or not, as signed 64-bit integers."""
    if isinstance(value, int):
        return [_signed(value)]
    found, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        found.append(_signed(number))
    return found


def take(data: memoryview, at: int, size: int) -> memoryview:
    """`size` bytes from `at`, all of them there."""
    if at + size > len(data):
        raise Broken(f"it breaks off: {size} bytes are announced at byte {at} and {len(data) - at} are left")
    return data[at : at + size]


def message(value: Value) -> memoryview:
    """A field that must hold bytes."""
    if isinstance(value, int):
        raise Broken(f"the number {value} stands where a message belongs")
    return value


def number(value: Value) -> int:
    """A field that must hold a number."""
    if not isinstance(value, int):
        raise Broken(f"{len(value)} bytes stand where a number belongs")
    return _signed(value)


def text(value: Value) -> str:
    """A field that must hold UTF-8."""
    try:
        return bytes(message(value)).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Broken(f"a name is not text: {error}") from error


def _size(data: memoryview, at: int, kind: int) -> tuple[int, int]:
    if kind == 2:
        return varint(data, at)
    if kind not in (1, 5):
        raise Broken(f"wire type {kind} at byte {at} is none that is written today")
    return {1: 8, 5: 4}[kind], at


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
