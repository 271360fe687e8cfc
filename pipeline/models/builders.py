"""The papers' networks by name: built with fresh weights, asked for their options, heads and shapes."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from pipeline.common.errors import UserError
from pipeline.models.registry import named, nets


def names() -> list[str]:
    """Every network's name."""
    return sorted(nets())


def build(name: str, *, num_classes: int, **options: Any) -> nn.Module:
    """The network with fresh weights; an unknown name or option is a UserError."""
    builder = _builder(name)
    try:
        inspect.signature(builder).bind(num_classes, **options)
    except TypeError as error:
        raise UserError(f"network {name} does not take the options {options}: {error}") from error
    return builder(num_classes, **options)


def takes(name: str) -> set[str]:
    """The options of a network."""
    return set(inspect.signature(_builder(name)).parameters) - {"num_classes"}


def shapes_of(name: str, classes: int, options: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """A network's tensors by name, without making them; options it cannot be built with are a UserError."""
    try:
        with torch.device("meta"):
            net = build(name, num_classes=classes, **options)
    except (TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise UserError(f"network {name} cannot be built with {dict(options)} ({error}): mend the options") from error
    return {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}


def heads(name: str, options: Mapping[str, Any]) -> list[str]:
    """The tensors whose first axis is the classes."""
    some, more = shapes_of(name, 7, options), shapes_of(name, 8, options)
    return [key for key in some if some[key] != more[key]]


def _builder(name: str) -> Callable[..., nn.Module]:
    """The function of nets.tsv, imported on demand; one that is not there is a UserError."""
    _, module, function = named(name)
    try:
        return getattr(importlib.import_module(module), function)
    except (AttributeError, ModuleNotFoundError) as error:
        raise UserError(f"nets.tsv says that {module}.{function} builds {name}, but {error}: mend its row") from error
