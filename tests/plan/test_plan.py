"""`python -m pipeline.plan`: the cost of a target, from jobs that ran here, from benchmarks, and from estimates."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.common.files import write_tsv
from pipeline.common.paths import ROOT
from pipeline.config import recipes
from pipeline.config.settings import load_yaml
from pipeline.jobs.dry_run import Job
from pipeline.plan import __main__ as plan_command
from pipeline.plan import estimate, formats, history, machines, network_costs, rates
from pipeline.plan.intervals import ZERO, exact
from pipeline.plan.machines import Machine
from pipeline.plan.planner import Planner

CPU = Machine(2, 0, "", None, True)
A100 = Machine(16, 4, "A100", machines.find_peaks("A100"), False)

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


def write_benchmark(job, wall, core):
    Path(job.benchmark).parent.mkdir(parents=True, exist_ok=True)
    write_tsv(job.benchmark, ("s", "cpu_time"), [(wall, core)])


def planner(machine=CPU, jobs=()):
    return Planner(config(), machine, history.read_history(jobs), estimate.ESTIMATES)


def test_the_first_slices_of_a_data_set_give_the_cost_of_the_others(there):
    jobs = [flow(number) for number in range(4)]
    for job, seconds in zip(jobs[:2], (10.0, 12.0), strict=True):
        write_benchmark(job, seconds, 2 * seconds)
        Path(job.outputs[0]).parent.mkdir(parents=True, exist_ok=True)
        Path(job.outputs[0]).write_bytes(bytes(1000))
    plan = estimate.make_plan(jobs[2:], jobs, config(), CPU)
    row, totals = plan.rows
    assert (row.stage, row.jobs, row.done, row.basis) == ("flow", 2, 2, "measured here (2 jobs)")
    assert (row.core.likely, row.disk.likely) == (2 * 22, 2 * 1000)
    assert row.core.low <= 2 * 20 < 2 * 24 <= row.core.high
    assert totals.core == row.core


def test_the_core_time_of_a_short_job_is_at_least_its_wall_time(there):
    for number, (wall, core) in enumerate([(9, 3), (9, "NA"), (300, 200)]):
        write_benchmark(flow(number, "demo"), wall, core)
    seconds = history.read_history([flow(number, "demo") for number in range(3)]).seconds
    assert list(seconds.values()) == [[(9, 9), (9, 9), (300, 200)]]


def test_a_malformed_benchmark_file_is_reported_in_one_sentence(there):
    write_benchmark(flow(0), "soon", 1)
    with pytest.raises(UserError, match=r"0000.tsv is no benchmark file of Snakemake's \("):
        history.read_history([flow(0)])


def test_a_disk_that_is_too_small_is_noted(there):
    plan = estimate.make_plan([flow(0)], [], config(), CPU)
    totals = plan.rows[-1]._replace(disk=exact(1e18))
    (note,) = estimate.disk_notes(plan._replace(rows=[totals]))
    assert "are needed: take another --directory" in note


def test_times_measured_here_are_not_used_for_the_gpus_of_another_machine(there):
    write_benchmark(flow(0), 10, 20)
    local, other = (planner(machine, [flow(0)]).time(flow(1)) for machine in (CPU, A100))
    assert (local.basis, local.gpu) == ("measured here (1 job)", ZERO)
    assert "measured here" not in other.basis


def test_flow_on_a_gpu_is_marked_as_unmeasured(there):
    plan = estimate.make_plan([flow(0)], [flow(0)], config(), A100)
    header, row, totals = formats.cells(plan)
    assert all(cells[header.index("GPU seconds")] == "0 + ?" for cells in (row, totals))
    assert "TV-L1 on a GPU" in plan.notes[-1]
    assert formats.records(plan)[0]["incomplete"]


def test_slices_that_are_not_kept_need_temporary_space(there):
    kept, deleted = (
        estimate.make_plan([flow(0)], [], {**config(), "keep_slices": keep}, CPU) for keep in (True, False)
    )  # fmt: skip
    assert kept.rows[0].disk == deleted.temporary != ZERO
    assert kept.temporary == deleted.rows[0].disk == ZERO
    assert kept.rows[0].files == deleted.rows[0].files + 2


def test_backward_flow_costs_as_much_as_forward_flow(there):
    write_benchmark(flow(0), 10, 20)
    backward = flow(1)._replace(wildcards={**flow(1).wildcards, "modality": "backward"})
    assert planner(CPU, [flow(0)]).time(backward).core.likely == 20


def test_a_rule_without_an_estimate_is_named(there):
    plan = estimate.make_plan([Job("dance", [], ["a"], "")], [], config(), CPU)
    assert plan.rows[0].stage == "dance"
    assert plan.notes[-1] == "Not known: the cost of dance after its start."


def test_a_training_step_costs_three_forward_passes_and_one_if_only_the_head_is_trained(there):
    machine = A100._replace(cores=10**9)  # so many that loading takes no time
    full, head = (
        planner(machine).time(train(run)._replace(threads=10**9))
        for run in ("two_stream.temporal", "two_stream.spatial")
    )
    recipe = recipes.load(ROOT / "experiments" / "two_stream.yaml", "paper").run("temporal")
    work = 6 * network_costs.table()[network_costs.cost_key(recipe)].multiply_adds * recipe.batch * recipe.steps
    share, start = rates.rate("share_of_peak").value, rates.rate("start_torch").value
    assert full.gpu.likely - start.likely == pytest.approx(work / share.likely / machine.peaks.single, rel=1e-3)
    assert head.gpu.likely < full.gpu.likely / 8
    assert full.basis == "estimated, not measured"


def test_too_few_cores_for_the_gpus_are_noted(there):
    notes = estimate.make_plan([train()], [], config(), A100).notes
    assert any(note.startswith("16 cores keep 2 of 4 GPUs at work") for note in notes)
    assert list(estimate.idle_gpus(A100._replace(cores=32), [8])) == []


def test_the_longest_of_many_runs_are_named(there):
    runs = ("temporal", "temporal_1", "spatial", "slow_fusion", "bidirectional")
    jobs = [train(f"two_stream.{run}") for run in (*runs, "slow_fusion")]
    (note,) = estimate.longest_trainings(jobs, [planner(A100).time(job) for job in jobs])
    assert note.startswith("The longest trainings, GPU hours of all splits: two_stream.slow_fusion ")
    assert "two_stream.spatial" not in note


def test_with_more_cores_a_gpu_waits_less_for_data(there):
    few, many = (planner(A100._replace(cores=cores)).time(train()) for cores in (2, 16))
    assert few.gpu.low > 2 * many.gpu.low


def test_finished_jobs_cost_nothing(there):
    plan = estimate.make_plan([], [flow(0), flow(1)], config(), CPU)
    assert formats.cells(plan)[1:] == [
        ["flow", "0", "2", "0", "0", "0", "0", "0", ""],
        ["all", "0", "2", "0", "0", "0", "0", "0", ""],
    ]


def test_every_format_has_the_same_figures(there):
    plan = estimate.make_plan([flow(0, "demo")], [], config(), CPU)
    _, *lines = formats.text(plan).splitlines()
    assert lines[0].split()[:3] == ["flow", "1", "0"]
    assert formats.markdown(plan).splitlines()[2].split(" | ")[:3] == ["| flow", "1", "0"]
    (row, _) = csv.DictReader(io.StringIO(formats.csv_text(plan)))
    first = json.loads(formats.json_text(plan))["stages"][0]
    assert float(row["core_hours"]) == first["core_hours"] == plan.rows[0].core.likely / 3600


def test_finished_jobs_are_distinguished_from_jobs_to_run(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text((ROOT / "config.yaml").read_text())
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    options = ["--snakefile", str(tmp_path / "Snakefile"), "--directory", str(tmp_path)]
    first, outputs = "data/demo/frames/0000.h5", [f"data/demo/frames/000{number}.h5" for number in range(3)]
    command = [sys.executable, "-m", "snakemake", *options, "--cores", "1", "--", first]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr
    plan_command.main([*outputs, *options, "--format", "json"])
    row = json.loads(capsys.readouterr().out)["stages"][0]
    assert (row["stage"], row["jobs"], row["done"], row["basis"]) == ("frames", 2, 1, "measured here (1 job)")
    assert 0 < row["core_hours"] * 3600 < 20
    assert row["disk_gb"] == 2 * 1000 / 1e9


@pytest.mark.parametrize(
    ("options", "message"),
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
def test_mistakes_are_reported_in_one_sentence(there, options, message):
    with pytest.raises(UserError, match=message):
        plan_command.main(["results/tables/demo.csv", *options])


def test_the_plan_of_the_demo_agrees_with_its_run_time(tmp_path, capsys):
    """4 min 25 s on two idle cores; the rates of small networks, drawing and starting are from such runs, too."""
    plan_command.main(
        ["results/tables/demo.csv", "--directory", str(tmp_path), "--cores", "2", "--gpus", "0", "--format", "json"]
    )
    totals = json.loads(capsys.readouterr().out)["stages"][-1]
    assert (totals["jobs"], totals["done"]) == (41, 0)
    assert totals["hours_low"] < 265 / 3600 < totals["hours_high"]
    assert not totals["incomplete"]
