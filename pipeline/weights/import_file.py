"""Import of a release's file: its tensors under the names and in the shapes of one of our networks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.common.errors import UserError
from pipeline.common.files import sha256
from pipeline.models import builders
from pipeline.weights import releases
from pipeline.weights.frameworks import convert, pixels
from pipeline.weights.frameworks.readers import read


def import_file(
    framework: str, path: Path, model: str, classes: Path | None = None, drop_head: bool = False,
    options: Mapping[str, Any] | None = None, our_pixels: bool = False,
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:  # fmt: skip
    """(state dict, metadata) of a release's file for one of our networks.

    `options` are the network's; the numbers of channels and classes come from the file. `classes` has one class name a
    line, in the order of the file's head. `our_pixels` folds the release's input normalisation into the first layer.
    A tensor that is missing, left over or of another shape is a UserError.
    """
    entry = convert.find_map(framework, model)
    options = {**entry.get("options", {}), **(options or {})}
    converted = convert.apply_rules(read(framework, path), entry["rules"], convert.table()["words"])
    options |= convert.channel_option(converted.tensors, model, options)
    heads = builders.heads(model, options)
    num_classes = convert.num_classes(converted.tensors, heads)
    shapes = builders.shapes_of(model, num_classes or 2, options)
    convert.fill_missing(converted, shapes, entry["rules"])
    optional = heads if drop_head and not num_classes else ()
    convert.refuse_misfits(converted, shapes, path, model, optional)
    if our_pixels:
        pixels.fold_normalisation(converted.tensors, entry.get("pixels"), f"a {model} of {framework}")
    names = read_class_names(classes, path, num_classes) if classes else None
    for name in heads if drop_head else ():
        converted.tensors.pop(name, None)
    metadata = {
        "model": model, "options": options, "num_classes": None if drop_head else num_classes,
        "classes": None if drop_head else names, "heads": heads, "dropped": converted.dropped,
        "our_pixels": our_pixels, **_origin(framework, model, path),
    }  # fmt: skip
    return {name: _to_torch(converted.tensors[name]) for name in shapes if name in converted.tensors}, metadata


def read_class_names(path: Path, weights_path: Path, num_classes: int | None) -> list[str]:
    """The class names in a file, one a line; another number of them than the head has classes is a UserError."""
    try:
        names = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a list of class names: {error}") from error
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{path} names {repeated[0]!r} {names.count(repeated[0])} times: name every class once")
    if num_classes is not None and len(names) != num_classes:
        raise UserError(
            f"{path} names {len(names)} classes but {weights_path} has {num_classes}: give the list it came with"
        )
    return names


def _origin(framework: str, model: str, path: Path) -> dict[str, Any]:
    """The file and its checksum, with the preprocessing and licence that weights.tsv states for it.

    For a file that weights.tsv does not list, they are what all its rows of the framework and network agree on.
    """
    path = path if path.is_file() else path.with_name(f"{path.name}.index")  # a TensorFlow checkpoint's prefix
    candidates = [row for row in releases.rows() if (row["framework"], row["model"]) == (framework, model)]
    rows = [row for row in candidates if path.resolve().as_posix().endswith(f"/{row['file']}")] or candidates
    cells = {column: {row[column] for row in rows} for column in ("preprocessing", "licence")}
    return {
        "format": framework, "file": path.name, "sha256": sha256(path),
        **{column: values.pop() if len(values) == 1 else "" for column, values in cells.items()},
    }  # fmt: skip


def _to_torch(array: np.ndarray) -> torch.Tensor:
    dtype = np.float32 if array.dtype.kind == "f" else array.dtype
    return torch.from_numpy(np.array(array, dtype, order="C"))
