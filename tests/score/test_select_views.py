"""Re-aggregation: a protocol that is part of the one scored is chosen from its views."""

import numpy as np
import pytest

from pipeline.common.errors import UserError
from pipeline.formats import scores
from pipeline.score import __main__ as score_command
from pipeline.score import select_views

PLACES = ["top left", "centre"]


def scored(path, clips=5, flips=(False, True), missing=()):
    """Two videos, `clips` clips, two places, flips; a view's first score is its row's number."""
    rows = [
        (video, clip, crop, flip)
        for video in ("v", "w")
        for clip in range(clips)
        for crop in range(2)
        for flip in flips
        if (video, clip) not in missing
    ]
    columns = {
        "video_id": [r[0] for r in rows], "label": [0] * len(rows), "clip": [r[1] for r in rows],
        "crop": [r[2] for r in rows], "place": [PLACES[r[2]] for r in rows], "flip": [r[3] for r in rows],
        "start": [7 * r[1] for r in rows], "scores": [[n, 0] for n in range(len(rows))],
    }  # fmt: skip
    facts = {"kind": "logits", "average": "logits", "classes": ["a", "b"], "videos": 3, "run": "e.r"}
    scores.write(path, columns, {**facts, "protocol": "5 clips x 4 crops"})
    return path


def kept(path, *options):
    out = path.with_name("kept.parquet")
    score_command.main(["select-views", "--scores", str(path), *options, "--out", str(out)])
    return scores.read_views(out)


def test_the_centre_without_its_mirror_image_is_a_quarter_of_the_views(tmp_path):
    found = kept(scored(tmp_path / "s.parquet"), "--places", "centre", "--flips", "no")
    assert found.values[:, 0].tolist() == list(range(2, 40, 4))
    assert set(found.table["place"].to_pylist()) == {"centre"}


def test_what_is_kept_averages_as_if_it_had_been_scored_so(tmp_path):
    path = scored(tmp_path / "s.parquet")
    kept(path, "--clips", "3", "--places", "top left", "--flips", "yes")
    assert scores.read(tmp_path / "kept.parquet").values[:, 0].tolist() == [np.mean([1, 9, 17]), np.mean([21, 29, 37])]


def test_the_file_says_what_was_kept_of_what_and_keeps_n_of_n(tmp_path):
    facts = kept(scored(tmp_path / "s.parquet"), "--clips", "3", "--places", "centre", "--flips", "no").metadata
    assert facts["protocol"] == "3 clips x centre x flips: no of 5 clips x 4 crops"
    assert (facts["videos"], facts["run"]) == (3, "e.r")


def test_a_part_of_a_part_is_a_part(tmp_path):
    kept(scored(tmp_path / "s.parquet", clips=9), "--clips", "5")
    score_command.main(
        [
            "select-views",
            "--scores",
            str(tmp_path / "kept.parquet"),
            "--clips",
            "3",
            "--out",
            str(tmp_path / "3.parquet"),
        ]
    )
    assert sorted(set(scores.read_views(tmp_path / "3.parquet").table["clip"].to_pylist())) == [0, 4, 8]


@pytest.mark.parametrize(
    ("wanted", "numbers"), [(1, [12]), (2, [0, 24]), (5, [0, 6, 12, 18, 24]), (10, None), (26, None)]
)
def test_clips_are_taken_only_where_they_are_equally_spaced_too(wanted, numbers):
    assert select_views.spaced(25, wanted) == numbers


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--clips", "4"], "has 5 clips, of which no 4 are equally spaced: choose 1, 2, 3, 5"),
        (["--clips", "25"], "has 5 clips, of which no 25"),
        (["--clips", "0"], "has 5 clips, of which no 0"),
        (["--places", "whole"], "no crops at the place whole: choose among top left, centre"),
    ],
)
def test_what_was_not_scored_cannot_be_kept(tmp_path, options, words):
    with pytest.raises(UserError, match=words):
        kept(scored(tmp_path / "s.parquet"), *options)


def test_flips_that_were_not_scored_cannot_be_kept(tmp_path):
    path = scored(tmp_path / "s.parquet", flips=(False,))
    for flips in ("yes", "both"):
        with pytest.raises(UserError, match="no views with flip True: choose False"):
            kept(path, "--flips", flips)


def test_videos_of_different_clips_are_not_thinned(tmp_path):
    path = scored(tmp_path / "s.parquet", missing=[("w", 4)])
    with pytest.raises(UserError, match="4 clips of w and 5 of others"):
        kept(path, "--clips", "3")
    assert len(kept(scored(tmp_path / "t.parquet"), "--flips", "no").table) == 20


def test_the_commands_old_name_is_refused_with_its_new_one():
    with pytest.raises(UserError, match="pipeline.score subset has been renamed: use pipeline.score select-views"):
        score_command.main(["subset", "--scores", "s.parquet"])
