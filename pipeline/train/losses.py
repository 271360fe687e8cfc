"""The loss of a network's outputs: one softmax cross-entropy, or one for each of several logits."""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.models.outputs import Outputs, mean_logits


def criterion(outputs: Outputs, labels: Tensor, tasks: Tensor, way: str) -> Tensor:
    """Cross-entropies summed over samples, (number of tasks,): a step divides each by the task's share of the batch.

    Several logits of one task (ST-ResNet's chunks, ConvNet+LSTM's steps) are summed or averaged, as `way` says; with
    two tasks the logits are one each, and a sample counts in its own (2014, section 5).
    """
    if way == "tasks":
        return torch.stack([_sum(logits[tasks == task], labels[tasks == task]) for task, logits in enumerate(outputs)])
    several = outputs if isinstance(outputs, tuple) else (outputs,)
    total = torch.stack([_sum(logits, labels) for logits in several]).sum(0, keepdim=True)
    return total / len(several) if way == "mean" else total


def hits(outputs: Outputs, labels: Tensor, tasks: Tensor, way: str) -> Tensor:
    """How many samples are right, by their own task's logits."""
    if way != "tasks":
        return (mean_logits(outputs).argmax(1) == labels).sum()
    guesses = torch.stack([logits.argmax(1) for logits in outputs])  # (tasks, B)
    return (guesses.gather(0, tasks[None])[0] == labels).sum()


def _sum(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits.float(), labels, reduction="sum")
