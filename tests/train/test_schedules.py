"""The learning rate of a step."""

import copy
from dataclasses import replace

import pytest

from pipeline.train.schedules import Schedule
from tests.helpers.tinydata import RECIPE

PLATEAU = {"milestones": [], "plateau": {"every": 5, "patience": 2, "hold_out": 0.1}, "lr": 1.0}


def rates(steps, **changes):
    schedule = Schedule(replace(RECIPE, **{"lr": 1.0, "milestones": [], **changes}))
    return [schedule.lr(step) for step in steps]


def told(losses, schedule=None):
    """The rate after each of some validation losses."""
    schedule = schedule or Schedule(replace(RECIPE, **PLATEAU))
    found = []
    for loss in losses:
        schedule.step(loss)
        found.append(schedule.lr(0))
    return found


def test_the_rate_is_a_tenth_from_each_drop_on():
    assert rates((0, 9, 10, 19, 20), milestones=[10, 20]) == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_the_factor_of_a_drop_is_the_recipes():
    assert rates((9, 10), milestones=[10], gamma=0.5) == [1, 0.5]


def test_warm_up_rises_in_equal_steps_to_the_rate():
    assert rates(range(6), warmup_steps=4) == [0.25, 0.5, 0.75, 1, 1, 1]


def test_the_rate_falls_when_validation_has_not_improved_for_its_patience():
    assert told([3, 2, 2.5, 2, 1, 1.5, 1.5, 1.5, 1.5]) == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001])


def test_an_improvement_begins_the_waiting_anew():
    assert told([3, 3.5, 2.9, 3, 2.8, 3]) == [1] * 6


def test_validation_is_due_every_so_many_steps_or_never():
    schedule = Schedule(replace(RECIPE, **PLATEAU))
    assert [step for step in range(1, 16) if schedule.should_validate(step)] == [5, 10, 15]
    assert not Schedule(RECIPE).should_validate(5)


def test_a_plateaus_state_goes_on_in_another_schedule():
    losses = [3, 3.5, 4, 3.5, 4, 2, 3, 3]
    first = Schedule(replace(RECIPE, **PLATEAU))
    begun = told(losses[:4], first)
    second = Schedule(replace(RECIPE, **PLATEAU))
    second.state = copy.deepcopy(first.state)
    assert begun + told(losses[4:], second) == told(losses)
