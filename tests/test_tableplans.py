"""What config.yaml asks of the tables: rows, splits and seeds, chosen without touching code."""

from pathlib import Path

import pytest
import yaml

from pipeline import config, published, tableplans
from pipeline.errors import UserError

COMMITTED = config.load_yaml(Path(__file__).parents[1] / "config.yaml")


def test_the_papers_tables_and_the_data_sets_tables_are_what_the_config_names():
    files = tableplans.table_files(COMMITTED)
    assert "results/tables/ucf101.csv" in files
    assert len(files) == len(published.tables()) + 3
    assert len(set(files)) == len(files)


def test_a_paper_table_of_one_split_takes_the_scores_of_that_split_alone():
    assert {split for _, _, split, _ in tableplans.paper_scores(COMMITTED, "twostream_table1a")} == {1}


def test_seeds_and_rows_of_one_data_set_may_differ():
    difference = {"datasets": {"ucf101": {"tables": {"seeds": [3, 4], "rows": ["two_stream.spatial"]}}}}
    changed = config.merge(COMMITTED, difference)
    config.check(changed)
    planned = tableplans.gathered_scores(changed, "ucf101")
    assert {(run, seed) for run, _, seed in planned} == {("two_stream.spatial", 3), ("two_stream.spatial", 4)}
    assert tableplans.choice(changed, "hmdb51").seeds == [0]


def test_make_demo_takes_few_rows_and_make_demo_all_every_one():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    command = next(row for row in makefile.splitlines() if "--config" in row)
    key, _, value = command.split("'")[1].partition("=")
    every = config.merge(COMMITTED, {key: yaml.safe_load(value)})
    config.check(every)
    assert len(tableplans.choice(COMMITTED, "demo").rows) == 4
    assert tableplans.choice(every, "demo").rows == ["*"]
    few, all_runs = (tableplans.gathered_scores(settings, "demo") for settings in (COMMITTED, every))
    assert set(few) <= set(all_runs)
    assert {run for run, _, _ in all_runs} >= {
        r.run for r in tableplans.table_rows() if r.demo and not r.splits and r.run
    }


def test_an_experiment_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UserError, match=r"no experiments/four_stream.yaml, .*choose among .*two_stream"):
        tableplans.check(config.merge(COMMITTED, {"experiments": ["four_stream"]}))


def test_a_pattern_that_fits_no_run_is_one_sentence_with_the_runs_there_are():
    wrong = config.merge(COMMITTED, {"tables": {"rows": ["two_strem.*"]}})
    with pytest.raises(UserError, match=r"tables.rows has .*, which fits no run: choose among two_stream"):
        tableplans.check(wrong)


def test_a_data_set_without_pretraining_lacks_what_rows_need_unless_released_weights_may_stand_in(monkeypatch):
    needy = [row._replace(needs=("kinetics",)) for row in tableplans.table_rows()]
    monkeypatch.setattr(tableplans, "table_rows", lambda: needy)
    assert tableplans.lacking(COMMITTED, "ucf101") == ["kinetics"]
    assert tableplans.gathered_scores(COMMITTED, "ucf101") == []
    assert tableplans.lacking(COMMITTED, "demo") == []
    assert tableplans.lacking(config.merge(COMMITTED, {"tables": {"released": True}}), "ucf101") == []
