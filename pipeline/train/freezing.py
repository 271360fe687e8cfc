"""Frozen parameters and frozen batch normalisation."""

from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.common.errors import UserError


def freeze(net: nn.Module, trainable: str | Sequence[str], heads: Sequence[str]) -> None:
    """Freeze every parameter that the recipe's `trainable` does not name.

    `trainable` is `all`, `head` (the parameters in `heads`) or a list of prefixes of parameter names. Parameters that
    an option of the network has frozen already (the stages of FstCN and ActionVLAD) stay frozen.
    """
    if trainable == "all":
        return
    prefixes = tuple(heads) if trainable == "head" else tuple(trainable)
    trained = [name for name, parameter in net.named_parameters() if name.startswith(prefixes)]
    if not trained:
        modules = ", ".join(sorted({name.split(".")[0] for name, _ in net.named_parameters()}))
        raise UserError(f"trainable is {trainable} but no parameter's name begins so: they begin with {modules}")
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and name in trained)


def train_mode(net: nn.Module, freeze_bn: bool | str) -> None:
    """net.train(), but frozen BatchNorm layers stay in eval mode.

    Frozen are the layers that `freeze_bn` selects and those whose weights are not trained. `all but first` leaves the
    first layer unfrozen: its statistics must follow the data if the weights were trained on another modality.
    """
    net.train()
    for index, layer in enumerate(layer for layer in net.modules() if isinstance(layer, _BatchNorm)):
        frozen = freeze_bn is True or (freeze_bn == "all but first" and index > 0)
        if frozen or (layer.affine and not layer.weight.requires_grad):
            layer.eval()
