"""CNN-M-2048 (Chatfield et al. 2014), both streams of Two-Stream ConvNets (Simonyan & Zisserman 2014, Figure 1).

conv1  7x7x96, stride 2, LRN, pool    conv4  3x3x512
conv2  5x5x256, stride 2, LRN, pool   conv5  3x3x512, pool
conv3  3x3x512                        fc6 4096, fc7 2048, fc8
"""

import torch
from torch import Tensor, nn

from pipeline.common.errors import UserError
from pipeline.models.blocks import conv, fc, initialise, inputs_of, lrn, pool, wide


class CNNM(nn.Module):
    """(B, C, H, W) -> logits (B, classes); `norm2=False` is the temporal form, whose second LRN the paper drops."""

    inputs: tuple[str, ...] = ("rgb",)
    stem = "features.0.0"

    def __init__(self, classes: int, channels: int, crop: int, dropout: float, norm2: bool, width: float, stride2: int):
        super().__init__()
        self.channels, self.crop, self.inputs = channels, crop, inputs_of(channels)
        c1, c2, c3, f6, f7 = (wide(filters, width) for filters in (96, 256, 512, 4096, 2048))
        self.features = nn.Sequential(
            conv(channels, c1, 7, stride=2), lrn(), pool(),  # (B, 96, 54, 54)
            conv(c1, c2, 5, stride=stride2, padding=1), lrn() if norm2 else nn.Identity(), pool(),  # (B, 256, 13, 13)
            conv(c2, c3, 3, padding=1),
            conv(c3, c3, 3, padding=1),
            conv(c3, c3, 3, padding=1), pool(),  # (B, 512, 6, 6)
            nn.Flatten(),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            fc(self._num_features(), f6, dropout),
            fc(f6, f7, dropout),
            nn.Linear(f7, classes),
        )

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self.classifier[2](self.fc7(x))

    def fc7(self, x: Tensor) -> Tensor:
        """(B, C, crop, crop) -> (B, 2048), after its ReLU and dropout."""
        if x.shape[1:] != (self.channels, self.crop, self.crop):
            expected = (self.channels, self.crop, self.crop)
            raise UserError(
                f"CNN-M got an input of shape {tuple(x.shape[1:])} but was built for {expected}: change crop"
            )
        return self.classifier[:2](self.features(x))

    def _num_features(self) -> int:
        """The size of the flattened last map, by a forward pass."""
        try:
            with torch.no_grad():
                return self.features(torch.zeros(1, self.channels, self.crop, self.crop)).shape[1]
        except RuntimeError as error:
            raise UserError(
                f"CNN-M cannot take crops of {self.crop} pixels, which its pools shrink to nothing: make crop larger"
            ) from error


class MultiTask(CNNM):
    """Two last layers on one fc7, for two data sets (2014, section 4): logits (B, K) and (B, K2) in training.

    In evaluation its output is the first data set's logits alone.
    """

    second: nn.Linear

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        hidden = self.fc7(x)
        logits = self.classifier[2](hidden)
        return (logits, self.second(hidden)) if self.training else logits


def build(
    num_classes: int, channels: int = 3, crop: int = 224, dropout: float = 0.9, norm2: bool = True, width: float = 1.0,
    stride2: int = 2,
) -> CNNM:  # fmt: skip
    """CNN-M-2048 with `width` times its filters; `stride2` is conv2's stride (1 is for small demo crops)."""
    return initialise(CNNM(num_classes, channels, crop, dropout, norm2, width, stride2))


def multitask(
    num_classes: int, second_classes: int, channels: int = 20, crop: int = 224, dropout: float = 0.9,
    norm2: bool = False, width: float = 1.0, stride2: int = 2,
) -> MultiTask:  # fmt: skip
    """The temporal network for two data sets at once; the second has `second_classes` classes."""
    net = MultiTask(num_classes, channels, crop, dropout, norm2, width, stride2)
    net.second = nn.Linear(wide(2048, width), second_classes)
    return initialise(net, net.classifier[2], net.second)  # type: ignore[arg-type]


def slow_fusion(
    num_classes: int, channels: int = 33, crop: int = 224, dropout: float = 0.9, width: float = 1.0, stride2: int = 2,
) -> CNNM:  # fmt: skip
    """CNN-M-2048 over 11 RGB frames, stacked as 33 channels: the form of slow fusion in the 2014 paper's section 6."""
    if channels % 3:
        raise UserError(f"slow fusion got {channels} channels but stacks frames of 3: make it 33 for 11 frames")
    net = build(num_classes, channels, crop, dropout, True, width, stride2)
    net.inputs = ("rgb",)
    return net
