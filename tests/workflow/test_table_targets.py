"""What config.yaml asks of the tables: rows, splits and seeds, chosen without touching code."""

from pathlib import Path

import pytest
import yaml

from pipeline.common.errors import UserError
from pipeline.config import settings as config
from pipeline.tables import entries, published
from pipeline.workflow import runs, table_targets
from pipeline.workflow.checks import check

COMMITTED = config.load_yaml(Path(__file__).parents[2] / "config.yaml")


def test_the_papers_tables_and_the_data_sets_tables_are_what_the_config_names():
    files = table_targets.table_files(COMMITTED)
    assert "results/tables/ucf101.csv" in files
    assert len(files) == len(published.tables()) + 3
    assert len(set(files)) == len(files)


def test_a_paper_table_of_one_split_takes_the_scores_of_that_split_alone():
    assert {split for _, _, split, _ in table_targets.paper_scores(COMMITTED, "twostream_table1a")} == {1}


def test_seeds_and_rows_of_one_data_set_may_differ(monkeypatch):
    monkeypatch.setattr(runs, "obstacle", lambda config, dataset, run: "")
    difference = {"datasets": {"ucf101": {"tables": {"seeds": [3, 4], "rows": ["two_stream.spatial"]}}}}
    changed = config.merge(COMMITTED, difference)
    check(changed)
    planned = table_targets.gathered_scores(changed, "ucf101")
    assert {(run, seed) for run, _, seed in planned} == {("two_stream.spatial", 3), ("two_stream.spatial", 4)}
    assert table_targets.choice(changed, "hmdb51").seeds == [0]


def test_make_demo_takes_few_rows_and_make_demo_all_every_one():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    command = next(row for row in makefile.splitlines() if "--config" in row)
    key, _, value = command.split("'")[1].partition("=")
    every = config.merge(COMMITTED, {key: yaml.safe_load(value)})
    check(every)
    assert len(table_targets.choice(COMMITTED, "demo").rows) == 4
    assert table_targets.choice(every, "demo").rows == ["*"]
    few, all_runs = (table_targets.gathered_scores(settings, "demo") for settings in (COMMITTED, every))
    assert set(few) <= set(all_runs)
    able = table_targets.choice(every, "demo")
    chosen = [
        row for row in table_targets.table_rows() if entries.applies(row, "demo") and not entries.why_missing(row, able)
    ]
    assert {run for run, _, _ in all_runs} == {row.run for row in chosen}


def settings_by_table():
    """Table -> what decides it, of the papers' tables and three data sets'."""
    table_targets._rows.cache_clear()
    papers = {name: table_targets.paper_settings(COMMITTED, name) for name in table_targets.paper_tables()}
    return papers | {name: table_targets.settings_of(COMMITTED, name) for name in ("demo", "ucf101", "hmdb51")}


def test_one_published_number_decides_its_own_table_and_its_data_sets_and_no_other(monkeypatch):
    before, cells = settings_by_table(), list(published.cells())
    place = next(n for n, cell in enumerate(cells) if (cell.table, cell.dataset) == ("twostream_table4", "ucf101"))
    cells[place] = cells[place]._replace(value="1.5")
    monkeypatch.setattr(published, "cells", lambda: tuple(cells))
    after = settings_by_table()
    table_targets._rows.cache_clear()
    assert {name for name in before if before[name] != after[name]} == {"twostream_table4", "ucf101"}


def test_an_experiment_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UserError, match=r"no experiments/four_stream.yaml, .*choose among .*two_stream"):
        table_targets.check(config.merge(COMMITTED, {"experiments": ["four_stream"]}))


def test_a_pattern_that_fits_no_run_is_one_sentence_with_the_runs_there_are():
    wrong = config.merge(COMMITTED, {"tables": {"rows": ["two_strem.*"]}})
    with pytest.raises(UserError, match=r"tables.rows has .*, which fits no run: choose among .*two_stream"):
        table_targets.check(wrong)


def test_a_data_set_without_pretraining_lacks_what_rows_need_unless_released_weights_may_stand_in(monkeypatch):
    needy = [row._replace(needs=("kinetics",)) for row in table_targets.table_rows()]
    monkeypatch.setattr(table_targets, "table_rows", lambda: needy)
    assert table_targets.lacking(COMMITTED, "ucf101") == ["kinetics"]
    assert table_targets.gathered_scores(COMMITTED, "ucf101") == []
    assert table_targets.lacking(COMMITTED, "demo") == []
    assert table_targets.lacking(config.merge(COMMITTED, {"tables": {"released": True}}), "ucf101") == []


def test_a_run_that_cannot_be_made_is_not_planned_and_its_row_says_why(monkeypatch):
    monkeypatch.setattr(runs, "obstacle", lambda config, dataset, run: f"{run} has no partner")
    assert table_targets.gathered_scores(COMMITTED, "ucf101") == []
    row = next(row for row in table_targets.table_rows() if row.run == "two_stream.temporal")
    reason = entries.why_missing(row, table_targets.choice(COMMITTED, "ucf101"))
    assert reason == ("not run", "two_stream.temporal has no partner", True)


def test_scores_that_are_there_are_shown_even_where_the_run_could_not_be_made_again(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "obstacle", lambda config, dataset, run: "released weights are missing")
    path = Path(runs.score_file("ucf101", 1, 0, "two_stream.temporal"))
    path.parent.mkdir(parents=True)
    path.touch()
    assert {run for run, _, _ in table_targets.gathered_scores(COMMITTED, "ucf101")} == {"two_stream.temporal"}
