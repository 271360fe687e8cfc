"""Layers that several networks share, with short names, so that a network's file reads like its paper's table."""

from typing import TypeVar

from torch import nn

N = TypeVar("N", bound=nn.Module)


def wide(filters: int, width: float) -> int:
    """`width` times as many filters, at least 8."""
    return max(8, round(filters * width))


def inputs_of(channels: int) -> tuple[str, ...]:
    """The `inputs` of a network of one input: RGB if it has 3 channels, else flow."""
    return ("rgb",) if channels == 3 else ("flow",)


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """Convolution and ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU(inplace=True))


def lrn() -> nn.LocalResponseNorm:
    """Local response normalisation over 5 channels, with the constants of CNN-M's release (Chatfield et al. 2014)."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)


def pool() -> nn.MaxPool2d:
    """3x3 max pooling with stride 2; the output size is rounded up, as in Caffe."""
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def fc(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Fully connected, ReLU, dropout."""
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(dropout))


def initialise(net: N, *heads: nn.Conv2d | nn.Conv3d | nn.Linear) -> N:
    """The network with He et al.'s normal weights and zero biases.

    The `heads`, by default the last layer, get small weights (std 0.01), so that training starts at chance.
    """
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for head in heads or layers[-1:]:
        nn.init.normal_(head.weight, std=0.01)
    return net
