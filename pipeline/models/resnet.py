"""ResNet-50 (He et al. 2016, Table 1), with torchvision's parameter names, over pictures or, for ST-ResNet, over clips.

conv1    7x7x64, stride 2              layer3 (conv4_x)  [1x1x256, 3x3x256, 1x1x1024] x 6, stride 2
maxpool  3x3, stride 2                 layer4 (conv5_x)  [1x1x512, 3x3x512, 1x1x2048] x 3, stride 2
layer1 (conv2_x)  [1x1x64, 3x3x64, 1x1x256] x 3          avgpool 7x7
layer2 (conv3_x)  [1x1x128, 3x3x128, 1x1x512] x 4, stride 2      fc
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.common.errors import UserError
from pipeline.models.blocks import initialise, inputs_of, wide

Border = Literal["zeros", "replicate"]  # the padding before a clip's first picture and after its last
FORMS = ("torchvision", "caffe")
EXPANSION = 4
NO_TIME = (0, 0)  # temporal taps of the second unit's 1x1 convolutions and of all others: a network over pictures


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int, taps: int, border: Border
) -> nn.Conv2d | nn.Conv3d:
    """A convolution without bias: 2D over pictures if `taps` is 0, else 3D over clips with so many taps in time."""
    if not taps:
        return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    size, steps, padding = (taps, kernel, kernel), (1, stride, stride), (taps // 2, kernel // 2, kernel // 2)
    return nn.Conv3d(inputs, outputs, size, steps, padding, bias=False, padding_mode=border)


def norm(filters: int, taps: int) -> nn.Module:
    """Batch normalisation over pictures (`taps` 0) or clips."""
    return nn.BatchNorm3d(filters) if taps else nn.BatchNorm2d(filters)


def maxpool(caffe: bool, taps: int) -> nn.Module:
    """3x3 max pooling with stride 2 in space; in Caffe's form without padding, the output size rounded up."""
    padding = 0 if caffe else 1
    if taps:
        return nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, padding, padding), ceil_mode=caffe)
    return nn.MaxPool2d(3, 2, padding, ceil_mode=caffe)


class Bottleneck(nn.Module):
    """A residual unit, f(x + F(x)) with f = ReLU (ST-ResNet, eq. 1); `taps` are those of its 1x1 convolutions."""

    def __init__(self, inputs: int, filters: int, stride: int, caffe: bool, taps: int, border: Border):
        super().__init__()
        first, second = (stride, 1) if caffe else (1, stride)
        outputs, plane = filters * EXPANSION, min(taps, 1)
        self.conv1 = convolution(inputs, filters, 1, first, taps, border)
        self.bn1 = norm(filters, taps)
        self.conv2 = convolution(filters, filters, 3, second, plane, "zeros")
        self.bn2 = norm(filters, taps)
        self.conv3 = convolution(filters, outputs, 1, 1, taps, border)
        self.bn3 = norm(outputs, taps)
        self.downsample = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                convolution(inputs, outputs, 1, stride, plane, "zeros"), norm(outputs, taps)
            )  # fmt: skip

    def residual(self, x: Tensor) -> Tensor:
        """F(x)."""
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """f(x + F(x)), or with another stream's map f(x + F(x + other)), where both are outputs of a ReLU (eq. 2)."""
        return torch.relu(self.downsample(x) + self.residual(x if other is None else x + other))


class ResNet(nn.Module):
    """(B, C, H, W) -> logits (B, K), for pictures of `crop` pixels or more; a larger one's predictions are averaged.

    With `taps`, the temporal sizes of the 1x1 convolutions in each stage's second unit and of all other filters, it
    takes clips (B, C, T, H, W).
    """

    inputs: tuple[str, ...] = ("rgb",)
    stem = "conv1"

    def __init__(
        self, classes: int, channels: int, crop: int, dropout: float, width: float, depth: Sequence[int], form: str,
        taps: tuple[int, int] = NO_TIME, border: Border = "zeros",
    ):  # fmt: skip
        super().__init__()
        if form not in FORMS:
            raise UserError(f"ResNet-50 has no form {form!r}: choose one of {', '.join(FORMS)}")
        if crop < 32:
            raise UserError(
                f"ResNet-50 cannot take crops of {crop} pixels, which shrink to nothing: make crop 32 or more"
            )
        self.channels, self.crop, self.inputs, self.depth = channels, crop, inputs_of(channels), tuple(depth)
        self.caffe, self.taps, self.border, filters = form == "caffe", taps, border, wide(64, width)
        self.conv1 = convolution(channels, filters, 7, 2, taps[1], "zeros")  # 112 x 112
        self.bn1 = norm(filters, taps[1])
        self.maxpool = maxpool(self.caffe, taps[1])  # 56 x 56
        self.layer1 = self._stage(filters, filters, 1, depth[0])  # 56 x 56
        self.layer2 = self._stage(filters * 4, filters * 2, 2, depth[1])  # 28 x 28
        self.layer3 = self._stage(filters * 8, filters * 4, 2, depth[2])  # 14 x 14
        self.layer4 = self._stage(filters * 16, filters * 8, 2, depth[3])  # 7 x 7
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(filters * 32, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.start(x)
        for stage in self.stages():
            x = stage(x)
        return self.fc(self.dropout(self.pool5(x).flatten(2).mean(2)))

    def stages(self) -> tuple[nn.Sequential, ...]:
        """conv2_x to conv5_x."""
        return self.layer1, self.layer2, self.layer3, self.layer4

    def start(self, x: Tensor) -> Tensor:
        """conv1 and pool1 (`maxpool`), after a check of the input. (B, C, H, W) -> (B, 64, H/4, W/4)"""
        if x.shape[1] != self.channels:
            raise UserError(f"ResNet-50 got {x.shape[1]} channels but was built for {self.channels}: change channels")
        if min(x.shape[-2:]) < self.crop:
            size, least = tuple(x.shape[-2:]), (self.crop, self.crop)
            raise UserError(f"ResNet-50 got pictures of {size} pixels but was built for {least} or more: change crop")
        return self.maxpool(torch.relu(self.bn1(self.conv1(x))))

    def pool5(self, x: Tensor) -> Tensor:
        """7x7 average pooling with stride 1, so that a picture larger than the crop has several positions."""
        side = -(-self.crop // 2) // 2 if self.caffe else -(-self.crop // 4)  # after maxpool
        window = -(-side // 8)
        return functional.avg_pool3d(x, (1, window, window), 1) if self.taps[1] else functional.avg_pool2d(x, window, 1)

    def _stage(self, inputs: int, filters: int, stride: int, units: int) -> nn.Sequential:
        layers = []
        for number in range(units):
            taps = self.taps[0] if number == 1 else self.taps[1]
            layers.append(Bottleneck(inputs, filters, stride, self.caffe, taps, self.border))
            inputs, stride = filters * EXPANSION, 1
        return nn.Sequential(*layers)


def build(
    num_classes: int, channels: int = 3, crop: int = 224, dropout: float = 0.0, width: float = 1.0,
    depth: Sequence[int] = (3, 4, 6, 3), form: str = "torchvision",
) -> ResNet:  # fmt: skip
    """ResNet-50 with `width` times its filters and `depth` units a stage.

    `form` says whose weights fit. In `torchvision` a stage's stride is in its first 3x3 convolution. In `caffe`, which
    is He et al.'s own and MatConvNet's, it is in the 1x1 convolution before, and the max pool is not padded.
    """
    return initialise(ResNet(num_classes, channels, crop, dropout, width, depth, form))
