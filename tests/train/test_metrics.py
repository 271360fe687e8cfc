"""The curves of a training: a row per step and a row per epoch."""

import pandas as pd
import pytest

from pipeline.train import metrics

ROWS = [[step, 3.0 / step, step / 10, 0.1 if step < 5 else 0.01, 2.0 * step] for step in range(1, 8)]
VALIDATIONS = [[2, 0.9, 0.4], [5, 0.7, 0.5]]


def test_every_step_has_a_row_with_its_epoch_and_the_validation_after_it():
    table = metrics.step_table(ROWS, VALIDATIONS, steps_per_epoch=3)
    assert table["step"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert table["epoch"].tolist() == [1, 1, 1, 2, 2, 2, 3]
    assert table.set_index("step")["held_out_loss"].dropna().to_dict() == {2: 0.9, 5: 0.7}


def test_an_epoch_has_the_mean_loss_of_its_steps_and_the_rate_of_the_last_one():
    epochs = metrics.epoch_table(metrics.step_table(ROWS, VALIDATIONS, steps_per_epoch=3)).set_index("epoch")
    assert epochs["loss"].tolist() == pytest.approx([(3 + 1.5 + 1) / 3, (3 / 4 + 3 / 5 + 3 / 6) / 3, 3 / 7])
    assert epochs["accuracy"].tolist() == pytest.approx([0.2, 0.5, 0.7])
    assert epochs["rate"].tolist() == [0.1, 0.01, 0.01]
    assert epochs["step"].tolist() == [3, 6, 7]
    assert epochs["held_out_accuracy"].tolist()[:2] == [0.4, 0.5]


def test_a_fractional_number_of_steps_per_epoch_is_rounded_up_at_each_end():
    assert metrics.step_table(ROWS, [], steps_per_epoch=2.5)["epoch"].tolist() == [1, 1, 1, 2, 2, 3, 3]


def test_a_batch_larger_than_the_data_set_counts_as_several_epochs():
    assert metrics.step_table(ROWS[:3], [], steps_per_epoch=0.5)["epoch"].tolist() == [1, 3, 5]


def test_both_files_describe_the_same_training(tmp_path):
    metrics.write(tmp_path, ROWS, VALIDATIONS, 3)
    steps, epochs = pd.read_parquet(tmp_path / "metrics.parquet"), pd.read_csv(tmp_path / "metrics.csv")
    assert steps["loss"].tolist() == [row[1] for row in ROWS]
    assert epochs["epoch"].tolist() == [1, 2, 3]
    assert epochs["seconds"].tolist() == [6, 12, 14]


def test_without_validation_its_columns_are_empty(tmp_path):
    metrics.write(tmp_path, ROWS, [], 3)
    assert pd.read_csv(tmp_path / "metrics.csv")["held_out_loss"].isna().all()
