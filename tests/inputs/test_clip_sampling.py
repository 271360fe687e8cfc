"""Clips: which pictures a network sees of a video."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from pipeline.inputs import clip_sampling
from tests.helpers.tinydata import RECIPE

KINDS = [
    {},
    {"stack": {"flow": 10}},
    {"stack": {"rgb": 1, "flow": 10}, "frames": 5, "stride": [5, 15]},
    {"stack": {"rgb": 1, "difference": 1}, "frames": 5, "stride": 5, "difference_distance": 9, "padding": "reflect"},
    {"stack": {"rgb": 1}, "frames": 64, "padding": "loop"},
    {"stack": {"rgb": 1, "flow": 10}, "frames": 25, "uniform": True},
    {"stack": {"flow": 5}, "frames": 3, "uniform": True, "padding": "reflect"},
]
LENGTHS = [1, 2, 3, 9, 10, 11, 12, 30, 61, 64, 65, 300]


def recipe(**changes):
    return replace(RECIPE, **changes)


def inside(kind, times, frames):
    """Whether every picture of a clip is one that a video of so many frames has."""
    count = max(frames - ("flow" in kind.stack), 1)
    lengths = kind.stack.values()
    found = [
        number for length in lengths for number in clip_sampling.picture_indices(times, length, count, kind.padding)
    ]
    return 0 <= min(found) <= max(found) < count


@pytest.mark.parametrize(
    ("stack", "frames"),
    [({"rgb": 1}, 1), ({"rgb": 11}, 11), ({"flow": 10}, 11), ({"rgb": 1, "flow": 10}, 11), ({"difference": 1}, 10)],
)
def test_a_time_takes_one_frame_more_than_it_has_fields(stack, frames):
    assert clip_sampling.extent(recipe(stack=stack)) == frames


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_times_lie_inside_the_video_whatever_its_length(kind):
    kind = recipe(**kind)
    for seed, frames in enumerate(LENGTHS * 5):
        times = clip_sampling.random_clip(kind, frames, np.random.default_rng(seed))
        assert len(times) == (kind.frames or 1)
        assert inside(kind, times, frames)
        shortest = clip_sampling.extent(kind) + (len(times) - 1) * clip_sampling.stride_range(kind)[0]
        assert times[-1] + clip_sampling.extent(kind) <= frames or frames < shortest


@pytest.mark.parametrize("kind", KINDS)
def test_tested_and_whole_clips_lie_inside_the_video_whatever_its_length(kind):
    kind = recipe(**kind)
    for frames in LENGTHS:
        found = [*clip_sampling.uniform_clips(kind, frames, 7), *clip_sampling.whole_video_clips(kind, frames)]
        assert all(inside(kind, times, frames) for times in found)


def test_every_start_of_a_clip_can_be_drawn():
    starts = {
        clip_sampling.random_clip(recipe(stack={"flow": 10}), 15, np.random.default_rng(seed))[0] for seed in range(60)
    }
    assert starts == {0, 1, 2, 3, 4}


def test_strides_are_drawn_from_their_range_and_shrink_in_a_short_video():
    kind = recipe(frames=5, stride=[5, 15])

    def strides(frames):
        drawn = (clip_sampling.random_clip(kind, frames, np.random.default_rng(seed)) for seed in range(200))
        return {times[1] - times[0] for times in drawn}

    assert strides(200) == set(range(5, 16))
    assert strides(33) == {5, 6, 7, 8}
    assert strides(9) == {2}


def test_a_fixed_stride_stays_in_a_short_video_which_goes_on_past_its_end():
    kind = recipe(frames=4, stride=2, padding="loop")
    assert clip_sampling.random_clip(kind, 3, np.random.default_rng(0)) == [0, 2, 4, 6]
    assert clip_sampling.picture_indices([0, 2, 4, 6], 1, 3, "loop") == [0, 2, 1, 0]


def test_a_spread_clip_has_a_time_in_each_equal_part_of_the_video():
    for seed in range(20):
        times = clip_sampling.random_clip(recipe(frames=4, uniform=True), 41, np.random.default_rng(seed))
        assert all(10 * number <= time <= 10 * (number + 1) for number, time in enumerate(times))


@pytest.mark.parametrize(
    ("past_end", "seen"),
    [("hold", [2, 3, 3, 3, 3, 3]), ("loop", [2, 3, 0, 1, 2, 3]), ("reflect", [2, 3, 2, 1, 0, 1])],
)
def test_past_the_end_a_video_holds_loops_or_is_reflected(past_end, seen):
    assert clip_sampling.picture_indices([2], 6, 4, past_end) == seen
    assert clip_sampling.picture_indices([0, 5], 1, 1, past_end) == [0, 0]


def test_a_stack_stands_at_each_time():
    assert clip_sampling.picture_indices([0, 10], 3, 100, "hold") == [0, 1, 2, 10, 11, 12]


def test_tested_clips_are_equally_spaced_from_begin_to_end():
    assert clip_sampling.uniform_clips(recipe(), 101, 5) == [[0], [25], [50], [75], [100]]
    assert clip_sampling.uniform_clips(recipe(stack={"flow": 10}), 41, 4) == [[0], [10], [20], [30]]
    assert clip_sampling.uniform_clips(recipe(frames=3, stride=2), 9, 2) == [[0, 2, 4], [4, 6, 8]]


def test_one_tested_clip_is_the_middle_one():
    assert clip_sampling.uniform_clips(recipe(), 11, 1) == [[5]]


def test_a_test_takes_the_middle_stride_of_a_range():
    assert clip_sampling.uniform_clips(recipe(frames=5, stride=[5, 15]), 200, 1) == [[79, 89, 99, 109, 119]]


def test_a_whole_video_is_cut_into_as_few_clips_as_there_may_be_which_leave_nothing_out():
    for frames in (1, 5, 255, 256, 257, 700, 1025):
        found = clip_sampling.whole_video_clips(recipe(frames=5), frames)
        lengths = {len(times) for times in found}
        assert len(found) == -(-max(frames, 5) // clip_sampling.MAX_TIMES)
        assert len(lengths) == 1
        assert max(lengths) <= clip_sampling.MAX_TIMES
        assert set(itertools.chain(*found)) == set(range(max(frames, 5)))


def test_a_whole_video_is_seen_at_the_recipes_stride():
    assert clip_sampling.whole_video_clips(recipe(frames=2, stride=[3, 9], stack={"flow": 2}), 12) == [[0, 3, 6, 9]]


@pytest.mark.parametrize(
    ("changes", "shards"),
    [
        ({"stack": {"difference": 1}}, ["rgb"]),
        ({"stack": {"rgb": 1, "flow": 2}}, ["rgb", "flow"]),
        ({"stack": {"flow": 2}, "flow_stack": "bidirectional"}, ["flow", "backward"]),
        ({"stack": {"flow": 2}, "flow_stack": "trajectories"}, ["flow"]),
    ],
)
def test_a_recipe_reads_the_shards_of_its_inputs(changes, shards):
    assert clip_sampling.modalities(recipe(**changes)) == shards
