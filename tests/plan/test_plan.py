"""`python -m pipeline.plan`: what a target would cost, from what ran here, from benchmarks, and reckoned."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.common.files import write_tsv
from pipeline.config import recipes
from pipeline.config.settings import load_yaml
from pipeline.jobs.dry_run import ROOT, Job
from pipeline.plan import __main__ as plan_command
from pipeline.plan import (
    computing,
    estimate,
    evidence,
    formats,
    machines,
    network_costs,
    preparing,
    rates,
)
from pipeline.plan.machines import Machine
from pipeline.plan.spans import NOTHING, exact
from pipeline.plan.times import Planner

CPU = Machine(2, 0, "", None, True)
A100 = Machine(16, 4, "A100", machines.peaks("A100"), False)

SNAKEFILE = """
rule frames:
    output: "data/{dataset}/frames/{slice}.h5"
    benchmark: "results/benchmarks/frames/{dataset}/{slice}.tsv"
    shell: "python -c 'sum(range(3 * 10**7))'; head -c 1000 /dev/zero > {output}"
"""


def config():
    return load_yaml(ROOT / "config.yaml")


def flow(number, dataset="ucf101"):
    name = f"{number:04d}"
    wildcards = {"dataset": dataset, "modality": "flow", "slice": name}
    benchmark = f"results/benchmarks/flow/{dataset}/{name}.tsv"
    return Job("flow", [f"data/{dataset}/frames/{name}.h5"], [f"data/{dataset}/flow/{name}.h5"], "", wildcards,
               benchmark, 2, 1)  # fmt: skip


def train(run="two_stream.temporal", dataset="ucf101"):
    folder = f"results/runs/{dataset}/split1/seed0/{run}"
    wildcards = {"dataset": dataset, "split": "1", "seed": "0", "run": run}
    return Job("train", [], [f"{folder}/weights.safetensors"], "", wildcards, "", 8, 1)


def took(job, wall, core):
    Path(job.benchmark).parent.mkdir(parents=True, exist_ok=True)
    write_tsv(job.benchmark, ("s", "cpu_time"), [(wall, core)])


def planner(machine=CPU, jobs=()):
    estimates = {**preparing.ESTIMATES, **computing.ESTIMATES}
    return Planner(config(), machine, evidence.gathered(jobs), estimates)


def test_a_data_sets_first_slices_tell_what_the_others_take(there):
    jobs = [flow(number) for number in range(4)]
    for job, seconds in zip(jobs[:2], (10.0, 12.0), strict=True):
        took(job, seconds, 2 * seconds)
        Path(job.outputs[0]).parent.mkdir(parents=True, exist_ok=True)
        Path(job.outputs[0]).write_bytes(bytes(1000))
    found = estimate.planned(jobs[2:], jobs, config(), CPU)
    line, whole = found.lines
    assert (line.stage, line.jobs, line.done, line.basis) == ("flow", 2, 2, "measured here (2 jobs)")
    assert (line.core.likely, line.disk.likely) == (2 * 22, 2 * 1000)
    assert line.core.low <= 2 * 20 < 2 * 24 <= line.core.high
    assert whole.core == line.core


def test_a_short_jobs_core_time_is_no_less_than_the_walls(there):
    for number, (wall, core) in enumerate([(9, 3), (9, "NA"), (300, 200)]):
        took(flow(number, "demo"), wall, core)
    found = evidence.gathered([flow(number, "demo") for number in range(3)]).seconds
    assert list(found.values()) == [[(9, 9), (9, 9), (300, 200)]]


def test_what_is_no_benchmark_file_is_one_sentence(there):
    took(flow(0), "soon", 1)
    with pytest.raises(UserError, match=r"0000.tsv is no benchmark file of Snakemake's \("):
        evidence.gathered([flow(0)])


def test_a_disk_that_is_too_small_is_told(there):
    found = estimate.planned([flow(0)], [], config(), CPU)
    large = found.lines[-1]._replace(disk=exact(1e18))
    (said,) = estimate.full(found._replace(lines=[large]))
    assert "are needed: take another --directory" in said


def test_what_jobs_took_here_is_not_held_against_another_machines_gpus(there):
    took(flow(0), 10, 20)
    here, other = (planner(machine, [flow(0)]).time(flow(1)) for machine in (CPU, A100))
    assert (here.basis, here.gpu) == ("measured here (1 job)", NOTHING)
    assert "measured here" not in other.basis


def test_flow_on_a_gpu_is_said_to_be_unmeasured_and_not_to_be_free(there):
    found = estimate.planned([flow(0)], [flow(0)], config(), A100)
    header, line, whole = formats.cells(found)
    assert all(row[header.index("GPU seconds")] == "0 + ?" for row in (line, whole))
    assert "TV-L1 on a GPU" in found.notes[-1]
    assert formats.records(found)[0]["incomplete"]


def test_slices_that_are_not_kept_take_room_only_until_they_are_packed(there):
    kept, passing = (
        estimate.planned([flow(0)], [], {**config(), "keep_slices": keep}, CPU) for keep in (True, False)
    )  # fmt: skip
    assert kept.lines[0].disk == passing.passes != NOTHING
    assert kept.passes == passing.lines[0].disk == NOTHING
    assert kept.lines[0].files == passing.lines[0].files + 2


def test_backward_flow_costs_what_forward_flow_took(there):
    took(flow(0), 10, 20)
    backward = flow(1)._replace(wildcards={**flow(1).wildcards, "modality": "backward"})
    assert planner(CPU, [flow(0)]).time(backward).core.likely == 20


def test_a_rule_that_nothing_is_known_of_is_named(there):
    found = estimate.planned([Job("dance", [], ["a"], "")], [], config(), CPU)
    assert found.lines[0].stage == "dance"
    assert found.notes[-1] == "Not known: what dance costs beside its start."


def test_a_training_costs_three_forward_passes_a_clip_and_the_head_alone_one(there):
    machine = A100._replace(cores=10**9)  # so many that reading costs no time
    whole, head = (
        planner(machine).time(train(run)._replace(threads=10**9))
        for run in ("two_stream.temporal", "two_stream.spatial")
    )
    recipe = recipes.load(ROOT / "experiments" / "two_stream.yaml", "paper").run("temporal")
    work = 6 * network_costs.table()[network_costs.key(recipe)].multiply_adds * recipe["batch"] * recipe["steps"]
    share, start = rates.rate("share_of_peak").value, rates.rate("start_torch").value
    assert whole.gpu.likely - start.likely == pytest.approx(work / share.likely / machine.peaks.single, rel=1e-3)
    assert head.gpu.likely < whole.gpu.likely / 8
    assert whole.basis == "reckoned, not measured"


def test_too_few_cores_for_the_gpus_are_told(there):
    notes = estimate.planned([train()], [], config(), A100).notes
    assert any(note.startswith("16 cores keep 2 of 4 GPUs at work") for note in notes)
    assert list(estimate.idle(A100._replace(cores=32), [8])) == []


def test_of_many_runs_the_longest_are_named(there):
    runs = ("temporal", "temporal_1", "spatial", "slow_fusion", "bidirectional")
    jobs = [train(f"two_stream.{run}") for run in (*runs, "slow_fusion")]
    (said,) = estimate.dearest(jobs, [planner(A100).time(job) for job in jobs])
    assert said.startswith("The longest trainings, GPU hours of all splits: two_stream.slow_fusion ")
    assert "two_stream.spatial" not in said


def test_more_cores_feed_a_gpu_sooner(there):
    few, many = (planner(A100._replace(cores=cores)).time(train()) for cores in (2, 16))
    assert few.gpu.low > 2 * many.gpu.low


def test_what_is_done_costs_nothing_more(there):
    found = estimate.planned([], [flow(0), flow(1)], config(), CPU)
    assert formats.cells(found)[1:] == [
        ["flow", "0", "2", "0", "0", "0", "0", "0", ""],
        ["all", "0", "2", "0", "0", "0", "0", "0", ""],
    ]


def test_every_format_has_the_same_figures(there):
    found = estimate.planned([flow(0, "demo")], [], config(), CPU)
    _, *lines = formats.text(found).splitlines()
    assert lines[0].split()[:3] == ["flow", "1", "0"]
    assert formats.markdown(found).splitlines()[2].split(" | ")[:3] == ["| flow", "1", "0"]
    (row, _) = csv.DictReader(io.StringIO(formats.comma(found)))
    first = json.loads(formats.jsons(found))["stages"][0]
    assert float(row["core_hours"]) == first["core_hours"] == found.lines[0].core.likely / 3600


def test_what_snakemake_did_is_told_apart_from_what_is_left(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    where = ["--snakefile", str(tmp_path / "Snakefile"), "--directory", str(tmp_path)]
    one, all_ = "data/demo/frames/0000.h5", [f"data/demo/frames/000{number}.h5" for number in range(3)]
    command = [sys.executable, "-m", "snakemake", *where, "--cores", "1", "--", one]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    plan_command.main([*all_, *where, "--format", "json"])
    found = json.loads(capsys.readouterr().out)["stages"][0]
    assert (found["stage"], found["jobs"], found["done"], found["basis"]) == ("frames", 2, 1, "measured here (1 job)")
    assert 0 < found["core_hours"] * 3600 < 20
    assert found["disk_gb"] == 2 * 1000 / 1e9


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cores", "0"], "--cores is 0 but at least 1"),
        (["--gpus", "-1"], "--gpus is -1 but at least 0"),
        (["--gpu", "Voodoo"], "--gpu is Voodoo, which machines.tsv does not have: choose H200 or"),
        (["--configfile", "no.yaml"], "no.yaml cannot be read"),
        (["--directory", __file__], "test_plan.py, which is a file: give a folder"),
        (["--snakefile", "no.smk"], "--snakefile is no.smk, which is no file"),
        (["--config", "frames=3"], "config.yaml: frames is 3 but must be of type object"),
    ],
)
def test_mistakes_are_one_sentence(there, options, words):
    with pytest.raises(UserError, match=words):
        plan_command.main(["results/tables/demo.csv", *options])


def test_the_demos_plan_agrees_with_what_it_took(tmp_path, capsys):
    """4 min 25 s on two idle cores; the rates of small networks, drawing and starting are from such runs, too."""
    plan_command.main(
        ["results/tables/demo.csv", "--directory", str(tmp_path), "--cores", "2", "--gpus", "0", "--format", "json"]
    )
    found = json.loads(capsys.readouterr().out)
    whole = found["stages"][-1]
    assert (whole["jobs"], whole["done"]) == (41, 0)
    assert whole["hours_low"] < 265 / 3600 < whole["hours_high"]
    assert not whole["incomplete"]
