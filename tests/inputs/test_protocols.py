"""Test protocols: which views are scored."""

from dataclasses import replace

import pytest

from pipeline.common.errors import UserError
from pipeline.inputs import clip_sampling, protocols
from tests.helpers.tinydata import RECIPE

CLIP = replace(RECIPE, frames=5, stride=2)


def views(name, recipe=RECIPE, frames=100):
    return list(protocols.test_views(protocols.parse(name), recipe, frames))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("25 frames x 10 crops", 250), ("25 frames x 5 crops", 125), ("25 frames x whole picture + flip", 50),
        ("10 clips x 18 crops", 180), ("1 frame x centre", 1), ("3 clips x centre + flip", 6),
    ],
)  # fmt: skip
def test_a_protocol_has_as_many_views_as_it_says(name, count):
    found = views(name)
    assert len(found) == len({(view.clip, view.place, view.flip) for view in found}) == count


def test_the_2014_protocol_is_corners_and_centre_and_their_mirror_images_of_equally_spaced_frames():
    found = views("25 frames x 10 crops")
    assert {view.place for view in found} == {"top left", "top right", "bottom left", "bottom right", "centre"}
    assert [view.times for view in found[::10]] == [
        tuple(times) for times in clip_sampling.uniform_clips(RECIPE, 100, 25)
    ]


def test_the_views_of_a_clip_stand_together():
    order = [view.clip for view in views("3 clips x 10 crops", CLIP)]
    assert order == sorted(order)


def test_a_whole_video_is_one_view_of_all_its_times():
    assert [view.times for view in views("whole video x centre", CLIP)] == [tuple(range(0, 100, 2))]


def test_a_network_without_a_time_axis_sees_a_whole_video_time_by_time():
    assert [view.times for view in views("whole video x centre", frames=4)] == [(0,), (1,), (2,), (3,)]


def test_frames_at_once_are_one_view_spread_over_the_video():
    (found,) = views("25 frames at once x centre", CLIP, 97)
    assert found.times == tuple(range(0, 97, 4))


def test_frames_at_once_need_a_network_with_a_time_axis():
    with pytest.raises(UserError, match="25 frames at once but cnn_m_2048 sees one time"):
        views("25 frames at once x centre")


@pytest.mark.parametrize("name", ["30 views", "25 frames", "0 clips x centre", "25 frames x corners", "x centre"])
def test_an_unknown_protocol_is_refused_with_how_they_are_made(name):
    with pytest.raises(UserError, match=f"no test protocol '{name}'.*25 frames x 10 crops"):
        protocols.parse(name)
