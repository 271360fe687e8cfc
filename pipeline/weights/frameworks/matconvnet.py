"""MatConvNet's .mat: DagNN's `params`, or SimpleNN's `layers`; of MATLAB v5 to v7 and of v7.3, which is HDF5."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from pipeline.weights.frameworks.protobuf import Broken

SUFFIXES = "fbm"  # filters, bias, moments: the names that dagnn.DagNN.fromSimpleNN gives a layer's weights


def read(path: Path) -> dict[str, np.ndarray]:
    """Every parameter by its name, filters (H, W, I, O); MATLAB drops the last axes where they are 1."""
    net = _v73(path) if h5py.is_hdf5(path) else _v5(path)
    net = net["net"] if isinstance(net.get("net"), dict) else net
    pairs = _dag(net["params"]) if "params" in net else _simple(net.get("layers", []))
    tensors: dict[str, np.ndarray] = {}
    for name, value in pairs:
        if name in tensors:
            raise Broken(f"{name} is there twice")
        tensors[name] = _numbers(name, value)
    return tensors


def _dag(params: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """A struct array: a list under each of its fields; of one element, just the element."""
    if not isinstance(params, dict) or not {"name", "value"} <= set(params):
        raise Broken("its params have no names and values")
    names = params["name"] if isinstance(params["name"], list) else [params["name"]]
    values = params["value"] if isinstance(params["name"], list) else [params["value"]]
    yield from zip(names, values, strict=True)


def _simple(layers: Any) -> Iterator[tuple[str, Any]]:
    """A cell of structs, with `weights`, or as once with `filters` and `biases`."""
    for index, layer in enumerate(layers if isinstance(layers, list) else [layers]):
        if not isinstance(layer, dict):
            raise Broken(f"layer {index + 1} is no struct")
        weights = layer.get("weights", [layer[key] for key in ("filters", "biases") if key in layer])
        if not isinstance(weights, list) or len(weights) > len(SUFFIXES):
            raise Broken(f"layer {index + 1} has no list of at most {len(SUFFIXES)} weights")
        for suffix, value in zip(SUFFIXES, weights, strict=False):
            yield f"{layer.get('name') or f'layer{index + 1}'}{suffix}", value


def _numbers(name: str, value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        raise Broken(f"{name} holds no numbers but {type(value).__name__}; was it saved from a GPU?")
    return value


def _v5(path: Path) -> dict[str, Any]:
    try:
        found = scipy.io.loadmat(str(path))
    except MemoryError:
        raise
    except Exception as error:  # scipy answers a broken file with whatever it stumbles over
        raise Broken(f"MATLAB's v5 form is broken: {error}") from error
    return {name: _plain(value) for name, value in found.items() if not name.startswith("__")}


def _plain(value: Any) -> Any:
    """scipy's arrays as dicts (structs), lists (cells and struct arrays' fields), strings and numbers."""
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:
        columns = {name: [_plain(item) for item in value[name].ravel("F")] for name in value.dtype.names}
        return {name: items[0] if value.size == 1 else items for name, items in columns.items()}
    if value.dtype.kind == "O":
        return [_plain(item) for item in value.ravel("F")]
    return "".join(value.ravel()) if value.dtype.kind == "U" else value


def _v73(path: Path) -> dict[str, Any]:
    try:
        with h5py.File(path, "r") as file:
            return {name: _node(file, item) for name, item in file.items() if not name.startswith("#")}
    except MemoryError:
        raise
    except Exception as error:  # and so does h5py
        raise Broken(f"MATLAB's v7.3 form is broken: {error}") from error


def _node(file: h5py.File, item: Any) -> Any:
    """HDF5's nodes as the same; MATLAB's arrays lie there with their axes turned round."""
    if isinstance(item, h5py.Group):
        return {name: _node(file, child) for name, child in item.items()}
    kind = item.attrs.get("MATLAB_class", b"")
    if item.attrs.get("MATLAB_empty", 0):
        return [] if kind == b"cell" else "" if kind == b"char" else np.empty(tuple(item[()]))
    if item.dtype == h5py.ref_dtype:
        return [_node(file, file[reference]) for reference in item[()].ravel()]
    values = item[()]
    return "".join(map(chr, values.ravel())) if kind == b"char" else np.asarray(values).T
