"""A release's file as one of our networks': every tensor once, the classes' names along with it."""

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
    form: str, path: Path, model: str, classes: Path | None = None, drop_head: bool = False,
    options: Mapping[str, Any] | None = None, our_pixels: bool = False,
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:  # fmt: skip
    """(state dict, facts) of a release's file for one of our networks.

    `options` are the network's; channels and classes are the file's own. `classes` has a name a line, in the order of
    the file's head. `our_pixels` turns the first layer to this pipeline's. What does not fit whole is a UserError.
    """
    entry = convert.find(form, model)
    options = {**entry.get("options", {}), **(options or {})}
    made = convert.apply(read(form, path), entry["rules"], convert.table()["words"])
    options |= convert.count_channels(made.tensors, model, options)
    heads = builders.heads(model, options)
    count = convert.count_classes(made.tensors, heads)
    wanted = builders.shapes_of(model, count or 2, options)
    convert.fill(made, wanted, entry["rules"])
    convert.refuse_misfits(made, wanted, path, model, without=() if count else heads if drop_head else ())
    if our_pixels:
        pixels.turn(made.tensors, entry.get("pixels"), f"a {model} of {form}")
    names = class_names(classes, path, count) if classes else None
    for name in heads if drop_head else ():
        made.tensors.pop(name, None)
    facts = {
        "model": model, "options": options, "num_classes": None if drop_head else count,
        "classes": None if drop_head else names, "heads": heads, "dropped": made.dropped, "our_pixels": our_pixels,
        **_origin(form, model, path),
    }  # fmt: skip
    return {name: _tensor(made.tensors[name]) for name in wanted if name in made.tensors}, facts


def class_names(path: Path, weights_path: Path, count: int | None) -> list[str]:
    """The names in a file, one a line, as many as the head has classes."""
    try:
        names = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a list of class names: {error}") from error
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{path} names {repeated[0]!r} {names.count(repeated[0])} times: name every class once")
    if count is not None and len(names) != count:
        raise UserError(f"{path} names {len(names)} classes but {weights_path} has {count}: give the list it came with")
    return names


def _origin(form: str, model: str, path: Path) -> dict[str, Any]:
    """Where the tensors come from, and what weights.tsv says of the release."""
    path = path if path.is_file() else path.with_name(f"{path.name}.index")  # a TensorFlow checkpoint's prefix
    kin = [row for row in releases.rows() if (row["framework"], row["model"]) == (form, model)]
    named = [row for row in kin if path.resolve().as_posix().endswith(f"/{row['file']}")] or kin
    said = {column: {row[column] for row in named} for column in ("preprocessing", "licence")}
    return {
        "format": form, "file": path.name, "sha256": sha256(path),
        **{column: values.pop() if len(values) == 1 else "" for column, values in said.items()},
    }  # fmt: skip


def _tensor(array: np.ndarray) -> torch.Tensor:
    kind = np.float32 if array.dtype.kind == "f" else array.dtype
    return torch.from_numpy(np.array(array, kind, order="C"))
