"""The DAG, by dry runs: planned jobs, and the messages for mistakes in config.yaml."""

import pytest

from tests.helpers.workflow import jobs, snakemake

SYSTEM = [f"two_stream.{run}" for run in ("spatial", "temporal_multitask", "average_multitask", "svm_multitask")]


def showing(dataset, rows, **settings):
    """A config whose table of the data set has these rows."""
    return {"datasets": {dataset: {"tables": {"rows": rows}, **settings}}}


def test_all_jobs_of_a_papers_system_are_planned_before_anything_is_downloaded(tmp_path):
    (tmp_path / "data" / "weights").mkdir(parents=True)
    (tmp_path / "data" / "weights" / "cnn_m_2048.safetensors").touch()
    planned = jobs(tmp_path, "results/tables/ucf101.csv", config=showing("ucf101", SYSTEM))
    assert planned["frames"] == planned["flow"] == 64 + 24  # of two data sets
    assert (planned["fetch"], planned["shard"], planned["train"], planned["fuse"], planned["table"]) == (2, 3, 6, 6, 1)
    assert not (tmp_path / "data" / "raw").exists()


def test_runs_that_need_missing_released_weights_are_not_planned(tmp_path):
    planned = jobs(tmp_path, "results/tables/ucf101.csv", config=showing("ucf101", SYSTEM))
    assert planned["train"] == 3
    assert "fuse" not in planned


def test_fine_tuning_plans_the_training_on_the_other_data_set(tmp_path):
    planned = jobs(tmp_path, "results/tables/hmdb51.csv", config=showing("hmdb51", ["two_stream.temporal_tuned"]))
    assert (planned["fetch"], planned["frames"], planned["flow"], planned["train"]) == (2, 88, 88, 2)


def test_a_slice_of_frames_needs_the_archives_and_no_index(tmp_path):
    assert jobs(tmp_path, "data/ucf101/frames/0000.h5") == {"fetch": 1, "frames": 1, "total": 2}


def test_a_single_split_plans_no_other_split(tmp_path):
    config = showing("ucf101", ["two_stream.temporal_multitask"], splits=[1])
    assert jobs(tmp_path, "results/tables/ucf101.csv", config=config)["train"] == 1


def test_the_default_target_is_every_table(tmp_path):
    assert jobs(tmp_path, "all")["table"] == 3


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"frames": {"sise": 1}}, "config.yaml: the key frames.sise (value 1) is not known: did you mean size?"),
        ({"flow": {"bound": "big"}}, "config.yaml: flow.bound is 'big' but must be of type number"),
        ({"datasets": {"mine": {"folder": "/no/such"}}}, "datasets.mine.folder is /no/such, which does not exist"),
        (
            {"datasets": {"ucf101": {"splits": [1, 4]}}},
            "datasets.ucf101.splits asks for split 4 but there are 1, 2, 3 in",
        ),
        ({"experiments": ["four_stream"]}, "there is no experiments/four_stream.yaml"),
        ({"datasets": {"demo": {"preset": "fast"}}}, "no preset 'fast': choose one of paper, quick, demo"),
    ],
)
def test_a_mistake_in_the_config_is_reported_before_the_dag_without_a_traceback(tmp_path, config, message):
    run = snakemake(tmp_path, "-n", "results/tables/demo.csv", config=config)
    output = run.stdout + run.stderr
    assert run.returncode == 1
    assert message in " ".join(output.split())
    assert "Traceback" not in output
    assert "Building DAG" not in output
