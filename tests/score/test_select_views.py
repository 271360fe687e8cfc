"""Views of a score file that are selected give the scores of a smaller protocol."""

import numpy as np
import pytest

from pipeline.common.errors import UserError
from pipeline.formats import scores
from pipeline.score import __main__ as score_command
from pipeline.score import select_views

PLACES = ["top left", "centre"]


def scored(path, clips=5, flips=(False, True), missing=()):
    """Two videos, `clips` clips, two places and flips; the first score of a view is the number of its row."""
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
    metadata = {"kind": "logits", "average": "logits", "classes": ["a", "b"], "videos": 3, "run": "e.r"}
    scores.write(path, columns, {**metadata, "protocol": "5 clips x 4 crops"})
    return path


def select(path, *options):
    out = path.with_name("kept.parquet")
    score_command.main(["select-views", "--scores", str(path), *options, "--out", str(out)])
    return scores.read_views(out)


def test_the_centre_without_flips_is_a_quarter_of_the_views(tmp_path):
    views = select(scored(tmp_path / "s.parquet"), "--places", "centre", "--flips", "no")
    assert views.values[:, 0].tolist() == list(range(2, 40, 4))
    assert set(views.table["place"].to_pylist()) == {"centre"}


def test_selected_views_are_averaged(tmp_path):
    path = scored(tmp_path / "s.parquet")
    select(path, "--clips", "3", "--places", "top left", "--flips", "yes")
    assert scores.read(tmp_path / "kept.parquet").values[:, 0].tolist() == [np.mean([1, 9, 17]), np.mean([21, 29, 37])]


def test_the_metadata_names_the_selection_and_keeps_n_of_n(tmp_path):
    metadata = select(scored(tmp_path / "s.parquet"), "--clips", "3", "--places", "centre", "--flips", "no").metadata
    assert metadata["protocol"] == "3 clips x centre x flips: no of 5 clips x 4 crops"
    assert (metadata["videos"], metadata["run"]) == (3, "e.r")


def test_views_can_be_selected_twice(tmp_path):
    select(scored(tmp_path / "s.parquet", clips=9), "--clips", "5")
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
    ("count", "indices"), [(1, [12]), (2, [0, 24]), (5, [0, 6, 12, 18, 24]), (10, None), (26, None)]
)
def test_clips_are_selected_only_if_they_are_equally_spaced(count, indices):
    assert select_views.spaced(25, count) == indices


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--clips", "4"], "has 5 clips, of which no 4 are equally spaced: choose 1, 2, 3, 5"),
        (["--clips", "25"], "has 5 clips, of which no 25"),
        (["--clips", "0"], "has 5 clips, of which no 0"),
        (["--places", "whole"], "no crops at the place whole: choose among top left, centre"),
    ],
)
def test_views_that_were_not_scored_cannot_be_selected(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        select(scored(tmp_path / "s.parquet"), *options)


def test_flips_that_were_not_scored_cannot_be_selected(tmp_path):
    path = scored(tmp_path / "s.parquet", flips=(False,))
    for flips in ("yes", "both"):
        with pytest.raises(UserError, match="no views with flip True: choose False"):
            select(path, "--flips", flips)


def test_clips_of_videos_with_different_clips_cannot_be_selected(tmp_path):
    path = scored(tmp_path / "s.parquet", missing=[("w", 4)])
    with pytest.raises(UserError, match="4 clips of w and 5 of others"):
        select(path, "--clips", "3")
    assert len(select(scored(tmp_path / "t.parquet"), "--flips", "no").table) == 20


def test_the_commands_old_name_is_refused_with_its_new_one():
    with pytest.raises(UserError, match="pipeline.score subset has been renamed: use pipeline.score select-views"):
        score_command.main(["subset", "--scores", "s.parquet"])
