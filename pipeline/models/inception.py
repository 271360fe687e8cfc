"""Inception-v1 with batch normalisation, in 2D and, inflated, in 3D (I3D, Figure 3).

Layers have the releases' names: Conv2d_1a_7x7 ... as in TensorFlow-Slim's Inception-v1 (Szegedy et al. 2015, Table 1,
with 3x3 filters in the third branch) and Conv3d_1a_7x7 ... as in I3D; the names of the branches are pytorch-i3d's.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.common.errors import UserError
from pipeline.models.blocks import initialise, inputs_of, wide
from pipeline.models.transfer import convert_weights

Kernel = int | tuple[int, int, int]  # (time, height, width); a 2D network ignores the time
INPUTS = {2: "pictures of (H, W)", 3: "clips of (T, H, W)"}


class LayerBuilder:
    """Builds a sequence of layers; each has as many input channels as the layer before has outputs."""

    def __init__(self, dims: int, channels: int, epsilon: float, width: float):
        self.dims, self.channels, self.epsilon, self.width = dims, channels, epsilon, width

    def conv(self, filters: int, kernel: Kernel, stride: Kernel = 1) -> "Unit":
        inputs, self.channels = self.channels, wide(filters, self.width)
        return Unit(inputs, self.channels, self.shape(kernel), self.shape(stride), self.epsilon)

    def pool(self, kernel: Kernel, stride: Kernel) -> "MaxPool":
        return MaxPool(self.shape(kernel), self.shape(stride))

    def mixed(self, *filters: int) -> "Mixed":
        layer = Mixed(self, *filters)
        self.channels = layer.outputs
        return layer

    def shape(self, kernel: Kernel) -> tuple[int, ...]:
        """The kernel's sizes along the network's 2 or 3 dimensions."""
        return ((kernel,) * 3 if isinstance(kernel, int) else kernel)[-self.dims :]


def body(layers: LayerBuilder) -> dict[str, nn.Module]:
    """I3D's layers up to Mixed_5c (Figure 3); the numbers of `mixed` are the filters of b0, b1a, b1b, b2a, b2b, b3b."""
    return {
        "Conv3d_1a_7x7": layers.conv(64, 7, 2),  # (B, 64, T/2, H/2, W/2)
        "MaxPool3d_2a_3x3": layers.pool((1, 3, 3), (1, 2, 2)),  # (B, 64, T/2, H/4, W/4)
        "Conv3d_2b_1x1": layers.conv(64, 1),
        "Conv3d_2c_3x3": layers.conv(192, 3),  # (B, 192, T/2, H/4, W/4)
        "MaxPool3d_3a_3x3": layers.pool((1, 3, 3), (1, 2, 2)),  # (B, 192, T/2, H/8, W/8)
        "Mixed_3b": layers.mixed(64, 96, 128, 16, 32, 32),
        "Mixed_3c": layers.mixed(128, 128, 192, 32, 96, 64),  # (B, 480, T/2, H/8, W/8)
        "MaxPool3d_4a_3x3": layers.pool(3, 2),  # (B, 480, T/4, H/16, W/16)
        "Mixed_4b": layers.mixed(192, 96, 208, 16, 48, 64),
        "Mixed_4c": layers.mixed(160, 112, 224, 24, 64, 64),
        "Mixed_4d": layers.mixed(128, 128, 256, 24, 64, 64),
        "Mixed_4e": layers.mixed(112, 144, 288, 32, 64, 64),
        "Mixed_4f": layers.mixed(256, 160, 320, 32, 128, 128),  # (B, 832, T/4, H/16, W/16)
        "MaxPool3d_5a_2x2": layers.pool(2, 2),  # (B, 832, T/8, H/32, W/32)
        "Mixed_5b": layers.mixed(256, 160, 320, 32, 128, 128),
        "Mixed_5c": layers.mixed(384, 192, 384, 48, 128, 128),  # (B, 1024, T/8, H/32, W/32)
    }


