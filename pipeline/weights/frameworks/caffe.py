"""Caffe's .caffemodel: a NetParameter message (BVLC/caffe, caffe.proto), with layers of any of its three ages."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.weights.frameworks.protobuf import (
    Broken,
    Value,
    fields,
    message,
    number,
    text,
    varints,
)

LAYERS, LAYER = 2, 100  # fields of NetParameter: V1LayerParameter, LayerParameter
V0 = 1  # field of V1LayerParameter that holds a whole V0LayerParameter

# Fields of a layer: (name, blobs)
AGES = {LAYERS: (4, 6), LAYER: (1, 7), V0: (1, 50)}

# Fields of a BlobProto
LEGACY = (1, 2, 3, 4)  # num, channels, height, width
DATA, SHAPE, DOUBLES = 5, 7, 8


def read(path: Path) -> dict[str, np.ndarray]:
    """`layer/0`, `layer/1`, ...: a layer's blobs in their order; of a convolution its filters (O, I, H, W) and bias."""
    tensors: dict[str, np.ndarray] = {}
    for field, value in fields(memoryview(path.read_bytes())):
        if field in (LAYERS, LAYER):
            for name, tensor in _layer(message(value), field):
                if name in tensors:
                    raise Broken(f"{name} is there twice")
                tensors[name] = tensor
    return tensors


def _layer(data: memoryview, age: int) -> Iterator[tuple[str, np.ndarray]]:
    content = list(fields(data))
    if age == LAYERS and (inner := [value for field, value in content if field == V0]):
        age, content = V0, list(fields(message(inner[0])))
    named, holding = AGES[age]
    name = next((text(value) for field, value in content if field == named), "")
    blobs = [message(value) for field, value in content if field == holding]
    for index, blob in enumerate(blobs):
        yield f"{name}/{index}", _blob(blob, f"{name}/{index}")


def _blob(data: memoryview, name: str) -> np.ndarray:
    legacy = dict.fromkeys(LEGACY, 1)
    shape: tuple[int, ...] | None = None
    floats: list[memoryview] = []  # one packed run, or every number on its own
    doubles: list[memoryview] = []
    for field, value in fields(data):
        if field in LEGACY:
            legacy[field] = number(value)
        elif field == SHAPE:
            shape = _shape(value)
        elif field in (DATA, DOUBLES):
            (floats if field == DATA else doubles).append(message(value))
    return _shaped(_numbers(doubles, "<f8") if doubles else _numbers(floats, "<f4"), shape, legacy, name)


def _shape(value: Value) -> tuple[int, ...]:
    return tuple(size for field, sizes in fields(message(value)) if field == 1 for size in varints(sizes))


def _numbers(runs: list[memoryview], kind: str) -> np.ndarray:
    data = runs[0] if len(runs) == 1 else b"".join(runs)
    if len(data) % np.dtype(kind).itemsize:
        raise Broken(f"{len(data)} bytes are no whole count of {kind[1:]} numbers")
    return np.frombuffer(data, kind).astype(np.float32, copy=False)


def _shaped(values: np.ndarray, shape: tuple[int, ...] | None, legacy: dict[int, int], name: str) -> np.ndarray:
    sizes = shape if shape is not None else tuple(legacy[field] for field in LEGACY)
    if min(sizes, default=1) < 0 or math.prod(sizes) != values.size:
        raise Broken(f"{name} says it is {sizes} and holds {values.size} numbers")
    return values.reshape(sizes)
