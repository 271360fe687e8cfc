"""`python -m pipeline.plan`: what a target would cost, from what ran here, from benchmarks, and reckoned."""

import io
import json
import re
from pathlib import Path

import pytest

from pipeline import plan, recipes
from pipeline.config import DATASET_DEFAULTS, load_yaml
from pipeline.dryrun import ROOT, Job, parse
from pipeline.errors import UserError
from pipeline.files import read_tsv, write_tsv
from pipeline.planning import computing, evidence, facts, formats, machines, networks, preparing, rates, report, spans
from pipeline.planning.machines import Machine
from pipeline.planning.schedule import OVERHEAD, soonest
from pipeline.planning.spans import NOTHING, Span, exact
from pipeline.planning.times import Planner, Time
from pipeline.sources import TABLE as SOURCES
from pipeline.store import StoreWriter

CPU = Machine(2, 0, "", None, True)
A100 = Machine(16, 4, "A100", machines.peaks("A100"), False)
SMK = sorted((ROOT / "rules").glob("*.smk"))
ANNOTATIONS = ROOT.parent / "shared" / "annotations"


@pytest.fixture
def there(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


def test_a_dry_runs_jobs_are_read_with_what_a_plan_needs():
    (job,) = parse(
        "rule flow:\n    input: a.h5\n    output: b.h5\n    jobid: 3\n    benchmark: t.tsv\n    reason: Missing\n"
        "    wildcards: dataset=demo, slice=0001\n    threads: 2\n    resources: tmpdir=/tmp, gpu=1\n"
    )
    assert job == Job("flow", ["a.h5"], ["b.h5"], "Missing", {"dataset": "demo", "slice": "0001"}, "t.tsv", 2, 1)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (Span(13.2, 20.4, 39.6), "20 (13 - 40)"), (exact(3), "3.0"), (NOTHING, "0"), (exact(0.003), "<0.01"),
        (Span(1234, 23456, 99999), "23,000 (1,200 - 100,000)"), (Span(0.03, 0.125, 2.34), "0.12 (0.03 - 2.3)"),
    ],
)  # fmt: skip
def test_a_number_is_told_with_its_uncertainty(span, text):
    assert str(span) == text


def test_measurements_that_agree_narrow_a_span_but_never_to_nothing():
    assert spans.measured([10.0]) == pytest.approx((10 / 1.4, 10, 14))
    assert spans.measured([10.0] * 9) == pytest.approx((10, 10, 11))
    scattered = spans.measured([5.0, 10.0, 15.0])
    assert (scattered.low, scattered.likely, scattered.high) == pytest.approx((5, 10, 10 + 2 * 5 / 3**0.5))


def test_a_data_sets_first_slices_tell_what_the_others_take(there):
    jobs = [flow(number) for number in range(4)]
    for job, seconds in zip(jobs[:2], (10.0, 12.0), strict=True):
        took(job, seconds, 2 * seconds)
        Path(job.outputs[0]).parent.mkdir(parents=True, exist_ok=True)
        Path(job.outputs[0]).write_bytes(bytes(1000))
    found = plan.planned(jobs[2:], jobs, config(), CPU)
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
    found = plan.planned([flow(0)], [], config(), CPU)
    large = found.lines[-1]._replace(disk=exact(1e18))
    (said,) = plan.full(found._replace(lines=[large]))
    assert "are needed: take another --directory" in said


def test_what_jobs_took_here_is_not_held_against_another_machines_gpus(there):
    took(flow(0), 10, 20)
    here, other = (planner(machine, [flow(0)]).time(flow(1)) for machine in (CPU, A100))
    assert (here.basis, here.gpu) == ("measured here (1 job)", NOTHING)
    assert "measured here" not in other.basis


