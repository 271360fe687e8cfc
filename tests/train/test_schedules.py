"""The learning rate of a step."""

import copy
from dataclasses import replace

import pytest

from pipeline.train.schedules import Schedule
from tests.helpers.tinydata import RECIPE

PLATEAU = {"milestones": [], "plateau": {"every": 5, "patience": 2, "hold_out": 0.1}, "lr": 1.0}


def lrs(steps, **changes):
    schedule = Schedule(replace(RECIPE, **{"lr": 1.0, "milestones": [], **changes}))
    return [schedule.lr(step) for step in steps]


def lr_after(losses, schedule=None):
    """The learning rate after each validation loss."""
    schedule = schedule or Schedule(replace(RECIPE, **PLATEAU))
    lrs = []
    for loss in losses:
        schedule.step(loss)
        lrs.append(schedule.lr(0))
    return lrs


def test_the_rate_drops_to_a_tenth_at_each_milestone():
    assert lrs((0, 9, 10, 19, 20), milestones=[10, 20]) == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_gamma_is_the_recipes():
    assert lrs((9, 10), milestones=[10], gamma=0.5) == [1, 0.5]


def test_warm_up_rises_in_equal_steps_to_the_rate():
    assert lrs(range(6), warmup_steps=4) == [0.25, 0.5, 0.75, 1, 1, 1]


def test_the_rate_falls_when_validation_has_not_improved_for_its_patience():
    assert lr_after([3, 2, 2.5, 2, 1, 1.5, 1.5, 1.5, 1.5]) == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001])


def test_an_improvement_resets_the_patience():
    assert lr_after([3, 3.5, 2.9, 3, 2.8, 3]) == [1] * 6


def test_validation_comes_at_the_plateaus_interval_or_never():
    schedule = Schedule(replace(RECIPE, **PLATEAU))
    assert [step for step in range(1, 16) if schedule.should_validate(step)] == [5, 10, 15]
    assert not Schedule(RECIPE).should_validate(5)


def test_a_plateaus_state_can_be_restored_in_another_schedule():
    losses = [3, 3.5, 4, 3.5, 4, 2, 3, 3]
    first = Schedule(replace(RECIPE, **PLATEAU))
    first_lrs = lr_after(losses[:4], first)
    second = Schedule(replace(RECIPE, **PLATEAU))
    second.state = copy.deepcopy(first.state)
    assert first_lrs + lr_after(losses[4:], second) == lr_after(losses)
