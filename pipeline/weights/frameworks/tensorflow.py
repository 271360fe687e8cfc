"""TensorFlow checkpoints: V2 bundles (X.index and X.data-?????-of-?????) and the single files of V1.

tensor_bundle.proto, saved_tensor_slice.proto and tensor.proto name the messages' fields.
"""

import math
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.weights.frameworks.crc32c import masked_crc32c
from pipeline.weights.frameworks.protobuf import (
    FormatError,
    Value,
    as_bytes,
    as_number,
    as_numbers,
    as_text,
    fields,
    read_bytes,
)
from pipeline.weights.frameworks.sstable import is_table, read_entries

Shape = tuple[int, ...]

# TensorFlow's DataType -> numpy's
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "|u1", 5: "<i2", 6: "|i1", 9: "<i8", 10: "|b1", 17: "<u2", 19: "<f2"}
STRING = 7  # the DataType of object graphs, which are not weights
EMPTY = memoryview(b"")

# Fields of a TensorProto
RAW_FIELDS = {4: "", 5: "<f4", 6: "<f8"}  # tensor_content (in the tensor's own type), float_val, double_val
INTEGER_FIELDS = (7, 10, 11)  # int_val, int64_val, bool_val


@dataclass
class BundleEntry:
    """BundleEntryProto: where a tensor's bytes are."""

    dtype: int = 0
    shape: Shape = ()
    shard: int = 0
    offset: int = 0
    size: int = 0
    checksum: int | None = None
    sliced: bool = False


@dataclass
class SliceMetadata:
    """SavedTensorSliceMeta: the shapes and DataTypes of a V1 checkpoint's tensors, by name."""

    shapes: dict[str, Shape] = field(default_factory=dict)
    dtypes: dict[str, int] = field(default_factory=dict)


def read(path: Path) -> dict[str, np.ndarray]:
    """Every variable by name; `path` is a checkpoint's prefix, its index, one of its data files or a V1 file."""
    prefix = _prefix(path)
    index = prefix.with_name(f"{prefix.name}.index")
    if index.is_file():
        return _read_bundle(prefix, index)
    data = memoryview(path.read_bytes())
    if path != prefix and not is_table(data):
        raise FormatError(f"{index.name} is missing beside it")
    return _read_v1(data)


def _prefix(path: Path) -> Path:
    name = path.name.removesuffix(".index")
    return path.with_name(name.partition(".data-")[0])


def _read_bundle(prefix: Path, index: Path) -> dict[str, np.ndarray]:
    table = dict(read_entries(memoryview(index.read_bytes())))
    num_shards = _num_shards(table.pop(b"", EMPTY))
    shards: dict[int, memoryview] = {}
    tensors = {}
    for key, value in table.items():
        entry = _parse_entry(value)
        if entry.dtype == STRING:
            continue
        if entry.shard not in shards:
            shard = prefix.with_name(f"{prefix.name}.data-{entry.shard:05d}-of-{num_shards:05d}")
            shards[entry.shard] = memoryview(shard.read_bytes())
        name = key.decode("utf-8", "replace")
        tensors[name] = _read_tensor(name, entry, shards[entry.shard])
    return tensors


def _num_shards(header: memoryview) -> int:
    """BundleHeaderProto: num_shards; a big-endian file is a FormatError."""
    content = dict(fields(header))
    if content.get(2, 0) != 0:
        raise FormatError("its numbers are big-endian, which this reader does not support")
    return as_number(content.get(1, 1))


def _parse_entry(value: memoryview) -> BundleEntry:
    entry = BundleEntry()
    for tag, content in fields(value):
        if tag == 1:
            entry.dtype = as_number(content)
        elif tag == 2:
            entry.shape = _parse_shape(content)
        elif tag == 3:
            entry.shard = as_number(content)
        elif tag == 4:
            entry.offset = as_number(content)
        elif tag == 5:
            entry.size = as_number(content)
        elif tag == 6:
            (entry.checksum,) = struct.unpack("<I", as_bytes(content))
        elif tag == 7:
            entry.sliced = True
    return entry


def _parse_shape(value: Value) -> Shape:
    """TensorShapeProto; protocol buffers do not write a size of 0."""
    sizes = [dict(fields(as_bytes(content))) for tag, content in fields(as_bytes(value)) if tag == 2]
    return tuple(as_number(size.get(1, 0)) for size in sizes)