def test_flow_on_a_gpu_is_said_to_be_unmeasured_and_not_to_be_free(there):
    found = plan.planned([flow(0)], [flow(0)], config(), A100)
    header, line, whole = formats.cells(found)
    assert all(row[header.index("GPU seconds")] == "0 + ?" for row in (line, whole))
    assert "TV-L1 on a GPU" in found.notes[-1]
    assert formats.records(found)[0]["incomplete"]


def test_backward_flow_costs_what_forward_flow_took(there):
    took(flow(0), 10, 20)
    backward = flow(1)._replace(wildcards={**flow(1).wildcards, "modality": "backward"})
    assert planner(CPU, [flow(0)]).time(backward).core.likely == 20


def test_a_rule_that_nothing_is_known_of_is_named(there):
    found = plan.planned([Job("dance", [], ["a"], "")], [], config(), CPU)
    assert found.lines[0].stage == "dance"
    assert found.notes[-1] == "Not known: what dance costs beside its start."


def test_every_rule_of_the_workflow_has_an_estimate():
    rules = re.findall(r"^rule (\w+):(?:\n(?!rule ).*)*?\n    output:", "\n".join(map(Path.read_text, SMK)), re.M)
    known = {**preparing.ESTIMATES, **computing.ESTIMATES}
    assert len(rules) > 20
    assert [rule for rule in rules if not {rule, rule.partition("_")[0]} & known.keys()] == []
    assert [rule for rule in rules if report.stage_of(rule) == rule and rule not in report.STAGES] == []


def test_every_recipes_network_is_counted_and_as_the_table_has_it():
    known = networks.table()
    assert {networks.key(recipe) for recipe in networks.every()} == set(known), (
        "run python -m pipeline.planning.networks"
    )
    recipe = recipes.load(ROOT / "experiments" / "two_stream.yaml", "paper").run("temporal")
    assert networks.counted(recipe) == known[networks.key(recipe)]


def test_a_training_costs_three_forward_passes_a_clip_and_the_head_alone_one(there):
    machine = A100._replace(cores=10**9)  # so many that reading costs no time
    whole, head = (
        planner(machine).time(train(run)._replace(threads=10**9))
        for run in ("two_stream.temporal", "two_stream.spatial")
    )
    recipe = recipes.load(ROOT / "experiments" / "two_stream.yaml", "paper").run("temporal")
    work = 6 * networks.table()[networks.key(recipe)].multiply_adds * recipe["batch"] * recipe["steps"]
    share, start = rates.rate("share_of_peak").value, rates.rate("start_torch").value
    assert whole.gpu.likely - start.likely == pytest.approx(work / share.likely / machine.peaks.single, rel=1e-3)
    assert head.gpu.likely < whole.gpu.likely / 8
    assert whole.basis == "reckoned, not measured"


def test_more_cores_feed_a_gpu_sooner(there):
    few, many = (planner(A100._replace(cores=cores)).time(train()) for cores in (2, 16))
    assert few.gpu.low > 2 * many.gpu.low


def test_no_machine_is_sooner_than_its_cores_its_gpus_and_the_longest_chain():
    jobs = [Job("a", [], ["1"], ""), Job("b", ["1"], ["2"], ""), Job("c", [], ["3"], "")]
    times = [Time(exact(s), exact(s), exact(g), "") for s, g in ((10, 0), (20, 0), (60, 50))]
    least = OVERHEAD * 3
    assert soonest(jobs, times, CPU) == exact(60 + least)
    assert soonest(jobs[:2], times[:2], CPU) == exact(30 + OVERHEAD * 2)
    assert soonest(jobs, times, CPU._replace(cores=1)) == exact(90 + least)


def test_a_data_sets_frames_are_counted_as_far_as_slices_are_there(there):
    before = facts.facts(config(), "demo")
    Path("data/demo/frames").mkdir(parents=True)
    for number in range(2):
        writer = StoreWriter(f"data/demo/frames/000{number}.h5", {"stage": "frames"})
        writer.add("v", [1] * 3000, io.BytesIO(bytes(3000)), 25.0)
        writer.close()
    after = facts.facts(config(), "demo")
    assert before.frames == exact(12398)
    assert after.frames.likely == 4 * 3000
    assert after.known == "frames of demo: counted in 2 of 4 slices"


