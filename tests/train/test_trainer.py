"""A training step computes what the recipe says, whatever the memory and the number of processes."""

import copy
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from pipeline.common.errors import UserError
from pipeline.train import trainer
from pipeline.train.distributed import ProcessGroup
from pipeline.train.trainer import Training
from tests.helpers.tinydata import RECIPE

ALONE = ProcessGroup(1, 0, 0)
PLAIN = replace(RECIPE, batch=12, lr=0.1, milestones=[], weight_decay=0.0, rgb_jitter=0.0, options={})


def unchanged(sample):
    return [data for data, _ in sample]


unchanged.device = torch.device("cpu")


class TwoHeads(nn.Module):
    """Logits of two heads, for two tasks or as two losses."""

    def __init__(self):
        super().__init__()
        self.trunk, self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 3), nn.Linear(5, 3)

    def forward(self, x):
        hidden = self.trunk(x).relu()
        return self.a(hidden), self.b(hidden)


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def net_with_bn():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def two_heads():
    torch.manual_seed(0)
    return TwoHeads()


def batch(size=12, seed=0, tasks=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, 6, generator=generator)
    labels = torch.randint(3, (size,), generator=generator)
    return ((x, torch.zeros(size, 6)),), labels, torch.arange(size) % tasks


def split(chunk, count):
    return trainer.split_chunk(chunk, -(-len(chunk[1]) // count))


def trained(net, batches, **changes):
    """The training after one step per batch; a batch is a list of chunks."""
    training = Training(replace(PLAIN, **changes), net, unchanged, 0, ALONE)
    training.train_mode()
    for step in batches:
        training.train_step(step)
    return training


def weights(training):
    return torch.cat([parameter.detach().flatten() for parameter in training.net.parameters()])


def gradients(training):
    return torch.cat([parameter.grad.flatten() for parameter in training.net.parameters()])


@pytest.mark.parametrize("count", [2, 3, 12])
@pytest.mark.parametrize(
    ("net", "tasks", "changes"), [(small_net, 1, {}), (two_heads, 2, {"partner": "tasks"}), (two_heads, 1, {})]
)
def test_chunks_have_the_gradients_of_the_undivided_batch(net, tasks, changes, count):
    whole = batch(tasks=tasks)
    alone, parts = (trained(net(), [step], **changes) for step in ([whole], split(whole, count)))
    assert torch.allclose(gradients(alone), gradients(parts), atol=1e-6)


def test_loss_and_accuracy_of_a_step_are_those_before_its_update():
    ((x, _),), labels, _ = batch()
    logits = small_net()(x)
    loss, accuracy = Training(PLAIN, small_net(), unchanged, 0, ALONE).train_step(split(batch(), 3))
    assert loss.item() == pytest.approx(cross_entropy(logits, labels).item(), abs=1e-6)
    assert accuracy.item() == pytest.approx((logits.argmax(1) == labels).float().mean().item())


def test_the_loss_of_two_tasks_is_the_sum_of_their_mean_losses():
    ((x, _),), labels, tasks = batch(tasks=2)
    a, b = two_heads()(x)
    expected = cross_entropy(a[tasks == 0], labels[tasks == 0]) + cross_entropy(b[tasks == 1], labels[tasks == 1])
    loss, _ = Training(replace(PLAIN, partner="tasks"), two_heads(), unchanged, 0, ALONE).train_step([batch(tasks=2)])
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize(("reduction", "factor"), [("sum", 1), ("mean", 0.5)])
def test_several_logits_of_one_task_each_have_a_loss(reduction, factor):
    ((x, _),), labels, _ = batch()
    expected = sum(cross_entropy(logits, labels) for logits in two_heads()(x)).item() * factor
    loss, _ = Training(replace(PLAIN, loss_reduction=reduction), two_heads(), unchanged, 0, ALONE).train_step([batch()])
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_batch_normalisation_sees_one_chunk_at_a_time():
    """bn_batch of ST-ResNet's and I3D's recipes."""
    whole = batch()
    training = trained(net_with_bn(), [split(whole, 3)])
    net = net_with_bn()
    ((x, _),), labels, _ = whole
    loss = sum(cross_entropy(net(x[4 * n : 4 * n + 4]), labels[4 * n : 4 * n + 4]) for n in range(3)) / 3
    loss.backward()
    assert torch.allclose(gradients(training), torch.cat([p.grad.flatten() for p in net.parameters()]), atol=1e-6)
    assert torch.allclose(training.net[1].running_mean, net[1].running_mean)


def test_gradients_are_clipped_to_max_grad_norm():
    free = trained(small_net(), [[batch()]])
    norm = gradients(free).norm().item()
    assert gradients(trained(small_net(), [[batch()]], max_grad_norm=norm / 2)).norm().item() == pytest.approx(
        norm / 2, rel=1e-4
    )
    assert torch.equal(gradients(trained(small_net(), [[batch()]], max_grad_norm=norm * 2)), gradients(free))


def test_sgd_uses_the_learning_rate_of_its_step():
    training = trained(small_net(), [[batch()]], warmup_steps=4)
    start = torch.cat([parameter.detach().flatten() for parameter in small_net().parameters()])
    assert torch.allclose(weights(training), start - 0.1 / 4 * gradients(training))


@pytest.mark.parametrize("epsilon", [1e-8, 0.1])
def test_adams_first_step_is_the_gradient_over_its_magnitude_plus_epsilon(epsilon):
    training = trained(small_net(), [[batch()]], optimizer="adam", eps=epsilon)
    start = torch.cat([parameter.detach().flatten() for parameter in small_net().parameters()])
    slope = gradients(training)
    assert torch.allclose(weights(training), start - 0.1 * slope / (slope.abs() + epsilon), atol=1e-5)


def test_training_only_the_head_changes_no_other_parameter_or_statistic():
    net = net_with_bn()
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.startswith("3."))
    before = copy.deepcopy(net.state_dict())
    training = trained(net, [[batch()], [batch(seed=1)]], trainable="head", weight_decay=0.1)
    changed = {name for name, tensor in training.net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"3.weight", "3.bias"}


def test_random_numbers_of_a_step_depend_on_seed_step_and_rank_alone():
    def dropped(step, seed=0, rank=0):
        training = Training(
            PLAIN, nn.Sequential(small_net(), nn.Dropout(0.5)), unchanged, seed, ProcessGroup(1, rank, 0)
        )
        training.train_mode()
        training.step = step
        torch.randn(step)  # earlier draws must not matter
        return training.train_step([batch()])[0].item()

    assert dropped(5) == dropped(5)
    assert len({dropped(5), dropped(6), dropped(5, seed=1), dropped(5, rank=1)}) == 4


class LimitedMemory:
    """A network that runs out of memory with more than `max_samples` samples, in its forward or its backward pass."""

    def __init__(self, net, max_samples, when="forward"):
        self.net, self.max_samples, self.when, self.sizes = net, max_samples, when, []

    def __call__(self, x):
        self.sizes.append(len(x))
        outputs = self.net(x)
        if len(x) > self.max_samples and self.when == "forward":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        if len(x) > self.max_samples:
            outputs.register_hook(self.fail)
        return outputs

    def fail(self, gradient):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")


@pytest.mark.parametrize("when", ["forward", "backward"])
@pytest.mark.parametrize(("max_samples", "sizes"), [(6, [12, 6, 6]), (4, [12, 6, 3, 3, 3, 3])])
def test_too_little_memory_halves_the_micro_batch_and_changes_no_result(max_samples, sizes, when, capfd):
    steps = [[batch(seed=seed)] for seed in range(3)]
    training = Training(PLAIN, small_net(), unchanged, 0, ALONE)
    training.model = LimitedMemory(training.net, max_samples, when)
    losses = [training.train_step(step)[0] for step in steps]
    assert training.model.sizes[: len(sizes)] == sizes
    assert len(training.model.sizes) == len(sizes) + 2 * 12 // sizes[-1]  # later steps begin with what fits
    assert "out of GPU memory with 12 clips at a time: 6 now, with twice the accumulation" in capfd.readouterr().err
    undisturbed = Training(PLAIN, small_net(), unchanged, 0, ALONE)
    assert torch.allclose(torch.stack(losses), torch.stack([undisturbed.train_step(step)[0] for step in steps]))
    assert torch.allclose(weights(training), weights(undisturbed), atol=1e-6)


def test_a_repeated_step_updates_batch_normalisation_once_and_the_log_names_its_batch(capfd):
    whole = batch()
    training = Training(PLAIN, net_with_bn(), unchanged, 0, ALONE)
    training.model = LimitedMemory(training.net, 6)
    training.train_step([whole])
    assert torch.equal(training.net[1].running_mean, trained(net_with_bn(), [split(whole, 2)]).net[1].running_mean)
    assert training.net[1].num_batches_tracked == 2
    assert "6 now, and as many in a batch normalisation" in capfd.readouterr().err


def test_a_single_clip_that_does_not_fit_is_a_user_error():
    training = Training(PLAIN, small_net(), unchanged, 0, ALONE)
    training.model = LimitedMemory(training.net, 0)
    with pytest.raises(UserError, match="one clip of crop 56 and 1 frames .* make crop or frames smaller"):
        training.train_step([batch()])


def test_several_processes_do_not_halve_but_name_the_micro_batch_to_set():
    training = Training(PLAIN, small_net(), unchanged, 0, ALONE)
    training.group, training.model = ProcessGroup(2, 1, 1), LimitedMemory(training.net, 2)
    with pytest.raises(UserError, match="with 12 clips at a time in process 1 of 2: set micro_batch to 6"):
        training.train_step([batch()])


def test_validation_changes_no_weight_and_averages_over_videos():
    training = Training(PLAIN, net_with_bn(), unchanged, 0, ALONE)
    training.train_step([batch()])
    before = copy.deepcopy(training.net.state_dict())
    ((x, _),), labels, _ = whole = batch(10, seed=3)
    loss, accuracy = training.validate(split(whole, 10))
    assert all(torch.equal(tensor, before[name]) for name, tensor in training.net.state_dict().items())
    assert training.net.training
    with torch.no_grad():
        logits = copy.deepcopy(training.net).eval()(x)
    assert loss == pytest.approx(cross_entropy(logits, labels).item(), abs=1e-6)
    assert accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item())


