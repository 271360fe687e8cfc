"""A step of training: what it computes does not depend on memory, and is the recipe's."""

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
from pipeline.train.distributed import World
from pipeline.train.trainer import Training
from tests.helpers.tinydata import RECIPE

ALONE = World(1, 0, 0)
PLAIN = replace(RECIPE, batch=12, lr=0.1, milestones=[], weight_decay=0.0, rgb_jitter=0.0, options={})


def as_it_is(sample):
    return [data for data, _ in sample]


as_it_is.device = torch.device("cpu")


class Two(nn.Module):
    """Logits of two heads, for two tasks or as two losses."""

    def __init__(self):
        super().__init__()
        self.trunk, self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 3), nn.Linear(5, 3)

    def forward(self, x):
        hidden = self.trunk(x).relu()
        return self.a(hidden), self.b(hidden)


def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def normed():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def two():
    torch.manual_seed(0)
    return Two()


def batch(size=12, seed=0, tasks=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, 6, generator=generator)
    labels = torch.randint(3, (size,), generator=generator)
    return ((x, torch.zeros(size, 6)),), labels, torch.arange(size) % tasks


def chunks(whole, count):
    return trainer.split(whole, -(-len(whole[1]) // count))


def trained(net, batches, **changes):
    """The training after a step on each of some batches, each a list of chunks."""
    made = Training(replace(PLAIN, **changes), net, as_it_is, 0, ALONE)
    made.ready()
    for step in batches:
        made.update(step)
    return made


def weights(made):
    return torch.cat([parameter.detach().flatten() for parameter in made.net.parameters()])


def gradients(made):
    return torch.cat([parameter.grad.flatten() for parameter in made.net.parameters()])


@pytest.mark.parametrize("count", [2, 3, 12])
@pytest.mark.parametrize(("net", "tasks", "changes"), [(plain, 1, {}), (two, 2, {"partner": "tasks"}), (two, 1, {})])
def test_a_batch_in_parts_has_the_gradients_of_the_whole(net, tasks, changes, count):
    whole = batch(tasks=tasks)
    alone, parts = (trained(net(), [step], **changes) for step in ([whole], chunks(whole, count)))
    assert torch.allclose(gradients(alone), gradients(parts), atol=1e-6)


def test_the_loss_and_accuracy_of_a_step_are_the_batchs_before_it():
    ((x, _),), labels, _ = batch()
    logits = plain()(x)
    loss, accuracy = Training(PLAIN, plain(), as_it_is, 0, ALONE).update(chunks(batch(), 3))
    assert loss.item() == pytest.approx(cross_entropy(logits, labels).item(), abs=1e-6)
    assert accuracy.item() == pytest.approx((logits.argmax(1) == labels).float().mean().item())


def test_the_losses_of_two_tasks_are_each_ones_mean_added_up():
    ((x, _),), labels, tasks = batch(tasks=2)
    a, b = two()(x)
    expected = cross_entropy(a[tasks == 0], labels[tasks == 0]) + cross_entropy(b[tasks == 1], labels[tasks == 1])
    loss, _ = Training(replace(PLAIN, partner="tasks"), two(), as_it_is, 0, ALONE).update([batch(tasks=2)])
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize(("way", "share"), [("sum", 1), ("mean", 0.5)])
def test_several_logits_of_one_task_each_have_a_loss(way, share):
    ((x, _),), labels, _ = batch()
    expected = sum(cross_entropy(logits, labels) for logits in two()(x)).item() * share
    loss, _ = Training(replace(PLAIN, loss_reduction=way), two(), as_it_is, 0, ALONE).update([batch()])
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_chunks_are_normalised_each_by_its_own_statistics():
    """ST-ResNet's and I3D's batches are normalised in parts: bn_batch."""
    whole = batch()
    made = trained(normed(), [chunks(whole, 3)])
    net = normed()
    ((x, _),), labels, _ = whole
    loss = sum(cross_entropy(net(x[4 * n : 4 * n + 4]), labels[4 * n : 4 * n + 4]) for n in range(3)) / 3
    loss.backward()
    assert torch.allclose(gradients(made), torch.cat([p.grad.flatten() for p in net.parameters()]), atol=1e-6)
    assert torch.allclose(made.net[1].running_mean, net[1].running_mean)


def test_long_gradients_are_shortened_to_the_recipes_norm_and_short_ones_kept():
    free = trained(plain(), [[batch()]])
    norm = gradients(free).norm().item()
    assert gradients(trained(plain(), [[batch()]], max_grad_norm=norm / 2)).norm().item() == pytest.approx(
        norm / 2, rel=1e-4
    )
    assert torch.equal(gradients(trained(plain(), [[batch()]], max_grad_norm=norm * 2)), gradients(free))


def test_sgd_goes_down_by_the_rate_of_its_step():
    made = trained(plain(), [[batch()]], warmup_steps=4)
    start = torch.cat([parameter.detach().flatten() for parameter in plain().parameters()])
    assert torch.allclose(weights(made), start - 0.1 / 4 * gradients(made))


@pytest.mark.parametrize("epsilon", [1e-8, 0.1])
def test_adams_first_step_is_its_gradient_over_its_size_and_epsilon(epsilon):
    made = trained(plain(), [[batch()]], optimizer="adam", eps=epsilon)
    start = torch.cat([parameter.detach().flatten() for parameter in plain().parameters()])
    slope = gradients(made)
    assert torch.allclose(weights(made), start - 0.1 * slope / (slope.abs() + epsilon), atol=1e-5)


def test_a_head_that_trains_alone_leaves_the_rest_and_its_moments_as_they_were():
    net = normed()
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.startswith("3."))
    before = copy.deepcopy(net.state_dict())
    made = trained(net, [[batch()], [batch(seed=1)]], trainable="head", weight_decay=0.1)
    changed = {name for name, tensor in made.net.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"3.weight", "3.bias"}


def test_a_steps_random_numbers_depend_on_seed_step_and_process_alone():
    def dropped(step, seed=0, rank=0):
        made = Training(PLAIN, nn.Sequential(plain(), nn.Dropout(0.5)), as_it_is, seed, World(1, rank, 0))
        made.ready()
        made.step = step
        torch.randn(step)  # whatever was drawn before
        return made.update([batch()])[0].item()

    assert dropped(5) == dropped(5)
    assert len({dropped(5), dropped(6), dropped(5, seed=1), dropped(5, rank=1)}) == 4


class Full:
    """A network that runs out of memory with more than `most` samples, in its forward or its backward pass."""

    def __init__(self, net, most, when="forward"):
        self.net, self.most, self.when, self.sizes = net, most, when, []

    def __call__(self, x):
        self.sizes.append(len(x))
        made = self.net(x)
        if len(x) > self.most and self.when == "forward":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        if len(x) > self.most:
            made.register_hook(self.fail)
        return made

    def fail(self, gradient):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")


@pytest.mark.parametrize("when", ["forward", "backward"])
@pytest.mark.parametrize(("most", "sizes"), [(6, [12, 6, 6]), (4, [12, 6, 3, 3, 3, 3])])
def test_too_little_memory_halves_the_parts_says_so_and_changes_nothing(most, sizes, when, capfd):
    steps = [[batch(seed=seed)] for seed in range(3)]
    made = Training(PLAIN, plain(), as_it_is, 0, ALONE)
    made.call = Full(made.net, most, when)
    losses = [made.update(step)[0] for step in steps]
    assert made.call.sizes[: len(sizes)] == sizes
    assert len(made.call.sizes) == len(sizes) + 2 * 12 // sizes[-1]  # later steps begin with what fits
    assert "out of GPU memory with 12 clips at a time: 6 now, with twice the accumulation" in capfd.readouterr().err
    undisturbed = Training(PLAIN, plain(), as_it_is, 0, ALONE)
    assert torch.allclose(torch.stack(losses), torch.stack([undisturbed.update(step)[0] for step in steps]))
    assert torch.allclose(weights(made), weights(undisturbed), atol=1e-6)


def test_a_step_that_begins_anew_counts_its_moments_once_and_tells_what_normalisation_sees(capfd):
    whole = batch()
    made = Training(PLAIN, normed(), as_it_is, 0, ALONE)
    made.call = Full(made.net, 6)
    made.update([whole])
    assert torch.equal(made.net[1].running_mean, trained(normed(), [chunks(whole, 2)]).net[1].running_mean)
    assert made.net[1].num_batches_tracked == 2
    assert "6 now, which batch normalisation sees" in capfd.readouterr().err


def test_one_clip_that_does_not_fit_is_a_sentence_with_its_size_and_the_way_out():
    made = Training(PLAIN, plain(), as_it_is, 0, ALONE)
    made.call = Full(made.net, 0)
    with pytest.raises(UserError, match="one clip of crop 56 and 1 frames .* make crop or frames smaller"):
        made.update([batch()])


def test_several_processes_do_not_halve_but_say_what_would():
    made = Training(PLAIN, plain(), as_it_is, 0, ALONE)
    made.world, made.call = World(2, 1, 1), Full(made.net, 2)
    with pytest.raises(UserError, match="with 12 clips at a time in process 1 of 2: set micro_batch to 6"):
        made.update([batch()])


def test_validation_learns_nothing_and_is_the_mean_over_videos():
    made = Training(PLAIN, normed(), as_it_is, 0, ALONE)
    made.update([batch()])
    before = copy.deepcopy(made.net.state_dict())
    ((x, _),), labels, _ = whole = batch(10, seed=3)
    loss, accuracy = made.validate(chunks(whole, 10))
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.net.state_dict().items())
    assert made.net.training
    with torch.no_grad():
        logits = copy.deepcopy(made.net).eval()(x)
    assert loss == pytest.approx(cross_entropy(logits, labels).item(), abs=1e-6)
    assert accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item())


