"""The DAG, by dry runs: what would be made, and what a mistake in config.yaml says."""

import pytest

from tests.workflow import jobs, snakemake


def test_ucf101_is_planned_whole_with_nothing_downloaded(tmp_path):
    planned = jobs(tmp_path, "results/tables/ucf101.csv")
    assert planned["frames"] == planned["flow"] == 64
    assert (planned["fetch"], planned["shard"], planned["train"], planned["fuse"], planned["table"]) == (1, 2, 6, 6, 1)
    assert not (tmp_path / "data").exists()


def test_hmdb51_is_planned_by_the_same_rules(tmp_path):
    planned = jobs(tmp_path, "results/tables/hmdb51.csv")
    assert (planned["fetch"], planned["frames"], planned["flow"], planned["train"]) == (1, 24, 24, 6)


def test_asking_for_one_split_plans_that_split_alone(tmp_path):
    config = {"datasets": {"ucf101": {"splits": [1]}}}
    assert jobs(tmp_path, "results/tables/ucf101.csv", config=config)["train"] == 2


def test_the_default_target_is_every_table(tmp_path):
    assert jobs(tmp_path, "all")["table"] == 3


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"frames": {"sise": 1}}, "config.yaml: the key frames.sise (value 1) is not known: did you mean size?"),
        ({"flow": {"bound": "big"}}, "config.yaml: flow.bound is 'big' but must be of type number"),
        ({"datasets": {"mine": {"folder": "/no/such"}}}, "datasets.mine.folder is /no/such, which does not exist"),
        ({"experiments": ["four_stream"]}, "there is no experiments/four_stream.yaml"),
        ({"datasets": {"demo": {"preset": "fast"}}}, "no preset 'fast': choose one of paper, demo"),
    ],
)
def test_a_mistake_in_the_config_is_a_sentence_before_the_dag_and_no_traceback(tmp_path, config, words):
    run = snakemake(tmp_path, "-n", "results/tables/demo.csv", config=config)
    said = run.stdout + run.stderr
    assert run.returncode == 1
    assert words in " ".join(said.split())
    assert "Traceback" not in said
    assert "Building DAG" not in said