def test_a_folder_of_ones_own_is_counted_and_its_frames_are_a_range(there):
    for name in ("a/1.avi", "a/2.avi", "b/3.mp4", "b/notes.txt"):
        Path("mine", name).parent.mkdir(parents=True, exist_ok=True)
        Path("mine", name).write_bytes(bytes(1_000_000))
    own = {**config(), "datasets": {"mine": {**DATASET_DEFAULTS, "folder": "mine"}}}
    found = facts.facts(own, "mine")
    assert (found.videos, found.classes, found.bytes.likely) == (3, 2, 3_000_000)
    assert found.frames.low < found.frames.likely < found.frames.high
    assert "guessed from 3,000,000 bytes" in found.known


def test_the_tables_of_facts_are_whole():
    rows = read_tsv(facts.TABLE, facts.COLUMNS)
    assert {row["dataset"] for row in rows} == {row["dataset"] for row in read_tsv(SOURCES)}
    for row in rows:
        assert float(row["train"]) + float(row["test"]) <= float(row["videos"])
        for name in facts.SPANS:
            assert float(row[f"{name}_low"]) <= float(row[name]) <= float(row[f"{name}_high"])
    assert all(peaks.half > peaks.single > 0 for peaks in machines.table().values())
    for row in read_tsv(rates.TABLE, rates.COLUMNS):
        assert 0 < float(row["low"]) <= float(row["likely"]) <= float(row["high"]), row["rate"]


@pytest.mark.skipif(not ANNOTATIONS.exists(), reason="the official lists are not beside this repository")
def test_videos_are_those_of_the_official_lists():
    rows = {row["dataset"]: row for row in read_tsv(facts.TABLE)}
    counts = {
        role: len((ANNOTATIONS / f"ucf101/{role}list01.txt").read_text().split("\n")) - 1 for role in ("train", "test")
    }
    assert counts == {role: int(rows["ucf101"][role]) for role in counts}
    lines = [line for file in (ANNOTATIONS / "hmdb51").glob("*_split1.txt") for line in file.read_text().splitlines()]
    assert len(lines) == int(rows["hmdb51"]["videos"])
    assert sum(line.split()[1] == "1" for line in lines) == int(rows["hmdb51"]["train"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cores", "0"], "--cores is 0 but at least 1"),
        (["--gpus", "-1"], "--gpus is -1 but at least 0"),
        (["--gpu", "Voodoo"], "--gpu is Voodoo, which machines.tsv does not have: choose H200 or"),
        (["--configfile", "no.yaml"], "no.yaml cannot be read"),
    ],
)
def test_mistakes_are_one_sentence(there, options, words):
    with pytest.raises(UserError, match=words):
        plan.main(["results/tables/demo.csv", *options])


def test_an_unknown_gpu_of_this_machine_is_asked_for(monkeypatch):
    with pytest.raises(UserError, match="--gpus is 4 but this machine has none to look at: add --gpu"):
        machines.machine(None, 4, None, {"ACTIONBENCH_GPUS": "0"})


def test_the_demos_plan_agrees_with_what_it_took(tmp_path, capsys):
    """3 min 54 s on two idle cores, measured apart from any rate here but those of networks so small and of drawing."""
    plan.main(
        ["results/tables/demo.csv", "--directory", str(tmp_path), "--cores", "2", "--gpus", "0", "--format", "json"]
    )
    found = json.loads(capsys.readouterr().out)
    whole = found["stages"][-1]
    assert (whole["jobs"], whole["done"]) == (39, 0)
    assert whole["hours_low"] < 234 / 3600 < whole["hours_high"]
    assert not whole["incomplete"]
