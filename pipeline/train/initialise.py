"""A network's first weights from another's: a run of ours or an imported release, whole or in parts.

A recipe's `init` names a source for each part: `net` for all of it, a sub-network (`appearance` and `motion` of
ST-ResNet, `trunk` of ActionVLAD, `rgb` and `flow` of a two-stream network), or `centres` for ActionVLAD's. Filters are
carried from RGB to flow and from pictures to clips as the papers do it (pipeline.models.stems). A network that takes
more than that has methods of its own, `renamed` and `adapted`: this module knows none of them by name, so that what
one network begins from is no part of the code that another one's training depends on.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.common.errors import UserError
from pipeline.formats import weights
from pipeline.models.stems import carried

State = Mapping[str, Tensor]


def initialise(net: nn.Module, sources: Mapping[str, Path], heads: Sequence[str], classes: Sequence[str]) -> None:
    """Put the sources' weights into a network for `classes`; a head of other classes stays the network's own."""
    for part, path in sources.items():
        tensors, facts = weights.load(path)
        name, _, kind = part.rpartition(".")
        try:
            if kind == "centres":
                _set_centres(net, name, tensors, path)
            else:
                module = _part(net, "" if part == "net" else part)
                _refuse_other_form(facts, module)
                prefix = "" if part == "net" else f"{part}."
                own_heads = [head.removeprefix(prefix) for head in heads if head.startswith(prefix)]
                tensors = getattr(module, "renamed", dict)(tensors)
                keep = _same_classes(facts, classes)
                module.load_state_dict(adapted(module, _headless(tensors, module, own_heads, keep)))
        except UserError as error:
            raise UserError(f"{path} does not fit {part} of the network: {error}") from error


def adapted(module: nn.Module, tensors: State) -> dict[str, Tensor]:
    """A state dict of `module` from its kin's, as the module itself makes it or as filters are carried anywhere."""
    own: Any = getattr(module, "adapted", None)
    return own(tensors) if own else carried(tensors, module)


def _headless(tensors: State, module: nn.Module, heads: Sequence[str], keep: bool) -> dict[str, Tensor]:
    """The tensors with the module's own head where theirs is of other classes or missing."""
    own = module.state_dict()
    unfit = [head for head in heads if not keep or head not in tensors or tensors[head].shape != own[head].shape]
    return {**tensors, **{head: own[head] for head in unfit}}


def _same_classes(facts: Mapping[str, Any], classes: Sequence[str]) -> bool:
    return facts.get("classes") == list(classes)


def _refuse_other_form(facts: Mapping[str, Any], module: nn.Module) -> None:
    """The two forms of ResNet-50 have the same tensors: what a release says of itself alone tells them apart."""
    caffe = getattr(module, "caffe", None)
    if facts.get("model") != "resnet_50" or caffe is None:
        return
    given, own = facts.get("options", {}).get("form", "torchvision"), "caffe" if caffe else "torchvision"
    if given != own:
        way_out = f"import a release of the form {own}, or set the recipe's options: form to {given}"
        raise UserError(f"it is a ResNet-50 of the form {given} but the network is of {own}: {way_out}")


def _part(net: nn.Module, name: str) -> nn.Module:
    try:
        return net.get_submodule(name)
    except AttributeError as error:
        parts = ", ".join(name for name, _ in net.named_children())
        raise UserError(f"the network has no part {name!r}: its parts are {parts}") from error


def _set_centres(net: nn.Module, name: str, tensors: State, path: Path) -> None:
    if "centres" not in tensors:
        raise UserError(f"{path} has no centres: run kmeans")
    of_streams: Any = getattr(net, "set_centres", None)
    if of_streams and name in net.inputs:  # type: ignore[operator]
        of_streams(name, tensors["centres"])
        return
    stream = _part(net, name)
    pooling: Any = getattr(stream, "pooling", None)
    if not hasattr(pooling, "set_centres"):
        raise UserError(f"{type(stream).__name__} pools no ActionVLAD: name the stream, such as rgb.centres")
    with torch.no_grad():
        pooling.set_centres(tensors["centres"], pooling.alpha)
