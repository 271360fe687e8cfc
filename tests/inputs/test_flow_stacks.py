"""Inputs of the temporal stream: eq. 1 and 2 of arXiv 1406.2199, and both directions of time."""

import numpy as np
import pytest

from pipeline.common.errors import UserError
from pipeline.inputs.flow_stacks import bidirectional, simple, trajectories


def numbered(count, height=4, width=5):
    """Fields whose displacements say which field and component they are."""
    return np.arange(count * 2, dtype=np.float32).reshape(count, 2, 1, 1) * np.ones((1, 1, height, width), np.float32)


def test_a_stack_has_x_and_y_of_each_field_in_turn():
    assert simple(numbered(9), 2, 3)[:, 0, 0].tolist() == [4, 5, 6, 7, 8, 9]


def test_without_motion_trajectories_are_stacks_of_the_same_places():
    still = np.zeros((4, 2, 6, 7), np.float32)
    assert np.array_equal(trajectories(still, 0, 4), simple(still, 0, 4))


def test_trajectories_read_the_second_field_where_the_first_leads():
    fields = np.zeros((2, 2, 1, 8), np.float32)
    fields[0, 0] = 2  # everything moves two pixels to the right
    fields[1, 0, 0] = np.arange(8)
    assert trajectories(fields, 0, 2)[2, 0].tolist() == [2, 3, 4, 5, 6, 7, 7, 7]


def test_trajectories_follow_a_steady_rotation_back_to_where_they_began():
    y, x = np.mgrid[-20:21, -20:21].astype(np.float32)
    turn = np.exp(2j * np.pi / 8) - 1
    step = (x + 1j * y) * turn
    fields = np.repeat(np.stack([step.real, step.imag])[None], 8, axis=0).astype(np.float32)
    path = trajectories(fields, 0, 8).reshape(8, 2, 41, 41).sum(axis=0)
    assert np.abs(path[:, 12:-12, 12:-12]).max() < 1e-3


def test_a_bidirectional_stack_has_the_future_then_the_past_each_from_the_centre():
    forward, backward = numbered(6), -numbered(6)
    assert bidirectional(forward, backward, 3, 4)[::2, 0, 0].tolist() == [6, 8, -4, -2]


@pytest.mark.parametrize(("start", "length"), [(0, 7), (5, 2), (-1, 2)])
def test_a_stack_beyond_the_clip_is_refused_in_a_sentence(start, length):
    with pytest.raises(UserError, match="has 6 fields"):
        simple(numbered(6), start, length)


@pytest.mark.parametrize(("centre", "length", "says"), [(3, 3, "even"), (1, 4, "start at frame 2"), (5, 4, "6 fields")])
def test_a_bidirectional_stack_that_does_not_fit_is_refused_in_a_sentence(centre, length, says):
    with pytest.raises(UserError, match=says):
        bidirectional(numbered(6), numbered(6), centre, length)
