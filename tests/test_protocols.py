"""Test protocols: which views are scored."""

import pytest

from pipeline import protocols
from pipeline.errors import UserError


def test_the_2014_protocol_has_25_frames_and_10_crops():
    views = list(protocols.views(protocols.named("25 frames x 10 crops"), pictures=100, length=1))
    assert len(views) == 250
    assert len({(view.place, view.flip) for view in views}) == 10


def test_clips_are_equally_spaced_from_begin_to_end():
    assert protocols.starts(pictures=101, length=1, clips=5) == [0, 25, 50, 75, 100]


def test_clips_end_within_the_video():
    assert protocols.starts(pictures=40, length=10, clips=25)[-1] == 30


def test_a_video_shorter_than_a_clip_is_read_from_its_begin():
    assert protocols.starts(pictures=4, length=10, clips=3) == [0, 0, 0]


def test_one_clip_is_the_middle_one():
    assert protocols.starts(pictures=11, length=1, clips=1) == [5]


def test_an_unknown_protocol_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="30 views.*25 frames x 10 crops"):
        protocols.named("30 views")
