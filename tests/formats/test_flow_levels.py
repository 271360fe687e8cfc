"""Quantising flow to 8 bits and back."""

import numpy as np
import pytest

from pipeline.formats.flow_levels import dequantise, quantise


@pytest.mark.parametrize("bound", [20, 15, 32, 0.5])
def test_a_round_trip_is_within_half_a_level(bound):
    flow = np.random.default_rng(0).uniform(-bound, bound, (2, 50, 60)).astype(np.float32)
    assert np.abs(dequantise(quantise(flow, bound), bound) - flow).max() <= bound / 255 * 1.001


def test_larger_motion_than_the_bound_is_clipped():
    assert quantise(np.array([-1e9, -20, 20, 1e9]), 20).tolist() == [0, 0, 255, 255]
    assert dequantise(np.array([0, 255], np.uint8), 20) == pytest.approx([-20, 20], abs=1e-4)


def test_no_motion_is_level_128():
    assert quantise(np.zeros(3), 20).tolist() == [128] * 3
    assert np.abs(dequantise(quantise(np.zeros(3), 20), 20)).max() == pytest.approx(20 / 255, rel=1e-4)


def test_levels_survive_another_round_trip_unchanged():
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(quantise(dequantise(levels, 20), 20), levels)
