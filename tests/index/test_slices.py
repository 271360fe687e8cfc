"""Slices: seeded, balanced, with mixed classes, and stable when one video changes."""

from collections import Counter

import numpy as np
import pytest

from pipeline.index import slices


def sizes(count=1000, seed=0):
    bytes_ = np.random.default_rng(seed).lognormal(13, 0.7, count)
    return {f"class{n % 20}/{n}.avi": int(size) for n, size in enumerate(bytes_)}


def test_names_sort_like_numbers():
    assert slices.names(3) == ["0000", "0001", "0002"]


def test_the_same_seed_gives_the_same_slices_and_another_does_not():
    videos = sizes()
    assert slices.assign(videos, 8, 0) == slices.assign(dict(reversed(videos.items())), 8, 0)
    assert slices.assign(videos, 8, 0) != slices.assign(videos, 8, 1)


def test_no_slice_holds_much_more_than_its_share():
    videos = sizes()
    loads = Counter()
    for video, name in slices.assign(videos, 16, 0).items():
        loads[name] += videos[video]
    assert len(loads) == 16
    assert max(loads.values()) < 1.3 * sum(loads.values()) / 16


def test_every_class_is_spread_over_slices():
    assigned = slices.assign(sizes(), 8, 0)
    spread = Counter(video.split("/")[0] for video, _ in {(v.split("/")[0] + "/", s) for v, s in assigned.items()})
    assert min(spread.values()) == 8


@pytest.mark.parametrize("change", ["grows", "goes", "comes"])
def test_one_changed_video_moves_no_other(change):
    videos = sizes()
    before = slices.assign(videos, 16, 0)
    name = "class7/7.avi"
    changed = {v: s for v, s in videos.items() if change != "goes" or v != name}
    changed |= {"grows": {name: videos[name] * 2}, "goes": {}, "comes": {"class7/new.avi": 500_000}}[change]
    after = slices.assign(changed, 16, 0)
    assert [v for v in before.keys() & after.keys() if v != name and before[v] != after[v]] == []


def test_more_slices_than_videos_leaves_some_empty():
    assert len(slices.assign({"a": 5, "b": 5}, 8, 0)) == 2


def test_a_video_larger_than_a_slice_is_assigned():
    assigned = slices.assign({"big": 10**9, **{str(n): 1000 for n in range(50)}}, 8, 0)
    assert len(assigned) == 51
