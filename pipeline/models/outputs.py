"""The output of a network: logits (B, K), or a tuple of them, each with a loss of its own in training."""

import torch
from torch import Tensor

Outputs = Tensor | tuple[Tensor, ...]


def mean_logits(outputs: Outputs) -> Tensor:
    """Logits (B, K): of a tuple the mean, as ST-ResNet averages its streams' scores before the softmax."""
    return torch.stack(outputs).mean(0) if isinstance(outputs, tuple) else outputs
