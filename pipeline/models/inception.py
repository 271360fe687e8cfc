"""Inception-v1 with batch normalisation, in 2D and, inflated, in 3D (I3D, Figure 3): one body, two builders.

Layers stand under the releases' names: Conv2d_1a_7x7 ... of TensorFlow-Slim's Inception-v1 (Szegedy et al. 2015,
Table 1, with 3x3 filters in the third branch) and Conv3d_1a_7x7 ... of I3D; the branches' names are pytorch-i3d's.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.common.errors import UserError
from pipeline.models.blocks import initialise, inputs_of, wide
from pipeline.models.stems import carried

Kernel = int | tuple[int, int, int]  # (time, height, width); a 2D net leaves out time
LEAST = {2: "pictures of (H, W)", 3: "clips of (T, H, W)"}


class Builder:
    """Makes one layer after another and remembers how many channels the last one put out."""

    def __init__(self, dims: int, channels: int, epsilon: float, width: float):
        self.dims, self.channels, self.epsilon, self.width = dims, channels, epsilon, width

    def conv(self, filters: int, kernel: Kernel, stride: Kernel = 1) -> "Unit":
        before, self.channels = self.channels, wide(filters, self.width)
        return Unit(before, self.channels, self.shape(kernel), self.shape(stride), self.epsilon)

    def pool(self, kernel: Kernel, stride: Kernel) -> "MaxPool":
        return MaxPool(self.shape(kernel), self.shape(stride))

    def mixed(self, *filters: int) -> "Mixed":
        layer = Mixed(self, *filters)
        self.channels = layer.outputs
        return layer

    def shape(self, kernel: Kernel) -> tuple[int, ...]:
        return ((kernel,) * 3 if isinstance(kernel, int) else kernel)[-self.dims :]


def body(make: Builder) -> dict[str, nn.Module]:
    """Conv1 to Mixed_5c of I3D, Figure 3; filters of a module: b0, b1a, b1b, b2a, b2b, b3b."""
    return {
        "Conv3d_1a_7x7": make.conv(64, 7, 2),
        "MaxPool3d_2a_3x3": make.pool((1, 3, 3), (1, 2, 2)),
        "Conv3d_2b_1x1": make.conv(64, 1),
        "Conv3d_2c_3x3": make.conv(192, 3),
        "MaxPool3d_3a_3x3": make.pool((1, 3, 3), (1, 2, 2)),
        "Mixed_3b": make.mixed(64, 96, 128, 16, 32, 32),
        "Mixed_3c": make.mixed(128, 128, 192, 32, 96, 64),
        "MaxPool3d_4a_3x3": make.pool(3, 2),
        "Mixed_4b": make.mixed(192, 96, 208, 16, 48, 64),
        "Mixed_4c": make.mixed(160, 112, 224, 24, 64, 64),
        "Mixed_4d": make.mixed(128, 128, 256, 24, 64, 64),
        "Mixed_4e": make.mixed(112, 144, 288, 32, 64, 64),
        "Mixed_4f": make.mixed(256, 160, 320, 32, 128, 128),
        "MaxPool3d_5a_2x2": make.pool(2, 2),
        "Mixed_5b": make.mixed(256, 160, 320, 32, 128, 128),
        "Mixed_5c": make.mixed(384, 192, 384, 48, 128, 128),
    }


def same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """TensorFlow's SAME padding: ceil(size / stride) outputs; of an odd number of zeros the last stands behind."""
    pads: list[int] = []
    for size, width, step in zip(x.shape[2:], kernel, stride, strict=True):
        zeros = max((math.ceil(size / step) - 1) * step + width - size, 0)
        pads = [zeros // 2, zeros - zeros // 2, *pads]  # functional.pad begins with the last dimension
    return functional.pad(x, pads) if any(pads) else x


class MaxPool(nn.Module):
    """Max pooling with SAME padding, of what came out of a ReLU: a zero beside it is no different from nothing."""

    def __init__(self, kernel: tuple[int, ...], stride: tuple[int, ...]):
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        pool = functional.max_pool2d if len(self.kernel) == 2 else functional.max_pool3d
        return pool(same(x, self.kernel, self.stride), self.kernel, self.stride)


class Unit(nn.Module):
    """Convolution with SAME padding, batch normalisation, ReLU; without an `epsilon`, convolution and bias alone."""

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
        x = getattr(self, self.name)(same(x, self.kernel, self.stride))
        return functional.relu(self.bn(x), inplace=True) if self.bn is not None else x


class Mixed(nn.Module):
    """An inception module: 1x1; 1x1 and 3x3; 1x1 and 3x3; pool and 1x1; side by side."""

    def __init__(self, make: Builder, b0: int, b1a: int, b1b: int, b2a: int, b2b: int, b3b: int):
        super().__init__()

        def branch(*layers: tuple[int, int]) -> list[Unit]:
            inside = Builder(make.dims, make.channels, make.epsilon, make.width)
            return [inside.conv(filters, kernel) for filters, kernel in layers]

        (self.b0,) = branch((b0, 1))
        self.b1a, self.b1b = branch((b1a, 1), (b1b, 3))
        self.b2a, self.b2b = branch((b2a, 1), (b2b, 3))
        self.b3a, (self.b3b,) = make.pool(3, 1), branch((b3b, 1))
        self.outputs = sum(wide(filters, make.width) for filters in (b0, b1b, b2b, b3b))

    def forward(self, x: Tensor) -> Tensor:
        branches = (self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x)))
        return torch.cat(branches, 1)


