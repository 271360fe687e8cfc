"""Layers under one-word names, so that a network's file reads like its paper's table."""

from torch import nn


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """Convolution and ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU(inplace=True))


def lrn() -> nn.LocalResponseNorm:
    """Across 5 channels, with the constants of the released CNN-M (Chatfield et al. 2014)."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)


def pool() -> nn.MaxPool2d:
    """3x3, stride 2; the border counts, as in Caffe."""
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def fc(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Fully connected, ReLU, dropout."""
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(dropout))


def initialise(net: nn.Module) -> nn.Module:
    """He et al.'s normal weights and zero biases; a small last layer, so that training starts at chance."""
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    nn.init.normal_(layers[-1].weight, std=0.01)
    return net
