"""Normalisation on the device is the plain arithmetic of the papers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.inputs import clip_volumes, fast_volumes
from pipeline.inputs.normalise import Normaliser
from tests.helpers.tinydata import RECIPE, smooth, tiny_shards

MEAN, DEVIATION = (np.array(values).reshape(3, 1, 1, 1) for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    levels = np.random.default_rng(0).integers(0, 256, (8, 2, 24, 32)).astype(np.uint8)
    folders = (tmp_path_factory.mktemp(name) for name in ("rgb", "flow"))
    rgb, flow = tiny_shards(next(folders), {"v": smooth(9, 24, 32)}, "rgb"), {"v": levels}
    return {"rgb": rgb, "flow": tiny_shards(next(folders), flow, "flow")}


def normalised(readers, times, **changes):
    """Every input of a clip of whole pictures as the network takes it, without the batch."""
    recipe = replace(RECIPE, frames=len(times), **changes)
    sample = clip_volumes.crop_volumes(
        clip_volumes.read_volumes(readers, recipe, "v", times), clip_volumes.Box(0, 0, 24, 32, (24, 32), False), True
    )
    return [x[0].numpy() for x in Normaliser(recipe, readers, CPU)(clip_volumes.collate([sample]))]


def frames(readers, times):
    return readers["rgb"].rgb("v", times).transpose(3, 0, 1, 2) / 255  # (3, T, H, W)


def test_rgb_has_imagenets_mean_taken_off_and_is_divided_by_its_deviation(readers):
    (found,) = normalised(readers, [0, 4])
    assert np.allclose(found, (frames(readers, [0, 4]) - MEAN) / DEVIATION, atol=1e-5)


def test_stacked_frames_are_normalised_each(readers):
    (found,) = normalised(readers, [2], stack={"rgb": 3})
    expected = (frames(readers, [2, 3, 4]) - MEAN) / DEVIATION
    assert np.allclose(found[:, 0], expected.transpose(1, 0, 2, 3).reshape(9, 24, 32), atol=1e-5)


def test_a_difference_has_no_mean_to_take_off(readers):
    (found,) = normalised(readers, [0, 4], stack={"difference": 1}, difference_distance=3)
    expected = np.abs(frames(readers, [0, 4]) - frames(readers, [3, 7])) / DEVIATION
    assert np.allclose(found, expected, atol=1e-5)


def test_flow_is_in_pixels(readers):
    (found,) = normalised(readers, [3], stack={"flow": 2})
    assert np.allclose(found[:, 0], readers["flow"].flow("v", [3, 4]).reshape(4, 24, 32) / 255 * 40 - 20, atol=1e-5)


@pytest.mark.parametrize("way", ["simple", "trajectories"])
def test_a_field_without_its_mean_has_none_and_is_else_the_same(readers, way):
    plain, centred = (
        normalised(readers, [0, 5], stack={"flow": 2}, flow_stack=way, mean_subtraction=on)[0] for on in (False, True)
    )
    assert np.abs(centred.mean((2, 3))).max() < 1e-5
    assert np.allclose(plain - plain.mean((2, 3), keepdims=True), centred, atol=1e-4)


def test_every_input_has_its_own_arithmetic_in_the_recipes_order(readers):
    both = normalised(readers, [1, 2], stack={"flow": 1, "rgb": 1})
    alone = [normalised(readers, [1, 2], stack={name: 1})[0] for name in ("flow", "rgb")]
    assert all(np.array_equal(a, b) for a, b in zip(both, alone, strict=True))


def test_jitter_shifts_all_of_a_channel_alike(readers):
    recipe = replace(RECIPE, frames=2)
    box = clip_volumes.Box(0, 0, 24, 32, (24, 32), False)
    sample = clip_volumes.crop_volumes(clip_volumes.read_volumes(readers, recipe, "v", [0, 1]), box, True)
    room = [(data.numpy(), shift.numpy().copy()) for data, shift in sample]
    fast_volumes.add_rgb_jitter(room, ["rgb"], 0.1, np.random.default_rng(0))
    jittered = fast_volumes.as_tensors(room)
    (one,), (two,) = (Normaliser(recipe, readers, CPU)(clip_volumes.collate([x])) for x in (sample, jittered))
    drawn = np.random.default_rng(0).normal(0, 0.1, 3).reshape(1, 3, 1, 1, 1)
    assert np.allclose((two - one).numpy(), np.broadcast_to(drawn, one.shape), atol=1e-5)


def test_without_a_time_axis_there_is_none(readers):
    recipe = replace(RECIPE, stack={"rgb": 1, "flow": 2})
    volumes = clip_volumes.read_volumes(readers, recipe, "v", [1])
    sample = clip_volumes.crop_volumes(volumes, clip_volumes.Box(0, 0, 24, 32, (24, 32), False), False)
    found = Normaliser(recipe, readers, CPU)(clip_volumes.collate([sample, sample]))
    assert [x.shape for x in found] == [(2, 3, 24, 32), (2, 4, 24, 32)]
