"""A network's first weights from files: a run of this pipeline or an imported release, for all or parts of the network.

A recipe's `init` names a source for each part: `net` for all of it, a sub-network (`appearance` and `motion` of
ST-ResNet, `trunk` of ActionVLAD, `rgb` and `flow` of a two-stream network), or `centres` for ActionVLAD's. RGB filters
are averaged for flow, and 2D filters inflated to 3D, as in the papers (pipeline.models.transfer). A network that needs
more than that has methods `rename_weights` and `convert_weights`. They are looked up by name here, so that a change of
one network's conversion does not re-run the training of the others.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.common.errors import UserError
from pipeline.formats import weights
from pipeline.models.transfer import convert_weights

State = Mapping[str, Tensor]


def initialise(net: nn.Module, sources: Mapping[str, Path], heads: Sequence[str], classes: Sequence[str]) -> None:
    """Load each part's weights file into a network for `classes`.

    `heads` are the network's tensors that depend on the classes. A head for other classes is not loaded.
    """
    for part, path in sources.items():
        tensors, metadata = weights.load(path)
        try:
            if part.rpartition(".")[2] == "centres":
                _set_centres(net, part.rpartition(".")[0], tensors, path)
            else:
                _load_part(net, "" if part == "net" else part, tensors, metadata, heads, classes)
        except UserError as error:
            raise UserError(f"{path} does not fit {part} of the network: {error}") from error


def _load_part(
    net: nn.Module, part: str, tensors: State, metadata: Mapping[str, Any], heads: Sequence[str],
    classes: Sequence[str],
) -> None:  # fmt: skip
    """Load weights into the sub-network `part`; the empty name is the network itself."""
    module = _submodule(net, part)
    _refuse_other_form(metadata, module)
    prefix = f"{part}." if part else ""
    part_heads = [head.removeprefix(prefix) for head in heads if head.startswith(prefix)]
    tensors = getattr(module, "rename_weights", dict)(tensors)
    same_classes = metadata.get("classes") == list(classes)
    tensors = _replace_heads(tensors, module, part_heads, same_classes)
    convert: Any = getattr(module, "convert_weights", None)
    module.load_state_dict(convert(tensors) if convert else convert_weights(tensors, module))


def _replace_heads(tensors: State, module: nn.Module, heads: Sequence[str], same_classes: bool) -> dict[str, Tensor]:
    """The tensors with the module's own heads for those that are missing or for other classes."""
    own = module.state_dict()
    replaced = [h for h in heads if not same_classes or h not in tensors or tensors[h].shape != own[h].shape]
    return {**tensors, **{head: own[head] for head in replaced}}


def _refuse_other_form(metadata: Mapping[str, Any], module: nn.Module) -> None:
    """Raise UserError for a ResNet-50 of another form; the tensors of both forms have the same names and shapes."""
    is_caffe = getattr(module, "caffe", None)
    if metadata.get("model") != "resnet_50" or is_caffe is None:
        return
    form, own_form = metadata.get("options", {}).get("form", "torchvision"), "caffe" if is_caffe else "torchvision"
    if form != own_form:
        way_out = f"import a release of the form {own_form}, or set the recipe's options: form to {form}"
        raise UserError(f"it is a ResNet-50 of the form {form} but the network is of {own_form}: {way_out}")


def _submodule(net: nn.Module, name: str) -> nn.Module:
    try:
        return net.get_submodule(name)
    except AttributeError as error:
        parts = ", ".join(name for name, _ in net.named_children())
        raise UserError(f"the network has no part {name!r}: its parts are {parts}") from error


def _set_centres(net: nn.Module, stream: str, tensors: State, path: Path) -> None:
    """Set the centres of a stream of a two-stream ActionVLAD, or with an empty name of one of one stream."""
    if "centres" not in tensors:
        raise UserError(f"{path} has no centres: run kmeans")
    set_half: Any = getattr(net, "set_centres", None)  # JointPooling's, of one pooling for both streams
    if set_half and stream in net.inputs:  # type: ignore[operator]
        set_half(stream, tensors["centres"])
        return
    module = _submodule(net, stream)
    pooling: Any = getattr(module, "pooling", None)
    if not hasattr(pooling, "set_centres"):
        raise UserError(f"{type(module).__name__} has no ActionVLAD pooling: name the stream, such as rgb.centres")
    with torch.no_grad():
        pooling.set_centres(tensors["centres"], pooling.alpha)
