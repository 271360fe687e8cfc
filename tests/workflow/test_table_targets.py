"""config.yaml selects the entries, splits and seeds of the results tables."""

from pathlib import Path

import pytest
import yaml

from pipeline.common.errors import UserError
from pipeline.config import settings as config
from pipeline.tables import entries, published
from pipeline.workflow import runs, table_targets, train_inputs
from pipeline.workflow.checks import check

COMMITTED = config.load_yaml(Path(__file__).parents[2] / "config.yaml")


def test_there_is_a_table_per_paper_table_and_per_data_set_of_the_config():
    files = table_targets.table_files(COMMITTED)
    assert "results/tables/ucf101.csv" in files
    assert len(files) == len(published.tables()) + 3
    assert len(set(files)) == len(files)


def test_a_paper_table_of_one_split_reads_only_the_scores_of_that_split():
    assert {split for _, _, split, _ in table_targets.paper_scores(COMMITTED, "twostream_table1a")} == {1}


def test_one_data_set_can_have_its_own_seeds_and_rows(monkeypatch):
    monkeypatch.setattr(train_inputs, "blocking_reason", lambda config, dataset, run: "")
    difference = {"datasets": {"ucf101": {"tables": {"seeds": [3, 4], "rows": ["two_stream.spatial"]}}}}
    changed = config.merge(COMMITTED, difference)
    check(changed)
    planned = table_targets.dataset_scores(changed, "ucf101")
    assert {(run, seed) for run, _, seed in planned} == {("two_stream.spatial", 3), ("two_stream.spatial", 4)}
    assert table_targets.table_choice(changed, "hmdb51").seeds == [0]


def test_make_demo_selects_few_rows_and_make_demo_all_selects_all():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    command = next(row for row in makefile.splitlines() if "--config" in row)
    key, _, value = command.split("'")[1].partition("=")
    every = config.merge(COMMITTED, {key: yaml.safe_load(value)})
    check(every)
    assert len(table_targets.table_choice(COMMITTED, "demo").rows) == 4
    assert table_targets.table_choice(every, "demo").rows == ["*"]
    few, all_runs = (table_targets.dataset_scores(settings, "demo") for settings in (COMMITTED, every))
    assert set(few) <= set(all_runs)
    choice = table_targets.table_choice(every, "demo")
    chosen = [
        row
        for row in table_targets.table_entries()
        if entries.applies(row, "demo") and not entries.why_missing(row, choice)
    ]
    assert {run for run, _, _ in all_runs} == {row.run for row in chosen}


def settings_of_tables():
    """Table -> its settings, for the tables of the papers and of three data sets.."""
    table_targets._load_entries.cache_clear()
    papers = {name: table_targets.paper_table_settings(COMMITTED, name) for name in table_targets.paper_tables()}
    return papers | {
        name: table_targets.dataset_table_settings(COMMITTED, name) for name in ("demo", "ucf101", "hmdb51")
    }


def test_a_published_number_is_part_of_the_settings_of_the_tables_that_show_it(monkeypatch):
    before, cells = settings_of_tables(), list(published.cells())
    index = next(n for n, cell in enumerate(cells) if (cell.table, cell.dataset) == ("twostream_table4", "ucf101"))
    cells[index] = cells[index]._replace(value="1.5")
    monkeypatch.setattr(published, "cells", lambda: tuple(cells))
    after = settings_of_tables()
    table_targets._load_entries.cache_clear()
    assert {name for name in before if before[name] != after[name]} == {"twostream_table4", "ucf101"}


def test_an_unknown_experiment_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"no experiments/four_stream.yaml, .*choose among .*two_stream"):
        table_targets.check(config.merge(COMMITTED, {"experiments": ["four_stream"]}))


def test_a_pattern_that_matches_no_run_is_refused_with_the_known_runs():
    wrong = config.merge(COMMITTED, {"tables": {"rows": ["two_strem.*"]}})
    with pytest.raises(UserError, match=r"tables.rows has .*, which fits no run: choose among .*two_stream"):
        table_targets.check(wrong)


def test_without_pretraining_data_entries_need_released_weights(monkeypatch):
    needing = [row._replace(needs=("kinetics",)) for row in table_targets.table_entries()]
    monkeypatch.setattr(table_targets, "table_entries", lambda: needing)
    assert table_targets.missing_datasets(COMMITTED, "ucf101") == ["kinetics"]
    assert table_targets.dataset_scores(COMMITTED, "ucf101") == []
    assert table_targets.missing_datasets(COMMITTED, "demo") == []
    assert table_targets.missing_datasets(config.merge(COMMITTED, {"tables": {"released": True}}), "ucf101") == []


def test_a_blocked_run_is_not_planned_and_its_entry_has_the_reason(monkeypatch):
    monkeypatch.setattr(train_inputs, "blocking_reason", lambda config, dataset, run: f"{run} has no partner")
    assert table_targets.dataset_scores(COMMITTED, "ucf101") == []
    row = next(row for row in table_targets.table_entries() if row.run == "two_stream.temporal")
    reason = entries.why_missing(row, table_targets.table_choice(COMMITTED, "ucf101"))
    assert reason == ("not run", "two_stream.temporal has no partner", True)


def test_existing_scores_are_shown_even_if_the_run_is_blocked(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_inputs, "blocking_reason", lambda config, dataset, run: "released weights are missing")
    path = Path(runs.score_file("ucf101", 1, 0, "two_stream.temporal"))
    path.parent.mkdir(parents=True)
    path.touch()
    assert {run for run, _, _ in table_targets.dataset_scores(COMMITTED, "ucf101")} == {"two_stream.temporal"}
