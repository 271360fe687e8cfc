"""Figures show what the results say, of any number of classes, and repeat exactly."""

import numpy as np
import pytest

from pipeline.common.errors import UserError
from pipeline.formats.quarantine import QuarantineRow
from pipeline.report import (
    compared,
    coverage,
    curves,
    samples,
    scored,
    stages,
)
from pipeline.train import metrics
from tests.helpers import madescores
from tests.helpers.tinydata import tiny_splits


def test_a_confusion_matrixs_rows_sum_to_the_videos_of_each_class(tmp_path):
    paths = [madescores.write_scores(tmp_path, split, madescores.share(right=4)) for split in (1, 2)]
    classes, confusion = scored.sum_confusion(paths)
    assert classes == madescores.CLASSES
    assert confusion.sum(1).tolist() == [10, 10, 0, 0, 0, 0]
    assert confusion.trace() == 8


def test_scores_of_different_classes_are_refused(tmp_path):
    paths = [
        madescores.write_scores(tmp_path, n, [0], classes=list(names)) for n, names in enumerate(("abcdef", "abcdeg"))
    ]
    with pytest.raises(UserError, match="has other classes than"):
        scored.sum_confusion(paths)


def test_most_mistaken_classes_are_counted_as_label_and_as_prediction():
    confusion = np.diag([9, 9, 9, 9])
    confusion[1, 3] = 5
    assert scored.most_mistaken(confusion, 2).tolist() == [1, 3]


@pytest.mark.parametrize("count", [1, 10, 101])
def test_figures_of_any_number_of_classes_are_reproducible(tmp_path, count):
    random = np.random.default_rng(0)
    confusion = np.diag(random.integers(1, 30, count)) + (random.random((count, count)) > 0.98)
    names = [f"Class{number}" for number in range(count)]
    for draw in (scored.draw_confusion, scored.draw_classes, scored.draw_pairs):
        for out in ("a.svg", "b.svg"):
            draw(names, confusion, "a run", tmp_path / out)
        assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
        assert b"<title>a run" in (tmp_path / "a.svg").read_bytes()


def test_a_curve_ends_where_the_metrics_end(tmp_path):
    rows = [(step, 2 / step, 0.5, 0.1 if step < 500 else 0.01, step) for step in range(1, 601)]
    metrics.write(tmp_path, rows, [(600, 1.5, 0.4)], steps_per_epoch=10)
    frame = curves.read(tmp_path / "metrics.parquet")
    shown = curves.curve(frame, points=100)
    assert shown.iloc[-1][["step", "rate", "accuracy"]].tolist() == [600, 0.01, 50]
    assert shown["loss"].iloc[-1] == pytest.approx(frame["loss"].iloc[-6:].mean())
    assert frame["held_out_accuracy"].iloc[-1] == pytest.approx(40)
    curves.draw([tmp_path / "metrics.parquet"], "a run", tmp_path / "curves.svg")


def test_coverage_counts_present_videos_that_decode(tmp_path):
    tiny_splits(tmp_path / "splits.parquet", ["v0", "v1", "v2", "v3"], ("left", "right"), test=("v3",))
    found = coverage.count_videos(tmp_path / "splits.parquet", [QuarantineRow("v2", "frames", "bad", "truncated")])
    assert coverage.totals(found) == (3, 4)
    coverage.draw(found, "a data set", tmp_path / "coverage.svg")


def test_the_quarantine_page_names_files_or_says_that_there_are_none():
    share = [coverage.ClassCoverage("left", 4, 4)]
    assert "Nothing is in quarantine" in " ".join(coverage.body(share, []))
    rows = [QuarantineRow("v2", "frames", "bad", "truncated <b>")]
    assert "truncated &lt;b&gt;" in " ".join(coverage.body(share, rows))


def test_sample_frames_are_evenly_spaced_within_the_video():
    assert samples.frame_numbers(80) == [10, 30, 50, 70]
    assert samples.frame_numbers(2) == [0, 1]


def test_the_key_to_the_flow_shows_motion_to_the_right_red_and_none_white():
    disc = samples.colour_key(41)
    assert disc[20, 39].tolist()[1:] < [60, 60]
    assert disc[20, 20].min() > 240


def test_stages_are_ordered_after_the_stages_that_they_read():
    edges = {"table": {"score", "fuse"}, "fuse": {"score"}, "score": {"train"}, "train": set()}
    assert stages.order(edges) == ["train", "score", "fuse", "table"]


def test_a_figure_with_nothing_to_draw_says_why(tmp_path):
    compared.draw([{"reproduced": ""}], "a data set", tmp_path / "compared.svg")
    assert "No row of the table has been measured yet" in (tmp_path / "compared.svg").read_text()
