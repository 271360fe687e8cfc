"""A network's outputs: logits, or several of them."""

import torch
from torch import Tensor

Outputs = Tensor | tuple[Tensor, ...]


def merged(outputs: Outputs) -> Tensor:
    """One logit a class: the mean of several, which is ST-ResNet's fusion of un-softmaxed scores."""
    return torch.stack(outputs).mean(0) if isinstance(outputs, tuple) else outputs
