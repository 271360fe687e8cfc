"""Descriptors of synthetic volumes against calculations by hand."""

import numpy as np
import pytest

from pipeline.idt.active_tracks import ActiveTracks
from pipeline.idt.histograms import magnitudes_and_angles
from pipeline.idt.parameters import TRACK_LENGTH, Parameters
from pipeline.idt.tracks import describe, split_by_kind
from tests.helpers.idtscenes import texture

SIZE = (48, 56)
CELL = 16 * 16  # pixels
Y, X = np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float32)


def volume(grey, flow, steps=TRACK_LENGTH, at=(27, 23)):
    """Histograms (3 parts, 4 cells, 33) of a track that stands at `at` while grey and flow stay as they are."""
    tracks = ActiveTracks(*SIZE, Parameters())
    slot = tracks._allocate(1)
    tracks.position[slot, 0], tracks.age[slot], tracks.sums[slot], tracks.active = at, 0, 0, slot
    no_flow = np.zeros((2, *SIZE), np.float32)
    for _ in range(steps):
        tracks.advance(grey, no_flow, np.asarray(flow, np.float32))
    return tracks.histograms(slot)[0]


def flat():
    return np.zeros(SIZE, np.uint8)


def test_a_ramp_votes_for_its_direction_with_its_slope():
    cells = volume((4 * X).astype(np.uint8), np.zeros((2, *SIZE)))[..., :8]  # grey rises by 4: neighbours differ by 8
    assert cells[..., 0] == pytest.approx(5 * CELL * 8)  # five frames a part in time
    assert cells[..., 1:] == pytest.approx(0, abs=CELL * 0.2)


def test_flow_between_two_directions_votes_for_both():
    angle = np.deg2rad(45 + 15)  # a third of the way from the second direction to the third
    flow = 3 * np.stack([np.full(SIZE, np.cos(angle)), np.full(SIZE, np.sin(angle))])
    cells = volume(flat(), flow)[..., 8:17]
    assert cells[..., 1] == pytest.approx(5 * CELL * 3 * 2 / 3, rel=0.01)
    assert cells[..., 2] == pytest.approx(5 * CELL * 3 * 1 / 3, rel=0.01)
    assert cells[..., [0, 3, 4, 5, 6, 7, 8]] == pytest.approx(0)


def test_small_flow_votes_for_no_motion_once_a_pixel():
    cells = volume(flat(), np.full((2, *SIZE), 0.2))[..., 8:17]
    assert cells[..., 8] == pytest.approx(5 * CELL)
    assert cells[..., :8] == pytest.approx(0)


def test_motion_boundaries_are_the_gradients_of_each_component_of_flow():
    flow = np.stack([0.5 * Y, -0.25 * X])
    cells = volume(flat(), flow)
    assert cells[..., 17 + 2] == pytest.approx(5 * CELL * 1.0, rel=0.01)  # x grows downwards: 90 degrees
    assert cells[..., 25 + 4] == pytest.approx(5 * CELL * 0.5, rel=0.01)  # y falls to the right: 180 degrees
    assert volume(flat(), np.full((2, *SIZE), 3.0))[..., 17:] == pytest.approx(0)  # uniform flow has none


def test_cells_are_ordered_by_row_and_time_cells_are_five_steps():
    grey = flat()
    grey[:, 27:] = 100  # the edge lies in the columns 26 and 27, where the right cells begin
    cells = volume(grey, np.zeros((2, *SIZE)), steps=6)[..., 0]
    assert cells[0] == pytest.approx(np.array([1, 1, 1, 1]) * 5 * 16 * 100)
    assert cells[1] == pytest.approx(cells[0] / 5)
    assert cells[2] == pytest.approx(0)


@pytest.mark.parametrize("at", [(27, 23), (3.4, 46.6), (54, 1)])
def test_a_cell_is_the_sum_of_its_pixels_votes(at):
    random = np.random.default_rng(1)
    grey, flow = texture(*SIZE), random.normal(0, 2, (2, *SIZE)).astype(np.float32)
    left, top = np.clip(np.rint(at).astype(int) - 16, 0, (SIZE[1] - 32, SIZE[0] - 32))
    cells = volume(grey, flow, 1, at)[0]
    planes = magnitudes_and_angles(grey, flow)
    for number in range(4):
        y, x = top + number // 2 * 16, left + number % 2 * 16
        part = planes[:, y : y + 16, x : x + 16]
        expected = np.concatenate([sum_votes(*part[2 * kind : 2 * kind + 2], still=kind == 1) for kind in range(4)])
        assert cells[number] == pytest.approx(expected, rel=0.01, abs=0.3)


def sum_votes(lengths, angles, still):
    """Votes of a cell, a pixel at a time."""
    bins = np.zeros(8 + still)
    for length, angle in zip(lengths.ravel(), angles.ravel(), strict=True):
        if still and length <= 0.4:
            bins[8] += 1
            continue
        below = int(angle // 45)
        bins[below % 8] += length * (1 - (angle / 45 - below))
        bins[(below + 1) % 8] += length * (angle / 45 - below)
    return bins


def test_a_descriptor_has_the_papers_lengths():
    parts = split_by_kind(describe(np.ones((2, 15, 2), np.float32), np.ones((2, 3, 4, 33), np.float32)))
    assert {kind: part.shape[1] for kind, part in parts.items()} == {
        "trajectory": 30, "hog": 96, "hof": 108, "mbhx": 96, "mbhy": 96
    }  # fmt: skip
