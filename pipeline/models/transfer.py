"""Weights of a network for a related one: RGB filters averaged for flow, 2D filters inflated to 3D.

Both are ST-ResNet's (Feichtenhofer et al. 2016, section 3); I3D inflates in the same way (Carreira & Zisserman 2017,
section 2.4).
"""

from collections.abc import Mapping

from torch import Tensor, nn

from pipeline.common.errors import UserError

RGB_CHANNELS = 3


def repeat_rgb_mean(filters: Tensor, channels: int) -> Tensor:
    """RGB filters' mean over their channels, repeated for C channels. (O, 3, ...) -> (O, C, ...)"""
    return filters.mean(1, keepdim=True).expand(-1, channels, *filters.shape[2:]).contiguous()


def inflate(filters: Tensor, taps: int) -> Tensor:
    """w / T' at each of T' taps in time (ST-ResNet, eq. 5). (O, I, H, W) -> (O, I, T', H, W)"""
    return filters.unsqueeze(2).expand(-1, -1, taps, -1, -1).contiguous() / taps


def convert_weights(state: Mapping[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """A related network's state dict in the shapes of `net`.

    The convolution that `net.stem` names may take another number of channels than RGB's 3 of the weights, and any
    filters may be 3D that are 2D in the weights. Every other difference of names or shapes is a UserError.
    """
    target = net.state_dict()
    if unmatched := sorted(target.keys() ^ state.keys()):
        owner = "weights" if unmatched[0] in state else "network"
        raise UserError(
            f"{len(unmatched)} tensors are only in the weights or only in the network, such as {unmatched[0]}, which"
            f" is in the {owner}: begin from weights of the same architecture"
        )
    stem = f"{getattr(net, 'stem', '')}.weight"
    return {name: _convert(name, state[name], tensor.shape, name == stem) for name, tensor in target.items()}


def _convert(name: str, tensor: Tensor, shape: tuple[int, ...], is_stem: bool) -> Tensor:
    converted = tensor
    if is_stem and tensor.ndim > 1 and tensor.shape[1] != shape[1]:
        _refuse_other_channels(name, tensor.shape[1], shape[1])
        converted = repeat_rgb_mean(converted, shape[1])
    if converted.ndim == 4 and len(shape) == 5:
        converted = inflate(converted, shape[2])
    if converted.shape != shape:
        raise UserError(
            f"{name} is {tuple(tensor.shape)} in the weights but {tuple(shape)} in the network: begin from weights of"
            " the same options"
        )
    return converted


def _refuse_other_channels(name: str, channels: int, wanted: int) -> None:
    if channels != RGB_CHANNELS:
        raise UserError(
            f"the first layer {name} takes {channels} channels in the weights but {wanted} in the network, and only"
            f" {RGB_CHANNELS} (RGB) can become another number: begin from weights for RGB or for {wanted} channels"
        )
