"""Caffe's .caffemodel: a NetParameter message (BVLC/caffe, caffe.proto), with layers of any of its three versions."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.weights.frameworks.protobuf import (
    FormatError,
    Value,
    as_bytes,
    as_number,
    as_numbers,
    as_text,
    fields,
)

LAYERS, LAYER = 2, 100  # fields of NetParameter: V1LayerParameter, LayerParameter
V0 = 1  # field of V1LayerParameter that holds a V0LayerParameter

# Version of a layer -> its fields for the name and the blobs
LAYER_FIELDS = {LAYERS: (4, 6), LAYER: (1, 7), V0: (1, 50)}

# Fields of a BlobProto
LEGACY_SHAPE = (1, 2, 3, 4)  # num, channels, height, width
DATA, SHAPE, DOUBLE_DATA = 5, 7, 8


def read(path: Path) -> dict[str, np.ndarray]:
    """A layer's blobs by `layer/0`, `layer/1`, ...: of a convolution the filters (O, I, H, W) and the bias."""
    tensors: dict[str, np.ndarray] = {}
    for field, value in fields(memoryview(path.read_bytes())):
        if field in (LAYERS, LAYER):
            for name, tensor in _read_layer(as_bytes(value), field):
                if name in tensors:
                    raise FormatError(f"it has two tensors named {name}")
                tensors[name] = tensor
    return tensors


def _read_layer(data: memoryview, version: int) -> Iterator[tuple[str, np.ndarray]]:
    content = list(fields(data))
    if version == LAYERS and (inner := [value for field, value in content if field == V0]):
        version, content = V0, list(fields(as_bytes(inner[0])))
    name_field, blobs_field = LAYER_FIELDS[version]
    layer = next((as_text(value) for field, value in content if field == name_field), "")
    blobs = [as_bytes(value) for field, value in content if field == blobs_field]
    for index, blob in enumerate(blobs):
        yield f"{layer}/{index}", _read_blob(blob, f"{layer}/{index}")


def _read_blob(data: memoryview, name: str) -> np.ndarray:
    legacy = dict.fromkeys(LEGACY_SHAPE, 1)
    shape: tuple[int, ...] | None = None
    floats: list[memoryview] = []  # one item for packed numbers, else one item a number
    doubles: list[memoryview] = []
    for field, value in fields(data):
        if field in LEGACY_SHAPE:
            legacy[field] = as_number(value)
        elif field == SHAPE:
            shape = _read_shape(value)
        elif field in (DATA, DOUBLE_DATA):
            (floats if field == DATA else doubles).append(as_bytes(value))
    values = _read_numbers(doubles, "<f8") if doubles else _read_numbers(floats, "<f4")
    return _reshape(values, shape if shape is not None else tuple(legacy[field] for field in LEGACY_SHAPE), name)


def _read_shape(value: Value) -> tuple[int, ...]:
    return tuple(size for field, sizes in fields(as_bytes(value)) if field == 1 for size in as_numbers(sizes))


def _read_numbers(items: list[memoryview], dtype: str) -> np.ndarray:
    data = items[0] if len(items) == 1 else b"".join(items)
    if len(data) % np.dtype(dtype).itemsize:
        raise FormatError(f"{len(data)} bytes are not a whole number of {dtype[1:]} values")
    return np.frombuffer(data, dtype).astype(np.float32, copy=False)


def _reshape(values: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
    if min(shape, default=1) < 0 or math.prod(shape) != values.size:
        raise FormatError(f"{name} has the shape {shape} but {values.size} numbers")
    return values.reshape(shape)