def pad_same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """TensorFlow's SAME padding, for ceil(size / stride) outputs; an odd number of zeros has one more at the end."""
    pads: list[int] = []
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        zeros = max((math.ceil(size / s) - 1) * s + k - size, 0)
        pads = [zeros // 2, zeros - zeros // 2, *pads]  # functional.pad wants the last dimension first
    return functional.pad(x, pads) if any(pads) else x


class MaxPool(nn.Module):
    """Max pooling with SAME padding by zeros; its input is a ReLU's output, so that the zeros change no maximum."""

    def __init__(self, kernel: tuple[int, ...], stride: tuple[int, ...]):
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        pool = functional.max_pool2d if len(self.kernel) == 2 else functional.max_pool3d
        return pool(pad_same(x, self.kernel, self.stride), self.kernel, self.stride)


class Unit(nn.Module):
    """Convolution with SAME padding, batch normalisation, ReLU; `epsilon` None is a convolution with bias alone."""

    def __init__(
        self, inputs: int, outputs: int, kernel: tuple[int, ...], stride: tuple[int, ...], epsilon: float | None
    ):
        super().__init__()
        self.kernel, self.stride, self.name = kernel, stride, f"conv{len(kernel)}d"
        layer: Any = nn.Conv2d if len(kernel) == 2 else nn.Conv3d
        self.add_module(self.name, layer(inputs, outputs, kernel, stride, bias=epsilon is None))
        self.bn = None
        if epsilon is not None:
            norm = nn.BatchNorm2d if len(kernel) == 2 else nn.BatchNorm3d
            self.bn = norm(outputs, epsilon)

    def forward(self, x: Tensor) -> Tensor:
        x = getattr(self, self.name)(pad_same(x, self.kernel, self.stride))
        return functional.relu(self.bn(x), inplace=True) if self.bn is not None else x


class Mixed(nn.Module):
    """An inception module of four branches, concatenated: 1x1; 1x1, 3x3; 1x1, 3x3; pool, 1x1."""

    def __init__(self, builder: LayerBuilder, b0: int, b1a: int, b1b: int, b2a: int, b2b: int, b3b: int):
        super().__init__()

        def branch(*layers: tuple[int, int]) -> list[Unit]:
            branch_builder = LayerBuilder(builder.dims, builder.channels, builder.epsilon, builder.width)
            return [branch_builder.conv(filters, kernel) for filters, kernel in layers]

        (self.b0,) = branch((b0, 1))
        self.b1a, self.b1b = branch((b1a, 1), (b1b, 3))
        self.b2a, self.b2b = branch((b2a, 1), (b2b, 3))
        self.b3a, (self.b3b,) = builder.pool(3, 1), branch((b3b, 1))
        self.outputs = sum(wide(filters, builder.width) for filters in (b0, b1b, b2b, b3b))

    def forward(self, x: Tensor) -> Tensor:
        branches = (self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x)))
        return torch.cat(branches, 1)


class Trunk(nn.Module):
    """All layers up to the last average pool; `dims` is 2 for pictures and 3 for clips."""

    def __init__(self, dims: int, channels: int, crop: int, epsilon: float = 1e-3, width: float = 1.0):
        super().__init__()
        builder = LayerBuilder(dims, channels, epsilon, width)
        layers = {name.replace("3d", f"{dims}d"): layer for name, layer in body(builder).items()}
        for name, layer in layers.items():
            self.add_module(name, layer)
        side = math.ceil(crop / 32)
        self.dims, self.body, self.channels, self.outputs = dims, tuple(layers), channels, builder.channels
        self.stem = f"Conv{dims}d_1a_7x7.conv{dims}d"
        self.pool = builder.shape((2, side, side))  # 2x7x7 for crops of 224
        self.min_size = builder.shape((9, 32 * side - 31, 32 * side - 31))  # whose last maps have the pool's size

    def maps(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, 1024, T/8, H/32, W/32); 2D the same without T."""
        self._check(x)
        for name in self.body:
            x = getattr(self, name)(x)
        return x

    def pooled(self, x: Tensor) -> Tensor:
        """Averages over windows of `pool` with stride 1: (B, 1024, T/8 - 1, 1, 1) for a crop."""
        pool = functional.avg_pool2d if self.dims == 2 else functional.avg_pool3d
        return pool(self.maps(x), self.pool, 1)

    def convert_weights(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A state dict of Inception-v1, I3D or a trunk of them in this network's shapes.

        The network keeps its own last layer if the names of the tensors are not exactly its own.
        """
        own = self.state_dict()
        if tensors.keys() != own.keys():
            trunk = {name: tensor for name, tensor in tensors.items() if not name.startswith("logits.")}
            logits = {name: tensor for name, tensor in own.items() if name.startswith("logits.")}
            tensors = {name.replace("2d", f"{self.dims}d"): tensor for name, tensor in trunk.items()} | logits
        return convert_weights(tensors, self)

    def _check(self, x: Tensor) -> None:
        name, size = type(self).__name__, tuple(x.shape[2:])
        if x.shape[1] != self.channels:
            raise UserError(f"{name} got {x.shape[1]} channels but was built for {self.channels}: change channels")
        if len(size) != self.dims or any(length < least for length, least in zip(size, self.min_size, strict=True)):
            needed = f"{INPUTS[self.dims]} at least {self.min_size}"
            raise UserError(f"{name} got an input of {size} but needs {needed}: take more frames or a larger crop")


class Inception(Trunk):
    """(B, C, H, W) -> logits (B, K), averaged over the positions of the last pool; a crop has one."""

    dims = 2
    inputs: tuple[str, ...] = ("rgb",)

    def __init__(self, classes: int, channels: int, crop: int, dropout: float, epsilon: float, width: float):
        super().__init__(self.dims, channels, crop, epsilon, width)
        ones = (1,) * self.dims
        self.inputs = inputs_of(channels)
        self.dropout = nn.Dropout(dropout)
        self.logits = Unit(self.outputs, classes, ones, ones, epsilon=None)

    def forward(self, x: Tensor) -> Tensor:
        return self.logit_maps(x).flatten(2).mean(2)

    def logit_maps(self, x: Tensor) -> Tensor:
        """Logits at every position of the last pool: (B, K, H', W'), or (B, K, T', H', W') with T' = T/8 - 1 in 3D."""
        return self.logits(self.dropout(self.pooled(x)))


def build(
    num_classes: int, channels: int = 3, crop: int = 224, dropout: float = 0.5, epsilon: float = 1e-3,
    width: float = 1.0,
) -> Inception:  # fmt: skip
    """Inception-v1 with `width` times its filters; the released weights' `epsilon` is 1e-3."""
    return initialise(Inception(num_classes, channels, crop, dropout, epsilon, width))
