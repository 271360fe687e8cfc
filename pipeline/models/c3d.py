"""3D-ConvNet: the variant of C3D (Tran et al. 2015) that I3D compares with (Carreira & Zisserman 2017, section 2.2).

conv1a  3x3x3x64, pool 2x2x2            conv4a, conv4b  3x3x3x512, pool 2x2x2
conv2a  3x3x3x128, pool 2x2x2           conv5a, conv5b  3x3x3x512, pool 2x2x2
conv3a, conv3b  3x3x3x256, pool 2x2x2   fc6 4096, fc7 4096, logits

Unlike C3D it has batch normalisation after every layer but the last, and its first pool halves the time axis.
"""

import math

from torch import Tensor, nn
from torch.nn import functional

from pipeline.common.errors import UserError
from pipeline.models.blocks import initialise, inputs_of, wide
from pipeline.models.inception import MaxPool


class Conv(nn.Module):
    """3x3x3 convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)), inplace=True)


def fc(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Fully connected, batch normalisation, ReLU, dropout."""
    return nn.Sequential(
        nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True), nn.Dropout(dropout)
    )


class C3D(nn.Module):
    """(B, C, T, H, W) -> logits (B, K), for clips of one size."""

    inputs: tuple[str, ...] = ("rgb",)

    def __init__(self, classes: int, channels: int, frames: int, crop: int, dropout: float, width: float):
        super().__init__()
        self.shape, self.inputs = (channels, frames, crop, crop), inputs_of(channels)
        a, b, c, d, hidden = (wide(filters, width) for filters in (64, 128, 256, 512, 4096))
        flat = d * math.ceil(frames / 32) * math.ceil(crop / 32) ** 2  # 512 x 1 x 4 x 4 in the paper
        pool = MaxPool((2, 2, 2), (2, 2, 2))
        self.features = nn.Sequential(
            Conv(channels, a), pool,  # (B, 64, T/2, 56, 56)
            Conv(a, b), pool,  # (B, 128, T/4, 28, 28)
            Conv(b, c), Conv(c, c), pool,  # (B, 256, T/8, 14, 14)
            Conv(c, d), Conv(d, d), pool,  # (B, 512, T/16, 7, 7)
            Conv(d, d), Conv(d, d), pool,  # (B, 512, T/32, 4, 4)
            nn.Flatten(),
        )  # fmt: skip
        self.classifier = nn.Sequential(fc(flat, hidden, dropout), fc(hidden, hidden, dropout))
        self.logits = nn.Linear(hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:] != self.shape:
            shape = tuple(x.shape[1:])
            raise UserError(
                f"C3D got clips of (C, T, H, W) {shape} but was built for {self.shape}: change frames or crop"
            )
        if self.training and len(x) < 2:
            raise UserError("C3D got a batch of 1 clip but batch normalisation needs 2 or more: make the batch larger")
        return self.logits(self.classifier(self.features(x)))


def build(
    num_classes: int, channels: int = 3, frames: int = 16, crop: int = 112, dropout: float = 0.5, width: float = 1.0
) -> C3D:
    """3D-ConvNet with `width` times its filters."""
    return initialise(C3D(num_classes, channels, frames, crop, dropout, width))
