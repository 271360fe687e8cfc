"""The loss of a network's outputs: softmax cross-entropy of one or of several logits."""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.models.outputs import Outputs, mean_logits


def criterion(outputs: Outputs, labels: Tensor, tasks: Tensor, reduction: str) -> Tensor:
    """Cross-entropies summed over samples, one sum per task: (number of tasks,).

    `reduction` is how the losses of several logits of one task (ST-ResNet's streams, ConvNet+LSTM's steps) are
    combined: `sum` or `mean`. With `tasks` there is one output per task, and each sample (labels (B,), tasks (B,))
    counts in that of its own task (Simonyan and Zisserman 2014, section 5).
    """
    if reduction == "tasks":
        return torch.stack([_loss(logits[tasks == task], labels[tasks == task]) for task, logits in enumerate(outputs)])
    logits_list = outputs if isinstance(outputs, tuple) else (outputs,)
    total = torch.stack([_loss(logits, labels) for logits in logits_list]).sum(0, keepdim=True)
    return total / len(logits_list) if reduction == "mean" else total


def num_correct(outputs: Outputs, labels: Tensor, tasks: Tensor, reduction: str) -> Tensor:
    """The number of samples that are classified correctly, with `tasks` by the output of their own task."""
    if reduction != "tasks":
        return (mean_logits(outputs).argmax(1) == labels).sum()
    predictions = torch.stack([logits.argmax(1) for logits in outputs])  # (tasks, B)
    return (predictions.gather(0, tasks[None])[0] == labels).sum()


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits.float(), labels, reduction="sum")