@pytest.mark.parametrize("changes", [{}, {"optimizer": "adam"}])
def test_a_restored_training_continues_as_the_saved_one(changes):
    steps = [[batch(seed=seed)] for seed in range(6)]
    whole = trained(net_with_bn(), steps, **changes)
    state = copy.deepcopy(trained(net_with_bn(), steps[:3], **changes).state_dict())
    resumed = Training(replace(PLAIN, **changes), net_with_bn(), unchanged, 0, ALONE)
    resumed.load_state_dict(state)
    resumed.train_mode()
    for step in steps[3:]:
        resumed.train_step(step)
    assert all(torch.equal(tensor, resumed.net.state_dict()[name]) for name, tensor in whole.net.state_dict().items())


def test_weights_that_are_not_finite_are_refused_with_step_and_rate():
    training = trained(small_net(), [[batch()]])
    training.check_finite()
    with torch.no_grad():
        training.net[2].weight[0, 0] = np.nan
    with pytest.raises(UserError, match=r"2.weight is NaN or infinite after step 1, learning rate 0.1"):
        training.check_finite()


@pytest.mark.parametrize(("size", "micro_batch", "sizes"), [(12, None, [12]), (12, 5, [4, 4, 4]), (7, 3, [3, 2, 2])])
def test_micro_batches_are_of_about_equal_size_within_the_limit(size, micro_batch, sizes):
    assert [len(labels) for _, labels, _ in trainer.split_chunk(batch(size), micro_batch)] == sizes


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler, which is not here")
def test_a_compiled_training_learns_the_same():
    training = Training(PLAIN, small_net(), unchanged, 0, ALONE)
    training.compile()
    for seed in range(3):
        training.train_step([batch(seed=seed)])
    assert type(training.model).__name__ == "OptimizedModule"
    undisturbed = trained(small_net(), [[batch(seed=seed)] for seed in range(3)])
    assert torch.allclose(weights(training), weights(undisturbed), atol=1e-6)
    assert training.state_dict()["net"].keys() == undisturbed.state_dict()["net"].keys()
