"""ConvNet+LSTM (Carreira & Zisserman 2017, section 2.1): Inception-v1 on every frame, then an LSTM of 512 units.

The LSTM is that of Cooijmans et al. 2017, eq. 6-8: batch normalisation in the recurrence, with a mean and a variance
for each step and one scale for all steps.
"""

import torch
from torch import Tensor, nn

from pipeline.common.errors import UserError
from pipeline.models.blocks import initialise, inputs_of, wide
from pipeline.models.inception import Trunk


class StepNorm(nn.Module):
    """Batch normalisation with statistics for each step; later steps than `steps` use those of the last one."""

    def __init__(self, features: int, steps: int):
        super().__init__()
        self.steps = nn.ModuleList(nn.BatchNorm1d(features, affine=False) for _ in range(steps))
        self.scale = nn.Parameter(torch.full((features,), 0.1))  # larger ones saturate the gates' gradients

    def forward(self, x: Tensor, step: int) -> Tensor:
        return self.scale * self.steps[min(step, len(self.steps) - 1)](x)


class BNLSTM(nn.Module):
    """(B, T, D) -> the states h (B, T, H)."""

    def __init__(self, inputs: int, hidden: int, steps: int):
        super().__init__()
        self.hidden = hidden
        self.x = nn.Linear(inputs, 4 * hidden, bias=False)
        self.h = nn.Linear(hidden, 4 * hidden, bias=False)
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        self.norm_x, self.norm_h = StepNorm(4 * hidden, steps), StepNorm(4 * hidden, steps)
        self.norm_c, self.shift_c = StepNorm(hidden, steps), nn.Parameter(torch.zeros(hidden))

    def initialise(self) -> None:
        """Orthogonal recurrent weights, and a forget gate that is open at first (bias 1)."""
        nn.init.orthogonal_(self.h.weight)
        nn.init.ones_(self.bias[: self.hidden].data)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(len(x), self.hidden)
        states = []
        for step in range(x.shape[1]):
            gates = self.norm_h(self.h(h), step) + self.norm_x(self.x(x[:, step]), step) + self.bias  # (B, 4H), eq. 6
            f, i, o, g = gates.chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()  # eq. 7
            h = o.sigmoid() * (self.norm_c(c, step) + self.shift_c).tanh()  # eq. 8
            states.append(h)
        return torch.stack(states, 1)


class ConvLSTM(nn.Module):
    """(B, C, T, H, W) -> logits (B, K) of the last step; in training a tuple of every step's, each with a loss."""

    inputs: tuple[str, ...] = ("rgb",)

    def __init__(self, classes: int, channels: int, crop: int, frames: int, dropout: float, hidden: int, width: float):
        super().__init__()
        self.inputs = inputs_of(channels)
        self.trunk = Trunk(2, channels, crop, width=width)
        self.lstm = BNLSTM(self.trunk.outputs, wide(hidden, width), frames)
        self.dropout = nn.Dropout(dropout)
        self.logits = nn.Linear(self.lstm.hidden, classes)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        logits = self.step_logits(x)
        return logits.unbind(1) if self.training else logits[:, -1]

    def step_logits(self, x: Tensor) -> Tensor:
        """Logits of every step. (B, C, T, H, W) -> (B, T, K)"""
        if x.ndim != 5:
            raise UserError(
                f"ConvLSTM got an input of {tuple(x.shape[1:])} but takes clips of (C, T, H, W): stack frames"
            )
        if self.training and len(x) < 2:
            raise UserError("ConvLSTM got a batch of 1 clip but batch normalisation needs 2 or more: make it larger")
        frames = x.transpose(1, 2).flatten(0, 1)  # (BT, C, H, W)
        features = self.trunk.pooled(frames).flatten(1).unflatten(0, (len(x), -1))  # (B, T, 1024)
        return self.logits(self.dropout(self.lstm(features)))


def build(
    num_classes: int, channels: int = 3, crop: int = 224, frames: int = 25, dropout: float = 0.5, hidden: int = 512,
    width: float = 1.0,
) -> ConvLSTM:  # fmt: skip
    """ConvNet+LSTM with `width` times its filters and units; `frames` steps have statistics of their own."""
    net = ConvLSTM(num_classes, channels, crop, frames, dropout, hidden, width)
    initialise(net, net.logits)
    net.lstm.initialise()
    return net
