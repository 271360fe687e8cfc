"""Networks by name: built with fresh weights; their options, tensor shapes and heads."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from pipeline.common.errors import UserError
from pipeline.models.registry import entry


def build(name: str, *, num_classes: int, **options: Any) -> nn.Module:
    """The network with fresh weights; an unknown name or option is a UserError."""
    function = _build_function(name)
    try:
        inspect.signature(function).bind(num_classes, **options)
    except TypeError as error:
        raise UserError(f"network {name} does not take the options {options}: {error}") from error
    return function(num_classes, **options)


def options_of(name: str) -> set[str]:
    """The names of the options that a network's build function takes."""
    return set(inspect.signature(_build_function(name)).parameters) - {"num_classes"}


def shapes_of(name: str, num_classes: int, options: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's tensors by name, without memory; options that do not build it are a UserError."""
    try:
        with torch.device("meta"):
            net = build(name, num_classes=num_classes, **options)
    except (TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise UserError(f"network {name} cannot be built with {dict(options)} ({error}): change the options") from error
    return {tensor_name: tuple(tensor.shape) for tensor_name, tensor in net.state_dict().items()}


def heads(name: str, options: Mapping[str, Any]) -> list[str]:
    """The names of the tensors whose shape depends on the number of classes: weights and biases of the last layers."""
    seven, eight = shapes_of(name, 7, options), shapes_of(name, 8, options)
    return [tensor_name for tensor_name in seven if seven[tensor_name] != eight[tensor_name]]


def _build_function(name: str) -> Callable[..., nn.Module]:
    """The function that nets.tsv names, imported on demand; a missing module or function is a UserError."""
    _, module, function = entry(name)
    try:
        return getattr(importlib.import_module(module), function)
    except (AttributeError, ModuleNotFoundError) as error:
        raise UserError(
            f"nets.tsv says that {module}.{function} builds {name}, but {error}: correct its row"
        ) from error
