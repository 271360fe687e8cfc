"""Two-Stream and 3D-Fused Inception-v1 (Carreira & Zisserman 2017, section 2.3).

Two-Stream averages the logits of an RGB and a flow network. 3D-Fused joins their last maps by a 3D convolution.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.common.errors import UserError
from pipeline.models.blocks import initialise, wide
from pipeline.models.inception import Inception, MaxPool, Trunk


class TwoStream(nn.Module):
    """RGB (B, 3, H, W) and flow (B, 2L, H, W) -> logits (B, K), the mean of two networks that are trained together."""

    inputs = ("rgb", "flow")

    def __init__(self, rgb: nn.Module, flow: nn.Module):
        super().__init__()
        self.rgb, self.flow = rgb, flow

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        return (self.rgb(rgb) + self.flow(flow)) / 2


class Fused(nn.Module):
    """RGB (B, 3, T, H, W), flow stacks at the same times (B, 2L, T, H, W) -> logits (B, K).

    Inception-v1 up to Mixed_5c on every frame, both streams' maps concatenated, a 3x3x3 convolution to 512 channels, a
    3x3x3 max pool and a linear layer. The paper gives no stride for the pool: here it is 2, as of the other pools, and
    the pooled map is averaged before the last layer.
    """

    inputs = ("rgb", "flow")

    def __init__(
        self, classes: int, channels: int, flow_channels: int, crop: int, dropout: float, epsilon: float, width: float
    ):
        super().__init__()
        self.rgb = Trunk(2, channels, crop, epsilon, width)
        self.flow = Trunk(2, flow_channels, crop, epsilon, width)
        self.fuse = nn.Conv3d(2 * self.rgb.outputs, wide(512, width), 3, padding=1)
        self.pool = MaxPool((3, 3, 3), (2, 2, 2))
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(wide(512, width), classes)

    def forward(self, rgb: Tensor, flow: Tensor) -> Tensor:
        if rgb.shape[2:] != flow.shape[2:]:
            shapes = f"RGB of (T, H, W) {tuple(rgb.shape[2:])} but flow of {tuple(flow.shape[2:])}"
            raise UserError(f"Fused got {shapes}: give it one stack of flow for each frame")
        x = torch.cat([frame_maps(self.rgb, rgb), frame_maps(self.flow, flow)], 1)  # (B, 2048, T, 7, 7)
        x = self.pool(functional.relu(self.fuse(x), inplace=True))  # (B, 512, 3, 4, 4)
        return self.logits(self.dropout(x.mean((2, 3, 4))))


def frame_maps(trunk: Trunk, x: Tensor) -> Tensor:
    """A 2D trunk's maps of every frame. (B, C, T, H, W) -> (B, 1024, T, H/32, W/32)"""
    if x.ndim != 5:
        raise UserError(f"Fused got an input of {tuple(x.shape[1:])} but takes clips of (C, T, H, W): stack frames")
    maps = trunk.maps(x.transpose(1, 2).flatten(0, 1))  # (BT, 1024, H/32, W/32)
    return maps.unflatten(0, (len(x), -1)).transpose(1, 2)


def two_stream(
    num_classes: int, channels: int = 3, flow_channels: int = 20, crop: int = 224, dropout: float = 0.5,
    epsilon: float = 1e-3, width: float = 1.0,
) -> TwoStream:  # fmt: skip
    """Two-Stream: one RGB frame and L = 10 flow fields."""
    rgb, flow = (Inception(num_classes, c, crop, dropout, epsilon, width) for c in (channels, flow_channels))
    return TwoStream(initialise(rgb), initialise(flow))


def build(
    num_classes: int, channels: int = 3, flow_channels: int = 20, crop: int = 224, dropout: float = 0.5,
    epsilon: float = 1e-3, width: float = 1.0,
) -> Fused:  # fmt: skip
    """3D-Fused; the layers without ImageNet weights begin with Gaussian noise, as in the paper."""
    net = initialise(Fused(num_classes, channels, flow_channels, crop, dropout, epsilon, width))
    nn.init.normal_(net.fuse.weight, std=0.01)
    return net
