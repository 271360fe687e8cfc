"""The order of training: which video stands where, on any number of processes."""

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from pipeline.common.errors import UserError
from pipeline.train.dataset import Batches, TrainingClips, Video, added_classes, held_out
from pipeline.train.distributed import World
from pipeline.train.sampler import Sampler
from tests.helpers.tinydata import RECIPE

LABELS = [0] * 50 + [1] * 10 + [2] * 5


def visited(recipe, size, rank, begin=0):
    """The positions of one process's chunks."""
    return list(itertools.chain(*Batches(replace(RECIPE, **recipe), World(size, rank, rank), begin)))


def videos(labels):
    return [Video({}, f"v{number}", label) for number, label in enumerate(labels)]


def test_an_epoch_visits_every_video_once():
    sampler = Sampler("epoch", LABELS, seed=3)
    for epoch in range(3):
        assert sorted(sampler.video(epoch * 65 + place) for place in range(65)) == list(range(65))


def test_epochs_differ_in_order():
    sampler = Sampler("epoch", LABELS, seed=3)
    assert [sampler.video(place) for place in range(65)] != [sampler.video(65 + place) for place in range(65)]


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("extra", [{}, {"micro_batch": 3}, {"bn_batch": 2}])
def test_an_epoch_on_several_processes_visits_every_video_once_in_one_of_them(size, extra):
    recipe = {"batch": 20, "steps": 13, **extra}  # 260 positions: four epochs of 65 videos
    shares = [visited(recipe, size, rank) for rank in range(size)]
    assert sorted(itertools.chain(*shares)) == list(range(260))
    sampler = Sampler("epoch", LABELS, seed=0)
    seen = Counter(sampler.video(position) for share in shares for position in share)
    assert set(seen.values()) == {4}


def test_a_batch_is_the_same_on_any_number_of_processes():
    recipe = {"batch": 12, "steps": 5}
    alone, two = visited(recipe, 1, 0), [visited(recipe, 2, rank) for rank in (0, 1)]
    for step in range(5):
        both = [*two[0][6 * step : 6 * step + 6], *two[1][6 * step : 6 * step + 6]]
        assert both == alone[12 * step : 12 * step + 12]


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [({}, [12]), ({"micro_batch": 4}, [4, 4, 4]), ({"bn_batch": 5}, [4, 4, 4]), ({"micro_batch": 99}, [12])],
)
def test_a_batch_comes_in_chunks_of_about_equal_size_within_the_limit(changes, sizes):
    chunks = list(Batches(replace(RECIPE, batch=12, steps=1, **changes), World(1, 0, 0), 0))
    assert [len(chunk) for chunk in chunks] == sizes


def test_a_resumed_training_goes_on_where_it_was():
    recipe = {"batch": 6, "steps": 9}
    assert visited(recipe, 2, 1, begin=4) == visited(recipe, 2, 1)[4 * 3 :]


def test_a_batch_that_does_not_come_out_even_on_the_processes_is_refused_with_both_numbers():
    with pytest.raises(UserError, match="the batch is 7 but there are 2 processes"):
        World(2, 0, 0).share(7)


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


def test_two_tasks_take_turns_each_with_an_epoch_of_its_own(monkeypatch):
    """2014, section 5: half of every batch is each data set's."""
    monkeypatch.setattr("pipeline.train.dataset.augmented", lambda readers, name, recipe, generator: name)
    more = [video._replace(name=f"u{number}") for number, video in enumerate(videos([0, 1, 2]))]
    data = TrainingClips([videos([0, 1]), more], replace(RECIPE, sampler="epoch"), seed=0)
    seen = [data[position] for position in range(12)]
    assert [task for *_, task in seen] == [0, 1] * 6
    assert Counter(name for name, _, task in seen if task == 0) == {"v0": 3, "v1": 3}
    assert Counter(name for name, _, task in seen if task == 1) == {"u0": 2, "u1": 2, "u2": 2}
    assert data.videos == 5


def test_a_partners_classes_are_added_and_those_of_one_name_are_one():
    joined, names = added_classes(videos([0, 1]), videos([0, 1, 2]), ["run", "walk"], ["jump", "walk", "fall"])
    assert names == ["run", "walk", "jump", "fall"]
    assert [video.label for video in joined] == [0, 1, 2, 1, 3]


def test_a_share_of_each_class_is_held_out_and_never_trained_on():
    kept, out = held_out(videos(LABELS), 0.2, seed=0)
    assert Counter(video.label for video in out) == {0: 10, 1: 2, 2: 1}
    assert {video.name for video in kept}.isdisjoint(video.name for video in out)
    assert len(kept) + len(out) == 65
    assert held_out(videos(LABELS), 0.2, seed=0)[1] == out
    assert held_out(videos(LABELS), 0.2, seed=1)[1] != out


def test_no_class_is_held_out_whole_and_none_to_hold_out_is_refused():
    kept, out = held_out(videos([0, 1, 1]), 0.9, seed=0)
    assert (len(kept), len(out)) == (2, 1)
    with pytest.raises(UserError, match="holds out 0.9 of each class but none of the 2 videos' classes has two"):
        held_out(videos([0, 1]), 0.9, seed=0)
