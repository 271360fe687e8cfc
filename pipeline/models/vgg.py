"""VGG-16 (Simonyan & Zisserman 2015, Table 1, column D), with torchvision's parameter names.

conv1  3x3x64 twice, pool         conv4  3x3x512 three times, pool
conv2  3x3x128 twice, pool        conv5  3x3x512 three times, pool
conv3  3x3x256 three times, pool  fc6 4096, fc7 4096, fc8
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.common.errors import UserError
from pipeline.models.blocks import initialise, inputs_of, wide

TABLE = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512, "pool")
END = {"conv4_3": 23, "conv5_3": 30, "pool5": 31}  # number of `features` up to the layer, its ReLU included


class VGG(nn.Module):
    """(B, C, H, W) -> logits (B, K), for crops of one size."""

    inputs: tuple[str, ...] = ("rgb",)
    stem = "features.0"

    def __init__(self, classes: int, channels: int, crop: int, dropout: float, width: float):
        super().__init__()
        self.channels, self.crop, self.inputs = channels, crop, inputs_of(channels)
        if crop < 32:
            raise UserError(
                f"VGG-16 cannot take crops of {crop} pixels, which its pools shrink to nothing: make crop 32 or more"
            )
        features, hidden = wide(512, width) * (crop // 32) ** 2, wide(4096, width)
        self.features = nn.Sequential(*_features(channels, width))
        self.classifier = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.flat(x))

    def flat(self, x: Tensor) -> Tensor:
        """pool5, flattened for fc6. (B, C, crop, crop) -> (B, 25088)"""
        if x.shape[2:] != (self.crop, self.crop):
            size, crop = tuple(x.shape[2:]), self.crop
            raise UserError(f"VGG-16 got pictures of {size} pixels but was built for ({crop}, {crop}): change crop")
        return torch.flatten(self.maps(x, "pool5"), 1)

    def maps(self, x: Tensor, layer: str) -> Tensor:
        """The map after `layer` and its ReLU; pictures may have any size.

        (B, C, H, W) -> (B, 512, H/8, W/8) for conv4_3, (B, 512, H/16, W/16) for conv5_3
        """
        if x.shape[1] != self.channels:
            raise UserError(f"VGG-16 got {x.shape[1]} channels but was built for {self.channels}: change channels")
        return self.features[: END[layer]](x)

    def fc7(self, x: Tensor) -> Tensor:
        """fc7 after its ReLU. (B, C, crop, crop) -> (B, 4096)"""
        return self.classifier[:5](self.flat(x))


def _features(channels: int, width: float) -> list[nn.Module]:
    filters = [channels, *(wide(entry, width) for entry in TABLE if isinstance(entry, int))]
    convs = (nn.Conv2d(inputs, outputs, 3, padding=1) for inputs, outputs in pairwise(filters))
    layers: list[nn.Module] = []
    for entry in TABLE:
        layers += [nn.MaxPool2d(2, 2)] if entry == "pool" else [next(convs), nn.ReLU(inplace=True)]
    return layers


def build(num_classes: int, channels: int = 3, crop: int = 224, dropout: float = 0.5, width: float = 1.0) -> VGG:
    """VGG-16 with `width` times its filters."""
    return initialise(VGG(num_classes, channels, crop, dropout, width))
