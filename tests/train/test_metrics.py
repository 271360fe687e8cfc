"""A training's curves: a row a step, a row an epoch."""

import pandas as pd
import pytest

from pipeline.train import metrics

ROWS = [[step, 3.0 / step, step / 10, 0.1 if step < 5 else 0.01, 2.0 * step] for step in range(1, 8)]
CHECKS = [[2, 0.9, 0.4], [5, 0.7, 0.5]]


def test_every_step_has_a_row_with_its_epoch_and_what_was_held_out_then():
    frame = metrics.steps(ROWS, CHECKS, per_epoch=3)
    assert frame["step"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert frame["epoch"].tolist() == [1, 1, 1, 2, 2, 2, 3]
    assert frame.set_index("step")["held_out_loss"].dropna().to_dict() == {2: 0.9, 5: 0.7}


def test_an_epoch_has_the_means_of_its_steps_and_the_last_ones_rate():
    found = metrics.epochs(metrics.steps(ROWS, CHECKS, per_epoch=3)).set_index("epoch")
    assert found["loss"].tolist() == pytest.approx([(3 + 1.5 + 1) / 3, (3 / 4 + 3 / 5 + 3 / 6) / 3, 3 / 7])
    assert found["accuracy"].tolist() == pytest.approx([0.2, 0.5, 0.7])
    assert found["rate"].tolist() == [0.1, 0.01, 0.01]
    assert found["step"].tolist() == [3, 6, 7]
    assert found["held_out_accuracy"].tolist()[:2] == [0.4, 0.5]


def test_an_epoch_that_is_no_whole_number_of_steps_ends_in_the_step_that_sees_its_last_video():
    assert metrics.steps(ROWS, [], per_epoch=2.5)["epoch"].tolist() == [1, 1, 1, 2, 2, 3, 3]


def test_more_videos_a_step_than_there_are_count_as_so_many_epochs():
    assert metrics.steps(ROWS[:3], [], per_epoch=0.5)["epoch"].tolist() == [1, 3, 5]


def test_both_files_hold_the_same_training(tmp_path):
    metrics.write(tmp_path, ROWS, CHECKS, 3)
    steps, epochs = pd.read_parquet(tmp_path / "metrics.parquet"), pd.read_csv(tmp_path / "metrics.csv")
    assert steps["loss"].tolist() == [row[1] for row in ROWS]
    assert epochs["epoch"].tolist() == [1, 2, 3]
    assert epochs["seconds"].tolist() == [6, 12, 14]


def test_a_training_without_validation_has_empty_columns_for_it(tmp_path):
    metrics.write(tmp_path, ROWS, [], 3)
    assert pd.read_csv(tmp_path / "metrics.csv")["held_out_loss"].isna().all()
