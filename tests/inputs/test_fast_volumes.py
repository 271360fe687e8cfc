"""Training samples that are written picture by picture are those of whole clips that are read and then cut."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.common.errors import UserError
from pipeline.inputs import clip_sampling, clip_volumes, crops, fast_volumes
from pipeline.inputs.readers import frame_count
from tests.helpers.tinydata import RECIPE, smooth, tiny_shards

BOTH = replace(RECIPE, stack={"rgb": 1, "flow": 2}, frames=3, stride=2, short_side=24, crop=16)
KINDS = {
    "one frame": {"stack": {"rgb": 1}, "frames": None},
    "eleven frames beyond the end": {"stack": {"rgb": 11}, "frames": None, "padding": "loop"},
    "a stack of flow": {"stack": {"flow": 5}, "frames": None, "mean_subtraction": True},
    "both in time": {},
    "with means": {"mean_subtraction": True},
    "shrunk and stretched": {"crop_scales": [1.3, 1.0, 0.6], "crop_scale_jitter": 0.25},
    "enlarged": {"crop": 20, "crop_scales": [0.4]},
    "trajectories": {"stack": {"flow": 4}, "frames": None, "flow_stack": "trajectories", "mean_subtraction": True},
    "differences": {"stack": {"rgb": 1, "difference": 1}, "padding": "reflect"},
}


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """A video of 9 frames, and one whose flow points right so far that the sum of its levels is beyond 24 bits."""
    random = np.random.default_rng(0)
    flow = {"v": random.integers(0, 256, (8, 2, 24, 32)).astype(np.uint8)}
    made = {"rgb": {"v": smooth(9, 24, 32)}, "flow": flow}
    return {name: tiny_shards(tmp_path_factory.mktemp(name), videos, name) for name, videos in made.items()}


def both_ways(readers, recipe, seed):
    """The same draws for a sample that is written, and for one that is read whole and cut."""
    generator = np.random.default_rng(seed)
    times = clip_sampling.random_clip(recipe, frame_count(readers, "v"), generator)
    state, room = generator.bit_generator.state, fast_volumes.allocate(recipe)
    fast_volumes.write_clip(room, readers, recipe, "v", times, lambda size: crops.random_crop(recipe, size, generator))
    generator.bit_generator.state = state
    volumes = clip_volumes.read_volumes(readers, recipe, "v", times)
    box = crops.random_crop(recipe, clip_volumes.picture_size(volumes), generator)
    return room, clip_volumes.crop_volumes(volumes, box, recipe.frames is not None)


def alike(room, sample):
    pairs = [(a, b.numpy()) for one, two in zip(room, sample, strict=True) for a, b in zip(one, two, strict=True)]
    return all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_that_of_the_clip_read_whole_bit_for_bit(readers, kind):
    recipe = replace(BOTH, **KINDS[kind])
    assert all(alike(*both_ways(readers, recipe, seed)) for seed in range(12))


@pytest.mark.parametrize("level", [130, 250])
def test_means_are_the_same_of_sums_that_32_bits_do_not_hold(tmp_path, level):
    random = np.random.default_rng(1)
    fields = (level + random.integers(-5, 6, (6, 2, 256, 340))).astype(np.uint8)
    readers = {"flow": tiny_shards(tmp_path, {"v": fields}, "flow")}
    recipe = replace(BOTH, **KINDS["a stack of flow"], short_side=256, crop=224)
    assert alike(*both_ways(readers, recipe, 0))


def test_pictures_of_a_video_that_differ_in_size_are_refused(tmp_path):
    pictures = [*smooth(3, 24, 32), *smooth(3, 24, 40)]
    readers = {"rgb": tiny_shards(tmp_path, {"v": pictures}, "rgb")}
    recipe = replace(BOTH, stack={"rgb": 6}, frames=None)
    with pytest.raises(UserError, match="v: rgb 3 is 24x40, others 24x32"):
        both_ways(readers, recipe, 0)
