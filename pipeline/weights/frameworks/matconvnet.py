"""MatConvNet's .mat: DagNN's `params` or SimpleNN's `layers`, in MATLAB's v5 to v7 or in v7.3, which is HDF5."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from pipeline.formats.hdf5 import open_hdf5
from pipeline.weights.frameworks.protobuf import FormatError

SUFFIXES = "fbm"  # filters, biases, moments: the names that dagnn.DagNN.fromSimpleNN gives to a layer's weights


def read(path: Path) -> dict[str, np.ndarray]:
    """Every parameter by name, filters as (H, W, I, O); MATLAB drops the last axes where they are 1."""
    net = _load_v73(path) if h5py.is_hdf5(path) else _load_v5(path)
    net = net["net"] if isinstance(net.get("net"), dict) else net
    pairs = _dag_params(net["params"]) if "params" in net else _simple_params(net.get("layers", []))
    tensors: dict[str, np.ndarray] = {}
    for name, value in pairs:
        if name in tensors:
            raise FormatError(f"it has two tensors named {name}")
        tensors[name] = _check_numeric(name, value)
    return tensors


def _dag_params(params: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(name, value) of a struct array, whose fields hold lists, or bare values if it has one element."""
    if not isinstance(params, dict) or not {"name", "value"} <= set(params):
        raise FormatError("its params have no names and values")
    names = params["name"] if isinstance(params["name"], list) else [params["name"]]
    values = params["value"] if isinstance(params["name"], list) else [params["value"]]
    yield from zip(names, values, strict=True)


def _simple_params(layers: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of a cell of structs with `weights`, or before v1.0-beta8 with `filters` and `biases`."""
    for number, layer in enumerate(layers if isinstance(layers, list) else [layers], 1):
        if not isinstance(layer, dict):
            raise FormatError(f"layer {number} is not a struct")
        weights = layer.get("weights", [layer[key] for key in ("filters", "biases") if key in layer])
        if not isinstance(weights, list) or len(weights) > len(SUFFIXES):
            raise FormatError(f"layer {number} has no list of at most {len(SUFFIXES)} weights")
        for suffix, value in zip(SUFFIXES, weights, strict=False):
            yield f"{layer.get('name') or f'layer{number}'}{suffix}", value


def _check_numeric(name: str, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        raise FormatError(f"{name} holds {type(value).__name__} and not numbers; was it saved from a GPU?")
    return value


def _load_v5(path: Path) -> dict[str, Any]:
    try:
        content = scipy.io.loadmat(str(path))
    except MemoryError:
        raise
    except Exception as error:  # scipy raises many types for a broken file
        raise FormatError(f"scipy cannot read it as MATLAB v5 to v7: {error}") from error
    return {name: _simplify(value) for name, value in content.items() if not name.startswith("__")}


def _simplify(value: Any) -> Any:
    """scipy's arrays as dicts (structs), lists (cells and the fields of struct arrays), strings and numeric arrays."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:
        columns = {name: [_simplify(item) for item in value[name].ravel("F")] for name in value.dtype.names}
        return {name: items[0] if value.size == 1 else items for name, items in columns.items()}
    if value.dtype.kind == "O":
        return [_simplify(item) for item in value.ravel("F")]
    return "".join(value.ravel()) if value.dtype.kind == "U" else value


def _load_v73(path: Path) -> dict[str, Any]:
    try:
        with open_hdf5(path) as file:
            return {name: _simplify_node(file, node) for name, node in file.items() if not name.startswith("#")}
    except MemoryError:
        raise
    except Exception as error:  # h5py raises many types for a broken file
        raise FormatError(f"h5py cannot read it as MATLAB v7.3: {error}") from error


def _simplify_node(file: h5py.File, node: Any) -> Any:
    """HDF5's nodes as dicts, lists, strings and arrays; MATLAB stores an array with its axes reversed."""
    if isinstance(node, h5py.Group):
        return {name: _simplify_node(file, child) for name, child in node.items()}
    matlab_class = node.attrs.get("MATLAB_class", b"")
    if node.attrs.get("MATLAB_empty", 0):
        return [] if matlab_class == b"cell" else "" if matlab_class == b"char" else np.empty(tuple(node[()]))
    if node.dtype == h5py.ref_dtype:
        return [_simplify_node(file, file[reference]) for reference in node[()].ravel()]
    values = node[()]
    return "".join(map(chr, values.ravel())) if matlab_class == b"char" else np.asarray(values).T
