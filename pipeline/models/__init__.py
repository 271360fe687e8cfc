"""The papers' networks by name."""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from pipeline.errors import UserError

# name -> (module, its function of `num_classes` and options), imported on demand. A module's name stands alone, so that
# the hash of the code that a stage runs covers it.
NETS = {
    "action_vlad": ("pipeline.models.action_vlad", "build"),
    "action_vlad_two_stream": ("pipeline.models.action_vlad", "two_stream"),
    "c3d": ("pipeline.models.c3d", "build"),
    "cnn_m_2048": ("pipeline.models.cnn_m", "build"),
    "cnn_m_multitask": ("pipeline.models.cnn_m", "multitask"),
    "cnn_m_slow_fusion": ("pipeline.models.cnn_m", "slow_fusion"),
    "conv_lstm": ("pipeline.models.lstm", "build"),
    "fstcn": ("pipeline.models.fstcn", "build"),
    "fused_3d": ("pipeline.models.fused", "build"),
    "i3d": ("pipeline.models.i3d", "build"),
    "inception_v1": ("pipeline.models.inception", "build"),
    "resnet_50": ("pipeline.models.resnet", "build"),
    "two_stream_inception": ("pipeline.models.fused", "two_stream"),
    "st_resnet": ("pipeline.models.st_resnet", "build"),
    "st_resnet_star": ("pipeline.models.st_resnet", "star"),
    "vgg_16": ("pipeline.models.vgg", "build"),
}


def names() -> list[str]:
    """Every network's name."""
    return sorted(NETS)


def build(name: str, *, num_classes: int, **options: Any) -> nn.Module:
    """The network with fresh weights; an unknown name or option is a UserError."""
    if name not in NETS:
        raise UserError(f"there is no network {name!r}: choose one of {', '.join(names())}")
    module, function = NETS[name]
    builder = getattr(importlib.import_module(module), function)
    try:
        inspect.signature(builder).bind(num_classes, **options)
    except TypeError as error:
        raise UserError(f"network {name} does not take the options {options}: {error}") from error
    return builder(num_classes, **options)


def takes(name: str) -> set[str]:
    """The options of a network."""
    if name not in NETS:
        raise UserError(f"there is no network {name!r}: choose one of {', '.join(names())}")
    module, function = NETS[name]
    return set(inspect.signature(getattr(importlib.import_module(module), function)).parameters) - {"num_classes"}


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
