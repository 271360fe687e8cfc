"""The loss of several logits and of two tasks."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from pipeline.models.outputs import mean_logits
from pipeline.train import losses

torch.manual_seed(0)
A, B = torch.randn(6, 4), torch.randn(6, 4)
LABELS, TASKS = torch.tensor([0, 1, 2, 3, 0, 1]), torch.zeros(6, dtype=torch.long)


def test_the_loss_of_one_logit_is_its_cross_entropy():
    assert losses.criterion(A, LABELS, TASKS, "sum").item() == pytest.approx(cross_entropy(A, LABELS).item() * 6)


def test_st_resnets_losses_are_summed_and_the_lstms_averaged():
    total = (cross_entropy(A, LABELS) + cross_entropy(B, LABELS)).item() * 6
    assert losses.criterion((A, B), LABELS, TASKS, "sum").item() == pytest.approx(total)
    assert losses.criterion((A, B), LABELS, TASKS, "mean").item() == pytest.approx(total / 2)


def test_with_two_tasks_each_output_has_the_loss_of_its_own_samples():
    tasks, more = torch.tensor([0, 1, 0, 1, 1, 0]), torch.randn(6, 9)
    first, second = losses.criterion((A, more), LABELS, tasks, "tasks").tolist()
    assert first == pytest.approx(cross_entropy(A[tasks == 0], LABELS[tasks == 0], reduction="sum").item())
    assert second == pytest.approx(cross_entropy(more[tasks == 1], LABELS[tasks == 1], reduction="sum").item())


def test_a_task_without_samples_has_loss_0_and_its_logits_get_a_zero_gradient():
    a, b = A.clone().requires_grad_(), B.clone().requires_grad_()
    losses.criterion((a, b), LABELS, TASKS, "tasks").sum().backward()
    assert a.grad.abs().sum() > 0
    assert b.grad.tolist() == torch.zeros(6, 4).tolist()


def test_several_logits_are_merged_into_their_mean():
    assert torch.equal(mean_logits((A, B)), (A + B) / 2)
    assert mean_logits(A) is A


def test_correct_samples_are_counted_by_the_output_of_their_own_task():
    right, wrong = torch.eye(4)[LABELS], torch.eye(4)[LABELS - 1]
    tasks = torch.tensor([0, 0, 1, 1, 1, 1])
    assert losses.num_correct(right, LABELS, TASKS, "sum") == 6
    assert losses.num_correct((right, wrong), LABELS, tasks, "tasks") == 2
    assert losses.num_correct((wrong, 3 * right), LABELS, TASKS, "mean") == 6