@pytest.mark.parametrize("changes", [{}, {"optimizer": "adam"}])
def test_a_restored_training_goes_on_as_the_saved_one(changes):
    steps = [[batch(seed=seed)] for seed in range(6)]
    whole = trained(normed(), steps, **changes)
    state = copy.deepcopy(trained(normed(), steps[:3], **changes).state())
    resumed = Training(replace(PLAIN, **changes), normed(), as_it_is, 0, ALONE)
    resumed.restore(state)
    resumed.ready()
    for step in steps[3:]:
        resumed.update(step)
    assert all(torch.equal(tensor, resumed.net.state_dict()[name]) for name, tensor in whole.net.state_dict().items())


def test_weights_that_are_no_numbers_are_refused_with_step_and_rate():
    made = trained(plain(), [[batch()]])
    made.refuse_no_numbers()
    with torch.no_grad():
        made.net[2].weight[0, 0] = np.nan
    with pytest.raises(UserError, match=r"2.weight holds what is no number after step 1, learning rate 0.1"):
        made.refuse_no_numbers()


@pytest.mark.parametrize(("size", "part", "sizes"), [(12, None, [12]), (12, 5, [4, 4, 4]), (7, 3, [3, 2, 2])])
def test_parts_are_about_equal_and_within_their_limit(size, part, sizes):
    assert [len(labels) for _, labels, _ in trainer.split(batch(size), part)] == sizes


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler, which is not here")
def test_a_compiled_training_learns_the_same():
    made = Training(PLAIN, plain(), as_it_is, 0, ALONE)
    made.compile()
    for seed in range(3):
        made.update([batch(seed=seed)])
    assert type(made.call).__name__ == "OptimizedModule"
    undisturbed = trained(plain(), [[batch(seed=seed)] for seed in range(3)])
    assert torch.allclose(weights(made), weights(undisturbed), atol=1e-6)
    assert made.state()["net"].keys() == undisturbed.state()["net"].keys()
