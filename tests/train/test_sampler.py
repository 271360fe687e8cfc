"""The order of the training videos on any number of processes, and the videos held out for validation."""

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from pipeline.common.errors import UserError
from pipeline.train.dataset import ChunkSampler, TrainingClips, Video, hold_out, merge_classes
from pipeline.train.distributed import ProcessGroup
from pipeline.train.sampler import Sampler
from tests.helpers.tinydata import RECIPE

LABELS = [0] * 50 + [1] * 10 + [2] * 5


def positions(recipe, world_size, rank, first_step=0):
    """The positions of all chunks of one process."""
    return list(
        itertools.chain(*ChunkSampler(replace(RECIPE, **recipe), ProcessGroup(world_size, rank, rank), first_step))
    )


def videos(labels):
    return [Video({}, f"v{number}", label) for number, label in enumerate(labels)]


def test_an_epoch_visits_every_video_once():
    sampler = Sampler("epoch", LABELS, seed=3)
    for epoch in range(3):
        assert sorted(sampler.video_index(epoch * 65 + place) for place in range(65)) == list(range(65))


def test_epochs_differ_in_order():
    sampler = Sampler("epoch", LABELS, seed=3)
    assert [sampler.video_index(place) for place in range(65)] != [
        sampler.video_index(65 + place) for place in range(65)
    ]


@pytest.mark.parametrize("world_size", [1, 2, 4])
@pytest.mark.parametrize("extra", [{}, {"micro_batch": 3}, {"bn_batch": 2}])
def test_an_epoch_on_several_processes_visits_every_video_once(world_size, extra):
    recipe = {"batch": 20, "steps": 13, **extra}  # 260 positions: four epochs of 65 videos
    by_rank = [positions(recipe, world_size, rank) for rank in range(world_size)]
    assert sorted(itertools.chain(*by_rank)) == list(range(260))
    sampler = Sampler("epoch", LABELS, seed=0)
    visits = Counter(sampler.video_index(position) for rank in by_rank for position in rank)
    assert set(visits.values()) == {4}


def test_a_batch_is_the_same_on_any_number_of_processes():
    recipe = {"batch": 12, "steps": 5}
    alone, two = positions(recipe, 1, 0), [positions(recipe, 2, rank) for rank in (0, 1)]
    for step in range(5):
        both = [*two[0][6 * step : 6 * step + 6], *two[1][6 * step : 6 * step + 6]]
        assert both == alone[12 * step : 12 * step + 12]


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [({}, [12]), ({"micro_batch": 4}, [4, 4, 4]), ({"bn_batch": 5}, [4, 4, 4]), ({"micro_batch": 99}, [12])],
)
def test_a_batch_is_split_into_chunks_of_about_equal_size_within_the_limit(changes, sizes):
    chunks = list(ChunkSampler(replace(RECIPE, batch=12, steps=1, **changes), ProcessGroup(1, 0, 0), 0))
    assert [len(chunk) for chunk in chunks] == sizes


def test_a_resumed_training_continues_at_its_step():
    recipe = {"batch": 6, "steps": 9}
    assert positions(recipe, 2, 1, first_step=4) == positions(recipe, 2, 1)[4 * 3 :]


def test_a_batch_that_the_processes_do_not_divide_is_refused_with_both_numbers():
    with pytest.raises(UserError, match="the batch is 7 but there are 2 processes"):
        ProcessGroup(2, 0, 0).local_batch(7)


def test_balanced_sampling_draws_each_class_equally_often():
    sampler = Sampler("balanced", LABELS, seed=0)
    drawn = Counter(LABELS[sampler.video_index(position)] for position in range(3000))
    assert all(900 < count < 1100 for count in drawn.values())


@pytest.mark.parametrize("method", ["epoch", "balanced"])
def test_the_video_at_a_position_does_not_depend_on_earlier_calls(method):
    forwards, backwards = Sampler(method, LABELS, seed=1), Sampler(method, LABELS, seed=1)
    expected = [forwards.video_index(position) for position in range(200)]
    assert [backwards.video_index(position) for position in reversed(range(200))] == expected[::-1]


def test_another_seed_gives_another_order():
    assert [Sampler("epoch", LABELS, 0).video_index(p) for p in range(65)] != [
        Sampler("epoch", LABELS, 1).video_index(p) for p in range(65)
    ]


def test_an_unknown_method_is_refused():
    with pytest.raises(UserError, match="sampler is 'random'"):
        Sampler("random", LABELS, 0)


def test_two_tasks_alternate_and_each_has_its_own_epochs(monkeypatch):
    """2014, section 5: half of every batch is from each data set."""
    monkeypatch.setattr("pipeline.train.dataset.training_clip", lambda readers, name, recipe, generator: name)
    more = [video._replace(name=f"u{number}") for number, video in enumerate(videos([0, 1, 2]))]
    data = TrainingClips([videos([0, 1]), more], replace(RECIPE, sampler="epoch"), seed=0)
    clips = [data[position] for position in range(12)]
    assert [task for *_, task in clips] == [0, 1] * 6
    assert Counter(name for name, _, task in clips if task == 0) == {"v0": 3, "v1": 3}
    assert Counter(name for name, _, task in clips if task == 1) == {"u0": 2, "u1": 2, "u2": 2}
    assert data.num_videos == 5


def test_a_partners_classes_are_appended_and_classes_of_the_same_name_are_merged():
    joined, names = merge_classes(videos([0, 1]), videos([0, 1, 2]), ["run", "walk"], ["jump", "walk", "fall"])
    assert names == ["run", "walk", "jump", "fall"]
    assert [video.label for video in joined] == [0, 1, 2, 1, 3]


def test_a_fraction_of_each_class_is_held_out_and_never_trained_on():
    kept, out = hold_out(videos(LABELS), 0.2, seed=0)
    assert Counter(video.label for video in out) == {0: 10, 1: 2, 2: 1}
    assert {video.name for video in kept}.isdisjoint(video.name for video in out)
    assert len(kept) + len(out) == 65
    assert hold_out(videos(LABELS), 0.2, seed=0)[1] == out
    assert hold_out(videos(LABELS), 0.2, seed=1)[1] != out


def test_one_video_of_each_class_is_kept_and_nothing_to_hold_out_is_refused():
    kept, out = hold_out(videos([0, 1, 1]), 0.9, seed=0)
    assert (len(kept), len(out)) == (2, 1)
    with pytest.raises(UserError, match="holds out 0.9 of each class but none of the 2 videos' classes has two"):
        hold_out(videos([0, 1]), 0.9, seed=0)
