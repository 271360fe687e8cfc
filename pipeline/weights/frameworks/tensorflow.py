"""TensorFlow checkpoints: bundles (X.index and X.data-?????-of-?????) and the single files before them.

tensor_bundle.proto, saved_tensor_slice.proto and tensor.proto name the messages' fields.
"""

import math
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.weights.frameworks.crc32c import masked
from pipeline.weights.frameworks.protobuf import (
    Broken,
    Value,
    fields,
    message,
    number,
    take,
    text,
    varints,
)
from pipeline.weights.frameworks.sstable import entries, is_table

KINDS = {1: "<f4", 2: "<f8", 3: "<i4", 4: "|u1", 5: "<i2", 6: "|i1", 9: "<i8", 10: "|b1", 17: "<u2", 19: "<f2"}
NOTHING = memoryview(b"")
STRING = 7  # holds object graphs, never weights

CONTENT, FLOATS, DOUBLES = 4, 5, 6  # fields of a TensorProto
RAW = {CONTENT: "", FLOATS: "<f4", DOUBLES: "<f8"}
NUMBERS = (7, 10, 11)  # int_val, int64_val, bool_val


@dataclass
class Entry:
    """BundleEntryProto: where a tensor's bytes are."""

    kind: int = 0
    shape: tuple[int, ...] = ()
    shard: int = 0
    offset: int = 0
    size: int = 0
    checksum: int | None = None
    sliced: bool = False


@dataclass
class Saved:
    """SavedTensorSlices of one key: what is said of the tensors, or one slice of one."""

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)


def read(path: Path) -> dict[str, np.ndarray]:
    """Every variable by its name; `path` is the checkpoint's prefix, its index, one of its data files or a V1 file."""
    prefix = _prefix(path)
    index = prefix.with_name(f"{prefix.name}.index")
    if index.is_file():
        return _bundle(prefix, index)
    data = memoryview(path.read_bytes())
    if path != prefix and not is_table(data):
        raise Broken(f"{index.name} is missing beside it")
    return _single(data)


def _prefix(path: Path) -> Path:
    name = path.name.removesuffix(".index")
    return path.with_name(name.partition(".data-")[0])


def _bundle(prefix: Path, index: Path) -> dict[str, np.ndarray]:
    table = dict(entries(memoryview(index.read_bytes())))
    shards = _shards(table.pop(b"", NOTHING))
    files: dict[int, memoryview] = {}
    tensors = {}
    for key, value in table.items():
        entry = _entry(value)
        if entry.kind == STRING:
            continue
        if entry.shard not in files:
            shard = prefix.with_name(f"{prefix.name}.data-{entry.shard:05d}-of-{shards:05d}")
            files[entry.shard] = memoryview(shard.read_bytes())
        name = key.decode("utf-8", "replace")
        tensors[name] = _tensor(name, entry, files[entry.shard])
    return tensors


def _shards(header: memoryview) -> int:
    found = dict(fields(header))
    if found.get(2, 0) != 0:
        raise Broken("its numbers are big-endian, which is not read here")
    return number(found.get(1, 1))


def _entry(value: memoryview) -> Entry:
    entry = Entry()
    for tag, content in fields(value):
        if tag == 1:
            entry.kind = number(content)
        elif tag == 2:
            entry.shape = _shape(content)
        elif tag == 3:
            entry.shard = number(content)
        elif tag == 4:
            entry.offset = number(content)
        elif tag == 5:
            entry.size = number(content)
        elif tag == 6:
            (entry.checksum,) = struct.unpack("<I", message(content))
        elif tag == 7:
            entry.sliced = True
    return entry


def _shape(value: Value) -> tuple[int, ...]:
    """TensorShapeProto; a size of 0 is not written."""
    sizes = [dict(fields(message(content))) for tag, content in fields(message(value)) if tag == 2]
    return tuple(number(size.get(1, 0)) for size in sizes)


