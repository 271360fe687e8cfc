"""The DAG of all entries of three data sets' tables, by one dry run in which only released weights exist."""

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


def upstream_jobs(path, makers):
    """All jobs that a file depends on."""
    upstream, queue = {}, [path]
    while queue:
        job = makers.get(queue.pop())
        if job and job.outputs[0] not in upstream:
            upstream[job.outputs[0]] = job
            queue += job.inputs
    return list(upstream.values())


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_score_file_of_a_table_is_planned_from_the_archives_on(plan, dataset):
    rows, makers = plan
    assert rows[dataset]
    for run, split, seed in rows[dataset]:
        rules = {job.rule for job in upstream_jobs(runs.score_file(dataset, split, seed, run), makers)}
        assert {"fetch", "index", "frames"} <= rules, (dataset, run, split)
        assert rules & {"score", "fuse", "idt_classify"}, (dataset, run, split)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_published_number_of_the_papers_own_systems_has_a_planned_run(plan, dataset):
    rows, _ = plan
    with_runs = [entry for entry in table_targets.table_entries() if entry.run]
    wanted = {cell for entry in with_runs for cell in entry.cells if cell.dataset == dataset}
    planned = {run for run, _, _ in rows[dataset]}
    covered = {cell for entry in with_runs for cell in entry.cells if applies(entry, dataset) and entry.run in planned}
    assert wanted - covered == set()


@pytest.mark.parametrize(("run", "trained_on"), [("i3d.i3d_tuned", {"ucf101", "kinetics400"}), ("i3d.i3d", {"ucf101"})])
def test_only_a_fine_tuned_network_depends_on_a_training_on_kinetics(plan, run, trained_on):
    before = upstream_jobs(runs.score_file("ucf101", 1, 0, run), plan[1])
    assert {Path(job.outputs[0]).parts[2] for job in before if job.rule == "train"} == trained_on
