"""The DAG behind every row of the three data sets' tables, by one dry run with nothing there but released weights."""

import contextlib
from pathlib import Path

import pytest

from pipeline.config import settings
from pipeline.jobs import dry_run
from pipeline.tables.entries import applies
from pipeline.workflow import runs, table_targets
from tests.helpers.workflow import ROOT, snakemake

DATASETS = ("ucf101", "hmdb51", "kinetics400")
CONFIG = {
    "datasets": {
        "ucf101": {"slices": 2, "pretraining": "kinetics400"},
        "hmdb51": {"slices": 2, "pretraining": "kinetics400"},
        "kinetics400": {
            "layout": "kinetics", "slices": 2, "splits": [1, 2], "preset": "paper", "frames": {"size": 256, "fps": 25},
        },
    }
}  # fmt: skip


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """The config, and output -> job of the dry run of the data sets' tables."""
    folder = tmp_path_factory.mktemp("rows")
    merged = settings.merge(settings.load_yaml(ROOT / "config.yaml"), CONFIG)
    for release in runs.releases(merged):
        (folder / "data" / "weights").mkdir(parents=True, exist_ok=True)
        (folder / "data" / "weights" / f"{release}.safetensors").touch()
    run = snakemake(folder, "-n", *(f"results/tables/{name}.csv" for name in DATASETS), config=CONFIG)
    assert run.returncode == 0, run.stdout + run.stderr
    with contextlib.chdir(folder):
        rows = {name: table_targets.dataset_scores(merged, name) for name in DATASETS}
    return rows, {path: job for job in dry_run.parse_jobs(run.stdout + run.stderr) for path in job.outputs}


def behind(path, makers):
    """Every job that a file comes from."""
    found, waiting = {}, [path]
    while waiting:
        job = makers.get(waiting.pop())
        if job and job.outputs[0] not in found:
            found[job.outputs[0]] = job
            waiting += job.inputs
    return list(found.values())


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_row_goes_back_to_the_archives_by_jobs_that_are_planned(plan, dataset):
    rows, makers = plan
    assert rows[dataset]
    for run, split, seed in rows[dataset]:
        rules = {job.rule for job in behind(runs.score_file(dataset, split, seed, run), makers)}
        assert {"fetch", "index", "frames"} <= rules, (dataset, run, split)
        assert rules & {"score", "fuse", "idt_classify"}, (dataset, run, split)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_published_number_of_the_papers_own_systems_has_a_planned_run(plan, dataset):
    rows, _ = plan
    having = [row for row in table_targets.table_entries() if row.run]
    wanted = {cell for row in having for cell in row.cells if cell.dataset == dataset}
    planned = {run for run, _, _ in rows[dataset]}
    covered = {cell for row in having for cell in row.cells if applies(row, dataset) and row.run in planned}
    assert wanted - covered == set()


@pytest.mark.parametrize(("run", "trained_on"), [("i3d.i3d_tuned", {"ucf101", "kinetics400"}), ("i3d.i3d", {"ucf101"})])
def test_a_transferred_net_waits_for_its_training_on_kinetics_and_no_other_does(plan, run, trained_on):
    before = behind(runs.score_file("ucf101", 1, 0, run), plan[1])
    assert {Path(job.outputs[0]).parts[2] for job in before if job.rule == "train"} == trained_on
