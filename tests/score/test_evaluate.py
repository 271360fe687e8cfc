"""Evaluation: measures computed by hand, and the coverage of the intervals."""

import json

import numpy as np
import pytest

from pipeline.formats import class_counts, scores
from pipeline.formats.scores import VideoScores
from pipeline.score import evaluate

VALUES = np.array([[3, 2, 1, 0.0], [3, 2, 1, 0], [0, 3, 1, 2], [0, 1, 3, 2], [3, 1, 0, 2]])
LABELS = np.array([0, 1, 1, 1, 3])
CLASSES = ["run", "walk", "sit", "stand"]


def video_scores(values=VALUES, labels=LABELS, classes=CLASSES, listed=6):
    metadata = {"classes": classes, "videos": listed, "run": "e.r", "kind": "logits", "average": "logits"}
    return VideoScores([f"v{n}" for n in range(len(labels))], labels, values, "logits", metadata)


def write_scores(tmp_path):
    path = tmp_path / "s.parquet"
    scores.write_videos(path, video_scores(), "fused")
    return str(path)


def test_wilsons_interval_is_the_published_one():
    """Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    expected = [(0.2553, 0.3662), (0.0624, 0.1605), (0, 0.1611), (0.0061, 0.1718)]
    pairs = [(81, 263), (15, 148), (0, 20), (1, 29)]
    assert [evaluate.wilson_interval(*pair) for pair in pairs] == [
        pytest.approx(limits, abs=5e-5) for limits in expected
    ]


def test_the_interval_of_no_videos_is_0_to_1():
    assert evaluate.wilson_interval(0, 0) == (0, 1)


def test_top_k_takes_the_k_best_and_breaks_ties_as_argmax_does():
    assert class_counts.in_top_k(VALUES, LABELS, 1).tolist() == [True, False, True, False, False]
    assert class_counts.in_top_k(VALUES, LABELS, 2).tolist() == [True, True, True, False, True]
    tied = np.zeros((2, 3))
    assert class_counts.in_top_k(tied, np.array([0, 2]), 2).tolist() == [True, False]


def test_the_confusion_matrix_has_true_classes_in_rows():
    matrix = evaluate.confusion_matrix(VALUES, LABELS)
    assert matrix.tolist() == [[1, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert evaluate.class_accuracies(matrix) == pytest.approx([1, 1 / 3, np.nan, 0], nan_ok=True)


def test_mean_class_accuracy_weights_classes_equally_and_skips_those_without_videos():
    report = evaluate.evaluate(video_scores())
    assert report.mean_class.value == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert report.top1.value == pytest.approx(2 / 5)


def test_on_a_balanced_split_the_interval_of_mean_class_accuracy_is_that_of_top1():
    labels = np.repeat([0, 1], 10)
    right = np.array([1] * 9 + [0] + [1] * 5 + [0] * 5)
    report = evaluate.evaluate(video_scores(np.eye(2)[np.where(right, labels, 1 - labels)], labels, ["a", "b"]))
    assert tuple(report.mean_class) == pytest.approx(tuple(report.top1))


def test_a_small_class_widens_the_interval_of_the_mean_however_many_others_are_correct():
    """The variance is that of the two videos of one class of ten: sqrt(.25 / 2) / 10, a half-width of about .07."""
    matrix = np.diag([1000] * 9 + [1])
    matrix[9, 0] = 1
    measure = evaluate.mean_class(matrix)
    assert measure.high - measure.low == pytest.approx(2 * 1.96 * 0.0354, rel=0.15)


@pytest.mark.parametrize("counts", [[20] * 8, [4, 8, 16, 32, 64, 64, 64, 64], [1] * 10 + [50] * 10])
def test_the_interval_of_mean_class_accuracy_contains_the_truth_in_95_percent_of_cases(counts):
    random = np.random.default_rng(0)
    truth = np.linspace(0.5, 0.98, len(counts))
    draws = random.binomial(counts, truth, (1500, len(counts)))
    covered = 0
    for correct in draws:
        matrix = np.diag(correct) + np.roll(np.diag(counts - correct), 1, axis=1)
        measure = evaluate.mean_class(matrix)
        covered += measure.low <= truth.mean() <= measure.high
    assert covered / len(draws) > 0.93


def test_with_four_classes_top_5_becomes_top_4():
    assert evaluate.evaluate(video_scores()).top == 4
    assert evaluate.evaluate(video_scores()).topk.value == 1.0


def test_confused_pairs_are_the_errors_sorted_by_frequency():
    labels = np.array([0, 0, 0, 1])
    report = evaluate.evaluate(video_scores(np.eye(2)[[0, 1, 1, 0]], labels, ["a", "b"]))
    assert evaluate.confused_pairs(report) == [("a", "b", 2, 3), ("b", "a", 1, 1)]


def test_the_text_has_n_of_n_and_every_class(tmp_path, capsys):
    evaluate.main([write_scores(tmp_path)])
    output = capsys.readouterr().out
    assert "videos      5 of 6, 4 classes" in output
    assert "top-1        40.0 %  (11.8 to 76.9)" in output
    assert " 33.3 %        1/3  walk" in output
    assert "      -        0/0  sit" in output
    assert "      1/3  walk -> run" in output


def test_json_has_the_measures_and_the_confusion_matrix(tmp_path, capsys):
    evaluate.main([write_scores(tmp_path), "--json"])
    output = json.loads(capsys.readouterr().out)
    assert (output["videos"], output["listed"], output["run"]) == (5, 6, "e.r")
    assert output["top1"]["value"] == pytest.approx(0.4)
    assert output["confusion"][1] == [1, 1, 1, 0]
    assert output["per_class"][2] is None


def test_the_confusion_matrix_is_written_as_csv(tmp_path, capsys):
    evaluate.main([write_scores(tmp_path), "--confusion", str(tmp_path / "c.csv")])
    assert (tmp_path / "c.csv").read_text().startswith("class,run,walk,sit,stand\nrun,1,0,0,0\nwalk,1,1,1,0\n")


def test_a_file_without_videos_can_be_evaluated():
    report = evaluate.evaluate(video_scores(np.zeros((0, 4)), np.zeros(0, int)))
    assert "0 of 6" in evaluate.as_text(report)
    assert json.loads(evaluate.as_json(report, {}))["top1"]["value"] is None