def _read_tensor(name: str, entry: BundleEntry, data: memoryview) -> np.ndarray:
    if entry.sliced:
        raise FormatError(f"{name} is saved in slices, which this reader supports in V1 checkpoints alone")
    content = read_bytes(data, entry.offset, entry.size)
    if entry.checksum is not None and (computed := masked_crc32c(content)) != entry.checksum:
        raise FormatError(f"{name} has the checksum {computed:08x} but the index says {entry.checksum:08x}")
    return _reshape(name, np.frombuffer(content, _numpy_dtype(name, entry.dtype)), entry.shape)


def _numpy_dtype(name: str, dtype: int) -> np.dtype:
    if dtype not in DTYPES:
        raise FormatError(f"{name} is of TensorFlow's DataType {dtype}, which this reader does not support")
    return np.dtype(DTYPES[dtype])


def _reshape(name: str, values: np.ndarray, shape: Shape) -> np.ndarray:
    if values.size != math.prod(shape):
        raise FormatError(f"{name} has the shape {shape} but {values.size} numbers")
    return values.reshape(shape)


def _read_v1(data: memoryview) -> dict[str, np.ndarray]:
    """A V1 checkpoint: a table of tensors' slices, with the tensors' shapes and types under the empty key."""
    metadata = SliceMetadata()
    tensors: dict[str, np.ndarray] = {}
    num_filled: Counter[str] = Counter()
    for key, value in read_entries(data):
        content = dict(fields(value))
        if key == b"":
            metadata = _parse_metadata(as_bytes(content.get(1, EMPTY)), len(data))
        elif 2 in content:
            name, extents, values = _read_slice(metadata, as_bytes(content[2]))
            if metadata.dtypes[name] != STRING:
                tensors.setdefault(name, np.empty(metadata.shapes[name], values.dtype))[extents] = values
                num_filled[name] += values.size
    if incomplete := [name for name, tensor in tensors.items() if num_filled[name] != tensor.size]:
        name = incomplete[0]
        raise FormatError(f"{name} has {tensors[name].size} numbers but the file holds {num_filled[name]} of them")
    return tensors


def _parse_metadata(data: memoryview, file_size: int) -> SliceMetadata:
    """Shapes and types; a tensor of more numbers than the file has bytes is a FormatError, before memory is used."""
    metadata = SliceMetadata()
    for tag, content in fields(data):
        if tag == 1:
            tensor = dict(fields(as_bytes(content)))
            name = as_text(tensor[1])
            metadata.shapes[name] = _parse_shape(tensor.get(2, EMPTY))
            metadata.dtypes[name] = as_number(tensor.get(3, 0))
            if math.prod(metadata.shapes[name]) > file_size:
                raise FormatError(f"{name} has the shape {metadata.shapes[name]} in a file of {file_size} bytes")
    return metadata


def _read_slice(metadata: SliceMetadata, data: memoryview) -> tuple[str, tuple[slice, ...], np.ndarray]:
    """SavedSlice: (the tensor's name, the extents of the slice in it, the slice's values)."""
    content = dict(fields(data))
    name = as_text(content.get(1, EMPTY))
    if name not in metadata.shapes:
        raise FormatError(f"it has values of {name!r} but does not say their shape")
    extents = tuple(_parse_extents(content.get(2, EMPTY)))
    if metadata.dtypes[name] == STRING:
        return name, extents, np.empty(0)
    shape = metadata.shapes[name]
    slice_shape = tuple(
        len(range(*extent.indices(size)))
        for extent, size in zip(extents or [slice(None)] * len(shape), shape, strict=True)
    )
    values = _parse_values(as_bytes(content.get(3, EMPTY)), _numpy_dtype(name, metadata.dtypes[name]))
    return name, extents, _reshape(name, values, slice_shape)


def _parse_extents(value: Value) -> Iterator[slice]:
    """TensorSliceProto; an extent without a length is the whole axis."""
    for tag, content in fields(as_bytes(value)):
        if tag == 1:
            extent = dict(fields(as_bytes(content)))
            start = as_number(extent.get(1, 0))
            yield slice(start, start + as_number(extent[2])) if 2 in extent else slice(None)


def _parse_values(tensor: memoryview, dtype: np.dtype) -> np.ndarray:
    """TensorProto: raw bytes, or a list of numbers in the field of their type."""
    parts = [np.empty(0, dtype)]
    for tag, content in fields(tensor):
        if tag in RAW_FIELDS:
            parts.append(np.frombuffer(as_bytes(content), RAW_FIELDS[tag] or dtype))
        elif tag in INTEGER_FIELDS:
            parts.append(np.array(as_numbers(content)))
    return np.concatenate(parts).astype(dtype)
