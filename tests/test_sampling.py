"""The order of training."""

from collections import Counter

import pytest

from pipeline.errors import UserError
from pipeline.sampling import Sampler

LABELS = [0] * 50 + [1] * 10 + [2] * 5


def test_an_epoch_visits_every_video_once():
    sampler = Sampler("epoch", LABELS, seed=3)
    for epoch in range(3):
        assert sorted(sampler.video(epoch * 65 + place) for place in range(65)) == list(range(65))


def test_epochs_differ_in_order():
    sampler = Sampler("epoch", LABELS, seed=3)
    assert [sampler.video(place) for place in range(65)] != [sampler.video(65 + place) for place in range(65)]


def test_balanced_sampling_draws_each_class_alike():
    sampler = Sampler("balanced", LABELS, seed=0)
    drawn = Counter(LABELS[sampler.video(position)] for position in range(3000))
    assert all(900 < count < 1100 for count in drawn.values())


@pytest.mark.parametrize("kind", ["epoch", "balanced"])
def test_a_position_has_the_same_video_whatever_was_asked_before(kind):
    once, again = Sampler(kind, LABELS, seed=1), Sampler(kind, LABELS, seed=1)
    expected = [once.video(position) for position in range(200)]
    assert [again.video(position) for position in reversed(range(200))] == expected[::-1]


def test_another_seed_is_another_order():
    assert [Sampler("epoch", LABELS, 0).video(p) for p in range(65)] != [
        Sampler("epoch", LABELS, 1).video(p) for p in range(65)
    ]


def test_an_unknown_kind_is_refused():
    with pytest.raises(UserError, match="sampling is 'random'"):
        Sampler("random", LABELS, 0)
