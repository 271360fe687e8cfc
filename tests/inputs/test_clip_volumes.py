"""Inputs: what is read of a video and cut from its pictures."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.common.errors import UserError
from pipeline.formats.flow_levels import dequantise
from pipeline.inputs import clip_volumes, crops, fast_volumes, flow_stacks
from pipeline.inputs.crops import Box
from pipeline.inputs.readers import frame_count
from pipeline.train import dataset
from tests.helpers.tinydata import RECIPE, smooth, tiny_shards

BOTH = replace(RECIPE, stack={"rgb": 1, "flow": 2}, frames=3, mean_subtraction=True)
WHOLE = Box(0, 0, 24, 32, (24, 32), False)


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """One video of 9 frames of 24x32 pixels, and its flow both ways."""
    random = np.random.default_rng(0)
    flow = {"v": random.integers(90, 170, (8, 2, 24, 32)).astype(np.uint8)}
    made = {"rgb": {"v": smooth(9, 24, 32)}, "flow": flow, "backward": {"v": 255 - flow["v"]}}
    return {name: tiny_shards(tmp_path_factory.mktemp(name), videos, name) for name, videos in made.items()}


def stored(readers, modality, numbers=range(8)):
    """Fields in pixels, as they come out of the shards."""
    return dequantise(readers[modality].flow("v", list(numbers)), 20)


def read(readers, times, name="flow", **changes):
    recipe = replace(RECIPE, **{"stack": {name: 4}, **changes})
    return clip_volumes.read_volumes(readers, recipe, "v", times)[name]


def test_a_video_has_one_frame_more_than_flow(readers):
    assert frame_count(readers, "v") == frame_count({"flow": readers["flow"]}, "v") == 9


def test_flow_channels_are_x1_y1_x2_y2_at_each_time(readers):
    ((data, _),) = clip_volumes.crop_volumes({"flow": read(readers, [1, 3])}, WHOLE, True)
    expected = readers["flow"].flow("v", [1, 2, 3, 4, 3, 4, 5, 6]).reshape(2, 8, 24, 32)
    assert data.shape == (8, 2, 24, 32)
    assert (data.numpy() == expected.transpose(1, 0, 2, 3)).all()


def test_rgb_and_flow_are_of_the_same_times(readers):
    volumes = clip_volumes.read_volumes(readers, BOTH, "v", [1, 3, 5])
    assert (volumes["rgb"].pictures == readers["rgb"].rgb("v", [1, 3, 5]).transpose(0, 3, 1, 2)).all()
    assert (volumes["flow"].pictures == readers["flow"].flow("v", [1, 2, 3, 4, 5, 6])).all()


@pytest.mark.parametrize(("past_end", "later"), [("hold", [6, 8, 8]), ("reflect", [6, 8, 6]), ("loop", [6, 8, 1])])
def test_a_difference_is_that_of_a_frame_and_one_some_frames_later(readers, past_end, later):
    found = read(readers, [2, 4, 6], "difference", stack={"difference": 1}, difference_distance=4, padding=past_end)
    here, there = (readers["rgb"].rgb("v", numbers).astype(int).transpose(0, 3, 1, 2) for numbers in ([2, 4, 6], later))
    assert (found.pictures == np.abs(here - there)).all()


def test_mean_subtraction_shifts_each_field_by_its_own_mean(readers):
    found = read(readers, [0, 4], mean_subtraction=True)
    assert found.offset == pytest.approx(-stored(readers, "flow").mean((2, 3)), abs=1e-4)
    assert not read(readers, [0, 4]).offset.any()


@pytest.mark.parametrize("time", [0, 2, 4])
def test_stacks_along_trajectories_are_those_of_eq_2(readers, time):
    found = read(readers, [time], flow_stack="trajectories").pictures.reshape(8, 24, 32)
    assert (found == flow_stacks.trajectories(stored(readers, "flow"), time, 4)).all()


@pytest.mark.parametrize(("way", "follow"), [("bidirectional", False), ("bidirectional trajectories", True)])
def test_bidirectional_stacks_have_their_centre_frame_amid_the_fields_of_their_time(readers, way, follow):
    found = read(readers, [3], flow_stack=way).pictures.reshape(8, 24, 32)
    fields = stored(readers, "flow"), stored(readers, "backward")
    assert (found == flow_stacks.bidirectional(*fields, 5, 4, follow)).all()


def test_the_mean_of_followed_flow_is_subtracted_too(readers):
    found = read(readers, [2], flow_stack="trajectories", mean_subtraction=True)
    assert found.offset == pytest.approx(-found.pictures.mean((2, 3)), abs=1e-5)


def test_a_mirrored_field_moves_the_other_way_to_the_last_level(readers):
    volumes = {"flow": read(readers, [2], mean_subtraction=True)}
    ((plain, shift),) = clip_volumes.crop_volumes(volumes, WHOLE, False)
    ((mirrored, turned),) = clip_volumes.crop_volumes(volumes, WHOLE._replace(flip=True), False)
    assert (mirrored[0::2] == 255 - plain[0::2].flip(-1)).all()
    assert (mirrored[1::2] == plain[1::2].flip(-1)).all()
    assert (turned[0::2] == -shift[0::2]).all()
    assert (turned[1::2] == shift[1::2]).all()


def test_followed_flow_is_mirrored_as_well(readers):
    volumes = {"flow": read(readers, [2], flow_stack="trajectories")}
    ((plain, _),) = clip_volumes.crop_volumes(volumes, WHOLE, False)
    ((mirrored, _),) = clip_volumes.crop_volumes(volumes, WHOLE._replace(flip=True), False)
    assert (mirrored[0::2] == -plain[0::2].flip(-1)).all()


def test_a_mirrored_picture_keeps_its_colours(readers):
    volumes = clip_volumes.read_volumes(readers, RECIPE, "v", [3])
    ((mirrored, shift),) = clip_volumes.crop_volumes(volumes, WHOLE._replace(flip=True), False)
    assert (mirrored.numpy() == volumes["rgb"].pictures[0, :, :, ::-1]).all()
    assert not shift.any()


def test_a_crop_of_the_networks_size_is_cut_out_and_another_resized(readers):
    volumes = clip_volumes.read_volumes(readers, RECIPE, "v", [3])
    ((same, _),) = clip_volumes.crop_volumes(volumes, Box(3, 5, 16, 16, (16, 16), False), False)
    ((half, _),) = clip_volumes.crop_volumes(volumes, Box(4, 8, 16, 16, (8, 8), False), False)
    picture = volumes["rgb"].pictures[0]
    assert (same.numpy() == picture[:, 3:19, 5:21]).all()
    means = picture[:, 4:20, 8:24].reshape(3, 8, 2, 8, 2).mean((2, 4))
    assert np.abs(half.numpy() - means).max() <= 0.5


def test_a_resized_field_keeps_its_values(readers):
    volumes = {
        "flow": clip_volumes.Volume(np.full((1, 2, 24, 32), 99, np.uint8), np.zeros((1, 2), np.float32), 1, (0,))
    }
    ((large, _),) = clip_volumes.crop_volumes(volumes, Box(0, 0, 12, 16, (24, 32), False), False)
    assert (large == 99).all()


def test_every_picture_of_a_clip_is_cropped_and_jittered_alike(readers):
    sample = clip_volumes.crop_volumes(clip_volumes.read_volumes(readers, BOTH, "v", [0, 2, 4]), WHOLE, True)
    room = [(data.numpy(), shift.numpy().copy()) for data, shift in sample]
    fast_volumes.add_rgb_jitter(room, ["rgb", "flow"], 0.1, np.random.default_rng(0))
    (_, rgb), (_, flow) = room
    assert (rgb == rgb[:, :1]).all()
    assert len(set(rgb[:, 0].tolist())) == 3
    assert (flow == sample[1][1].numpy()).all()


def test_a_training_clip_depends_on_its_generator_alone(readers):
    recipe = replace(BOTH, short_side=24, crop=16, crop_scales=[1, 0.8])
    first, again, other = (
        dataset.training_clip(readers, "v", recipe, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert all((a == b).all() for one, two in zip(first, again, strict=True) for a, b in zip(one, two, strict=True))
    assert any((a != b).any() for one, two in zip(first, other, strict=True) for a, b in zip(one, two, strict=True))
    assert [data.shape for data, _ in first] == [(3, 3, 16, 16), (4, 3, 16, 16)]


def test_frames_and_flow_of_different_sizes_are_refused_with_both(readers, tmp_path):
    small = tiny_shards(tmp_path, {"v": smooth(9, 16, 16)}, "rgb")
    volumes = clip_volumes.read_volumes({**readers, "rgb": small}, BOTH, "v", [0])
    with pytest.raises(UserError, match=r"pictures are \(16, 16\) but those of flow \(24, 32\)"):
        clip_volumes.picture_size(volumes)


@pytest.mark.parametrize("flip", [False, True])
def test_a_test_crop_is_the_same_part_of_frames_and_flow(readers, flip):
    box = crops.test_crop(replace(BOTH, short_side=24, crop=16), (24, 32), "bottom right", flip)
    (rgb, _), (flow, _) = clip_volumes.crop_volumes(clip_volumes.read_volumes(readers, BOTH, "v", [4]), box, True)
    whole = readers["rgb"].rgb("v", [4])[0].transpose(2, 0, 1)[:, 8:, 16:]
    field = readers["flow"].flow("v", [4])[0, 1, 8:, 16:]
    assert (rgb[:, 0].numpy() == whole[..., :: -1 if flip else 1]).all()
    assert (flow[1, 0].numpy() == field[..., :: -1 if flip else 1]).all()
