"""The papers' networks by name."""

import importlib
from typing import Any

from torch import nn

from pipeline.errors import UserError

# name -> module with a function `build(num_classes, **options)`; imported on demand.
NETS = {
    "cnn_m_2048": "pipeline.models.cnn_m",
}


def names() -> list[str]:
    """Every network's name."""
    return sorted(NETS)


def build(name: str, *, num_classes: int, **options: Any) -> nn.Module:
    """The network with fresh weights; an unknown name or option is a UserError."""
    if name not in NETS:
        raise UserError(f"there is no network {name!r}: choose one of {', '.join(names())}")
    try:
        return importlib.import_module(NETS[name]).build(num_classes, **options)
    except TypeError as error:
        raise UserError(f"network {name} does not take the options {options}: {error}") from error
