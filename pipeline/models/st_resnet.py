"""ST-ResNet and ST-ResNet* (Feichtenhofer, Pinz & Wildes 2016, Table 1): two ResNet-50s, connected in four stages.

conv1    7x7x1, 64, stride 2    112x112xT
pool1    3x3x1, stride 2        56x56xT
conv2_x  unit, skip-stream, unit with 1x1x3 for both 1x1x1, unit         56x56xT
conv3_x  unit, skip-stream, unit with 1x1x3 for both 1x1x1, 2 units      28x28xT
conv4_x  unit, skip-stream, unit with 1x1x3 for both 1x1x1, 4 units      14x14xT
conv5_x  unit, skip-stream, unit with 1x1x3 for both 1x1x1, unit         7x7xT
pool5    7x7x1 averages; in ST-ResNet* 1x1x5 maxima, stride 2, after it  1x1xT'

Table 1's receptive fields are those of He et al.'s ResNet, with a stage's stride in its first 1x1 (`form="caffe"`). The
release starts from its weights.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.common.errors import UserError
from pipeline.models.blocks import initialise
from pipeline.models.resnet import Border, ResNet

TAPS = (3, 1)  # in time: of the 1x1 convolutions in a stage's second unit, and of all others
CHOICES = {
    "connection": ("residual", "direct", "bidirectional", "none"),
    "pool": ("none", "pool5", "conv5_x"),  # the layer after which maxima over time are taken
    "losses": ("chunk", "clip"),
    "border": ("zeros", "replicate"),
}


class STResNet(nn.Module):
    """RGB (B, 3, T, H, W) and flow (B, 2L, T, H, W) at the same T times -> a tuple of logits (B, K).

    In evaluation they are appearance's and motion's, averaged over space and time. In training with `losses="chunk"`
    they are those of every chunk, appearance's before motion's, because each chunk has a loss of its own.
    """

    inputs: tuple[str, ...] = ("rgb", "flow")

    def __init__(self, appearance: ResNet, motion: ResNet, connection: str, pool: str, losses: str):
        super().__init__()
        self.appearance, self.motion = appearance, motion
        self.connection, self.pool, self.losses = connection, pool, losses

    def forward(self, rgb: Tensor, flow: Tensor) -> tuple[Tensor, ...]:
        self._check(rgb, flow)
        a, m = self.maps(rgb, flow)
        logits = torch.cat([self.head(self.appearance, a), self.head(self.motion, m)], 1)  # (B, 2T', K)
        if self.training and self.losses == "chunk":
            return logits.unbind(1)
        return tuple(logits.unflatten(1, (2, -1)).mean(2).unbind(1))

    def maps(self, rgb: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
        """Both streams' maps of conv5_x. (B, 3, T, H, W), (B, 2L, T, H, W) -> two of (B, 2048, T, H/32, W/32)"""
        a, m = self.appearance.start(rgb), self.motion.start(flow)
        for stage_a, stage_m in zip(self.appearance.stages(), self.motion.stages(), strict=True):
            a, m = stage_a[0](a), stage_m[0](m)
            a, m = self.skip_stream(stage_a[1], stage_m[1], a, m)
            a, m = stage_a[2:](a), stage_m[2:](m)
        return a, m

    def skip_stream(self, unit_a: nn.Module, unit_m: nn.Module, a: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        """Both streams' second units of a stage, connected as in eq. 2 (`residual`) or one of its alternatives."""
        if self.connection == "none":
            return unit_a(a), unit_m(m)
        if self.connection == "direct":
            return unit_a(a + m), unit_m(m)
        if self.connection == "bidirectional":
            return unit_a(a, m), unit_m(m, a)
        return unit_a(a, m), unit_m(m)

    def head(self, stream: ResNet, x: Tensor) -> Tensor:
        """Logits of every chunk, averaged over space. (B, 2048, T, h, w) -> (B, T', K)"""
        x = self._maxima(x) if self.pool == "conv5_x" else x
        x = stream.pool5(x)  # (B, 2048, T, 1, 1) for a crop
        x = self._maxima(x) if self.pool == "pool5" else x
        return stream.fc(stream.dropout(x.mean((3, 4)).transpose(1, 2)))

    def _maxima(self, x: Tensor) -> Tensor:
        """Maxima over 5 chunks with stride 2. (B, 2048, T, h, w) -> (B, 2048, (T - 3) / 2, h, w)"""
        return functional.max_pool3d(x, (5, 1, 1), (2, 1, 1))

    def _check(self, rgb: Tensor, flow: Tensor) -> None:
        if rgb.shape[2:] != flow.shape[2:]:
            sizes = f"{tuple(rgb.shape[2:])} and {tuple(flow.shape[2:])}"
            raise UserError(f"ST-ResNet got RGB and flow of (T, H, W) {sizes}: give both the same times and size")
        if self.pool != "none" and rgb.shape[2] < 5:
            raise UserError(f"ST-ResNet got {rgb.shape[2]} chunks but its maxima are over 5: give it 5 or more")


def build(
    num_classes: int, flow_channels: int = 20, crop: int = 224, dropout: float = 0.0, width: float = 1.0,
    depth: Sequence[int] = (3, 4, 6, 3), form: str = "caffe", connection: str = "residual", pool: str = "none",
    losses: str = "chunk", border: Border = "zeros",
) -> STResNet:  # fmt: skip
    """ST-ResNet; with `pool="pool5"` the paper's ST-ResNet*, with `pool="conv5_x"` the release's.

    `connection="direct"` adds motion to appearance's identity path too. `border` is the padding in time: zeros, as in
    the release, or the last picture repeated ("replicate").
    """
    for option, value in {"connection": connection, "pool": pool, "losses": losses, "border": border}.items():
        if value not in CHOICES[option]:
            raise UserError(f"ST-ResNet has no {option} {value!r}: choose one of {', '.join(CHOICES[option])}")
    if min(depth) < 2:
        raise UserError(f"ST-ResNet connects the stages' second units but depth is {tuple(depth)}: give 2 or more")
    appearance, motion = (
        initialise(ResNet(num_classes, channels, crop, dropout, width, depth, form, TAPS, border))
        for channels in (3, flow_channels)
    )
    return STResNet(appearance, motion, connection, pool, losses)


star = partial(build, pool="pool5")
