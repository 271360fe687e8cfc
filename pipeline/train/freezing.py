"""Which parameters and statistics of a network a training leaves as they are."""

from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.common.errors import UserError


def freeze(net: nn.Module, trains: str | Sequence[str], heads: Sequence[str]) -> None:
    """Let only the `head`, or the parameters whose names begin as given, learn; `all` changes nothing.

    What a network's own option has frozen (FstCN's and ActionVLAD's stages) stays so.
    """
    if trains == "all":
        return
    names = tuple(heads) if trains == "head" else tuple(trains)
    learning = [name for name, parameter in net.named_parameters() if name.startswith(names)]
    if not learning:
        known = ", ".join(sorted({name.split(".")[0] for name, _ in net.named_parameters()}))
        raise UserError(f"trains is {trains} but no parameter's name begins so: they begin with {known}")
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and name in learning)


def train_mode(net: nn.Module, freeze_bn: bool | str) -> None:
    """Training mode, in which batch normalisations that `freeze_bn` names, or that nothing trains, keep their moments.

    With `all but first` the first one still follows the data, which are another modality than the weights were made on.
    """
    net.train()
    for number, layer in enumerate(layer for layer in net.modules() if isinstance(layer, _BatchNorm)):
        frozen = freeze_bn is True or (freeze_bn == "all but first" and number > 0)
        if frozen or (layer.affine and not layer.weight.requires_grad):
            layer.eval()