def _tensor(name: str, entry: Entry, data: memoryview) -> np.ndarray:
    if entry.sliced:
        raise Broken(f"{name} is saved in slices, which is not read here")
    content = take(data, entry.offset, entry.size)
    if entry.checksum is not None and (computed := masked(content)) != entry.checksum:
        raise Broken(f"{name} has the checksum {computed:08x} and the index says {entry.checksum:08x}")
    return _shaped(name, np.frombuffer(content, _kind(name, entry.kind)), entry.shape)


def _kind(name: str, kind: int) -> np.dtype:
    if kind not in KINDS:
        raise Broken(f"{name} is of TensorFlow's type {kind}, which is not read here")
    return np.dtype(KINDS[kind])


def _shaped(name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if values.size != math.prod(shape):
        raise Broken(f"{name} says it is {shape} and holds {values.size} numbers")
    return values.reshape(shape)


def _single(data: memoryview) -> dict[str, np.ndarray]:
    """A V1 checkpoint: a table of slices, under the empty key what they are slices of."""
    saved = Saved()
    tensors: dict[str, np.ndarray] = {}
    filled: Counter[str] = Counter()
    for key, value in entries(data):
        content = dict(fields(value))
        if key == b"":
            _describe(saved, message(content.get(1, NOTHING)), len(data))
        elif 2 in content:
            name, where, values = _slice(saved, message(content[2]))
            if saved.kinds[name] != STRING:
                tensors.setdefault(name, np.empty(saved.shapes[name], values.dtype))[where] = values
                filled[name] += values.size
    if gaps := [name for name, tensor in tensors.items() if filled[name] != tensor.size]:
        raise Broken(f"{gaps[0]} has {tensors[gaps[0]].size} numbers, of which {filled[gaps[0]]} are there")
    return tensors


def _describe(saved: Saved, meta: memoryview, most: int) -> None:
    """Shapes and types; one of more than `most` numbers cannot be in the file."""
    for tag, content in fields(meta):
        if tag == 1:
            said = dict(fields(message(content)))
            name = text(said[1])
            saved.shapes[name] = _shape(said.get(2, NOTHING))
            saved.kinds[name] = number(said.get(3, 0))
            if math.prod(saved.shapes[name]) > most:
                raise Broken(f"{name} says it is {saved.shapes[name]}, in a file of {most} bytes")


def _slice(saved: Saved, data: memoryview) -> tuple[str, tuple[slice, ...], np.ndarray]:
    said = dict(fields(data))
    name = text(said.get(1, NOTHING))
    if name not in saved.shapes:
        raise Broken(f"it has values of {name!r} but does not say their shape")
    where = tuple(_extents(said.get(2, NOTHING)))
    if saved.kinds[name] == STRING:
        return name, where, np.empty(0)
    shape = saved.shapes[name]
    part = tuple(
        len(range(*cut.indices(size))) for cut, size in zip(where or [slice(None)] * len(shape), shape, strict=True)
    )
    values = _values(message(said.get(3, NOTHING)), _kind(name, saved.kinds[name]))
    return name, where, _shaped(name, values, part)


def _extents(value: Value) -> Iterator[slice]:
    """TensorSliceProto; without a length the whole axis."""
    for tag, content in fields(message(value)):
        if tag == 1:
            said = dict(fields(message(content)))
            start = number(said.get(1, 0))
            yield slice(start, start + number(said[2])) if 2 in said else slice(None)


def _values(tensor: memoryview, kind: np.dtype) -> np.ndarray:
    """TensorProto: raw bytes, or a list of numbers by type."""
    parts = [np.empty(0, kind)]
    for tag, content in fields(tensor):
        if tag in RAW:
            parts.append(np.frombuffer(message(content), RAW[tag] or kind))
        elif tag in NUMBERS:
            parts.append(np.array(varints(content)))
    return np.concatenate(parts).astype(kind)
