"""Weights of one network carried to its kin: RGB filters to flow, pictures to clips (ST-ResNet, section 3)."""

from collections.abc import Mapping

from torch import Tensor, nn

from pipeline.common.errors import UserError


def replicated(filters: Tensor, channels: int) -> Tensor:
    """Cross-modality initialisation: the RGB filters' mean for each of `channels`. (O, 3, ...) -> (O, C, ...)"""
    return filters.mean(1, keepdim=True).expand(-1, channels, *filters.shape[2:]).contiguous()


def inflated(filters: Tensor, taps: int) -> Tensor:
    """w / T' at each of T' taps in time (ST-ResNet, eq. 5). (O, I, H, W) -> (O, I, T', H, W)"""
    return filters.unsqueeze(2).expand(-1, -1, taps, -1, -1).contiguous() / taps


def carried(state: Mapping[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """`state` in the shapes of `net`, whose convolution named by its `stem` may take another number of channels.

    What fits neither way, and a name that only one of them has, is a UserError.
    """
    wanted = net.state_dict()
    if apart := sorted(wanted.keys() ^ state.keys()):
        side = "weights" if apart[0] in state else "network"
        raise UserError(f"{len(apart)} tensors are in one of weights and network, {apart[0]} in the {side} alone")
    stem = f"{getattr(net, 'stem', '')}.weight"
    return {name: _fitted(name, state[name], like, name == stem) for name, like in wanted.items()}


def _fitted(name: str, given: Tensor, like: Tensor, stem: bool) -> Tensor:
    made = given
    if stem and given.shape[1] != like.shape[1]:
        made = replicated(made, like.shape[1])
    if made.ndim == 4 and like.ndim == 5:
        made = inflated(made, like.shape[2])
    if made.shape != like.shape:
        raise UserError(f"{name} is {tuple(given.shape)} in the weights but {tuple(like.shape)} in the network")
    return made