class Trunk(nn.Module):
    """Conv1 to the last average pool; `dims` 2 for pictures, 3 for clips."""

    def __init__(self, dims: int, channels: int, crop: int, epsilon: float = 1e-3, width: float = 1.0):
        super().__init__()
        make = Builder(dims, channels, epsilon, width)
        layers = {name.replace("3d", f"{dims}d"): layer for name, layer in body(make).items()}
        for name, layer in layers.items():
            self.add_module(name, layer)
        edge = math.ceil(crop / 32)
        self.body, self.channels, self.outputs = tuple(layers), channels, make.channels
        self.stem = f"Conv{dims}d_1a_7x7.conv{dims}d"
        self.pool = make.shape((2, edge, edge))  # 2x7x7 of crops of 224
        self.least = make.shape((9, 32 * edge - 31, 32 * edge - 31))  # what 8 and 32 shrink to the pool's size

    def maps(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, 1024, T/8, H/32, W/32); 2D the same without T."""
        self._check(x)
        for name in self.body:
            x = getattr(self, name)(x)
        return x

    def pooled(self, x: Tensor) -> Tensor:
        """Averages over `pool`, at every place: of a crop (B, 1024, T/8 - 1, 1, 1)."""
        pool = functional.avg_pool2d if len(self.pool) == 2 else functional.avg_pool3d
        return pool(self.maps(x), self.pool, 1)

    def adapted(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """This net's state dict from its own kind's, from pictures' for clips, or from a network's for its trunk."""
        same_names = tensors.keys() == self.state_dict().keys()
        return carried(tensors, self) if same_names else pretrained(tensors, self)

    def _check(self, x: Tensor) -> None:
        name, got = type(self).__name__, tuple(x.shape[2:])
        if x.shape[1] != self.channels:
            raise UserError(f"{name} got {x.shape[1]} channels but was built for {self.channels}: change channels")
        if len(got) != len(self.least) or any(size < least for size, least in zip(got, self.least, strict=True)):
            wanted = f"{LEAST[len(self.least)]} at least {self.least}"
            raise UserError(f"{name} got an input of {got} but needs {wanted}: take more frames or a larger crop")


class Inception(Trunk):
    """(B, C, H, W) -> logits (B, K), the mean over all places; of a crop there is one."""

    dims = 2
    inputs: tuple[str, ...] = ("rgb",)

    def __init__(self, classes: int, channels: int, crop: int, dropout: float, epsilon: float, width: float):
        super().__init__(self.dims, channels, crop, epsilon, width)
        ones = (1,) * self.dims
        self.inputs = inputs_of(channels)
        self.dropout = nn.Dropout(dropout)
        self.logits = Unit(self.outputs, classes, ones, ones, epsilon=None)

    def forward(self, x: Tensor) -> Tensor:
        return self.places(x).flatten(2).mean(2)

    def places(self, x: Tensor) -> Tensor:
        """Logits at every place of the last pool: (B, K, H', W'), with T' before them in 3D."""
        return self.logits(self.dropout(self.pooled(x)))


def pretrained(tensors: Mapping[str, Tensor], net: Trunk) -> dict[str, Tensor]:
    """Inception-v1's tensors for a net or trunk of ours: of pictures or inflated to clips, of RGB or carried to flow.

    The net's last layer, if it has one, stays its own; what else does not fit is a UserError.
    """
    given = {name.replace("2d", f"{len(net.pool)}d"): tensor for name, tensor in tensors.items()}
    own = {name: tensor for name, tensor in net.state_dict().items() if name.startswith("logits.")}
    return carried({name: t for name, t in given.items() if not name.startswith("logits.")} | own, net)


def build(
    num_classes: int, channels: int = 3, crop: int = 224, dropout: float = 0.5, epsilon: float = 1e-3,
    width: float = 1.0,
) -> Inception:  # fmt: skip
    """Inception-v1 with `width` times its filters; the released weights' `epsilon` is 1e-3."""
    return initialise(Inception(num_classes, channels, crop, dropout, epsilon, width))
