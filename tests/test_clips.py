"""Clips: what a network sees."""

import numpy as np
import pytest

from pipeline import clips
from pipeline.errors import UserError
from pipeline.quantise import quantise
from tests.tinydata import RECIPE, tiny_shards


def test_a_clip_past_the_end_holds_the_last_picture():
    assert clips.numbers(start=2, length=5, count=4) == [2, 3, 3, 3, 3]


def test_a_mirrored_flow_moves_the_other_way():
    flow = np.zeros((1, 2, 4, 6), np.float32)
    flow[:, 0, :, 0] = 3  # the left column moves right by 3
    flow[:, 1] = 2
    mirrored = clips.flip(flow, "flow")
    assert (mirrored[:, 0, :, -1] == -3).all()  # the right column moves left by 3
    assert (mirrored[:, 1] == 2).all()


def test_a_mirrored_picture_keeps_its_colours():
    frame = np.arange(3 * 4 * 6, dtype=np.float32).reshape(1, 3, 4, 6)
    assert (clips.flip(frame, "rgb") == frame[..., ::-1]).all()


def test_a_flow_stack_is_x1_y1_x2_y2():
    clip = np.array([[1, 2], [3, 4]], np.float32).reshape(2, 2, 1, 1)
    assert clips.stack(clip).ravel().tolist() == [1, 2, 3, 4]


def test_corners_and_centre_lie_where_they_are_named():
    places = [
        clips.corner(place, 60, 80, 56) for place in ("top left", "top right", "bottom left", "bottom right", "centre")
    ]
    assert places == [(0, 0), (0, 24), (4, 0), (4, 24), (2, 12)]


def test_a_crop_larger_than_the_picture_is_refused_with_both_sizes():
    with pytest.raises(UserError, match="224 pixels but pictures 80x60"):
        clips.corner("centre", 60, 80, 224)


def test_mean_subtraction_removes_a_camera_pan(tmp_path):
    panned = quantise(np.full((3, 2, 64, 64), 5.0, np.float32), bound=20)
    reader = tiny_shards(tmp_path, {"a": panned}, "flow")
    assert np.abs(clips.read(reader, "a", [0, 1, 2], mean_subtraction=True)).max() < 1e-5
    assert clips.read(reader, "a", [0]).mean() == pytest.approx(5, abs=20 / 255)


def test_augmentation_depends_on_its_generator_alone(tmp_path):
    reader = tiny_shards(tmp_path, {"a": np.random.default_rng(0).integers(0, 255, (20, 64, 64, 3), np.uint8)}, "rgb")
    first, again, other = (clips.augmented(reader, "a", RECIPE, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert first.shape == (1, 3, 56, 56)
