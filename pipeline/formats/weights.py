"""Weights as safetensors: the tensors of a state dict, and metadata as JSON in the header; loading runs no code."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pipeline.common.errors import UserError
from pipeline.common.files import whole_file

HEADER_KEY = "actionbench"


def save(path: Path | str, tensors: dict[str, torch.Tensor], metadata: dict[str, Any]) -> None:
    """Write a state dict and its metadata, which must be JSON."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as scratch:
        save_file(contiguous, str(scratch), metadata={HEADER_KEY: json.dumps(metadata)})


def load(path: Path | str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """(state dict, metadata); a file that `save` has not written is a UserError."""
    with _open(path) as file:
        metadata = _read_metadata(file)
        return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118 (not a dict)


def load_metadata(path: Path | str) -> dict[str, Any]:
    """The metadata alone, without reading a tensor; a file that `save` has not written is a UserError."""
    with _open(path) as file:
        return _read_metadata(file)


@contextmanager
def _open(path: Path | str) -> Iterator[Any]:
    try:
        with safe_open(str(path), "pt") as file:
            yield file
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is not a weights file of this pipeline ({error}): train it again") from error


def _read_metadata(file: Any) -> dict[str, Any]:
    return json.loads((file.metadata() or {})[HEADER_KEY])
