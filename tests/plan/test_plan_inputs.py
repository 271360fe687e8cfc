"""The inputs of plans: intervals, sizes of data sets, costs of networks, machines, the dry run."""

import io
import re
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv
from pipeline.common.paths import ROOT
from pipeline.config import recipes
from pipeline.config.settings import load_yaml
from pipeline.fetch.sources import TABLE as SOURCES
from pipeline.formats.jpeg_store import JpegStoreWriter
from pipeline.jobs.dry_run import Job, parse_jobs
from pipeline.plan import dataset_size, estimate, intervals, machines, network_costs, rates, summary
from pipeline.plan.intervals import ZERO, Interval, exact
from pipeline.plan.machines import Machine
from pipeline.plan.planner import JobTime
from pipeline.plan.schedule import JOB_OVERHEAD, shortest_time

CPU = Machine(2, 0, "", None, True)
SMK = sorted((ROOT / "rules").glob("*.smk"))
ANNOTATIONS = ROOT.parent / "shared" / "annotations"


def config():
    return load_yaml(ROOT / "config.yaml")


def test_the_jobs_of_a_dry_run_are_parsed():
    (job,) = parse_jobs(
        "rule flow:\n    input: a.h5\n    output: b.h5\n    jobid: 3\n    benchmark: t.tsv\n    reason: Missing\n"
        "    wildcards: dataset=demo, slice=0001\n    threads: 2\n    resources: tmpdir=/tmp, gpu=1\n"
    )
    assert job == Job("flow", ["a.h5"], ["b.h5"], "Missing", {"dataset": "demo", "slice": "0001"}, "t.tsv", 2, 1)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(13.2, 20.4, 39.6), "20 (13 - 40)"), (exact(3), "3.0"), (ZERO, "0"), (exact(0.003), "<0.01"),
        (Interval(1234, 23456, 99999), "23,000 (1,200 - 100,000)"), (Interval(0.03, 0.125, 2.34), "0.12 (0.03 - 2.3)"),
    ],
)  # fmt: skip
def test_a_number_is_shown_with_its_uncertainty(interval, text):
    assert str(interval) == text


def test_measurements_that_agree_narrow_an_interval_but_never_to_zero():
    assert intervals.from_measurements([10.0]) == pytest.approx((10 / 1.4, 10, 14))
    assert intervals.from_measurements([10.0] * 9) == pytest.approx((10, 10, 11))
    scattered = intervals.from_measurements([5.0, 10.0, 15.0])
    assert (scattered.low, scattered.likely, scattered.high) == pytest.approx((5, 10, 10 + 2 * 5 / 3**0.5))


def test_every_rule_of_the_workflow_has_an_estimate():
    rules = re.findall(r"^rule (\w+):(?:\n(?!rule ).*)*?\n    output:", "\n".join(map(Path.read_text, SMK)), re.M)
    assert len(rules) > 20
    assert [rule for rule in rules if not {rule, rule.partition("_")[0]} & estimate.ESTIMATES.keys()] == []
    assert [rule for rule in rules if summary.stage_of(rule) == rule and rule not in summary.STAGES] == []


def test_the_table_of_network_costs_has_every_recipe():
    known = network_costs.table()
    assert {network_costs.cost_key(recipe) for recipe in network_costs.all_recipes()} == set(known), (
        "run python -m pipeline.plan.network_costs"
    )
    recipe = recipes.load(ROOT / "experiments" / "two_stream.yaml", "paper").run("temporal")
    assert network_costs.count(recipe) == known[network_costs.cost_key(recipe)]


def test_the_shortest_time_is_bounded_by_cores_gpus_and_the_critical_path():
    jobs = [Job("a", [], ["1"], ""), Job("b", ["1"], ["2"], ""), Job("c", [], ["3"], "")]
    times = [JobTime(exact(s), exact(s), exact(g), "") for s, g in ((10, 0), (20, 0), (60, 50))]
    least = JOB_OVERHEAD * 3
    assert shortest_time(jobs, times, CPU) == exact(60 + least)
    assert shortest_time(jobs[:2], times[:2], CPU) == exact(30 + JOB_OVERHEAD * 2)
    assert shortest_time(jobs, times, CPU._replace(cores=1)) == exact(90 + least)


def test_frames_are_counted_in_the_slices_that_exist(there):
    before = dataset_size.dataset_size(config(), "demo")
    Path("data/demo/frames").mkdir(parents=True)
    for number in range(2):
        writer = JpegStoreWriter(f"data/demo/frames/000{number}.h5", {"stage": "frames"})
        writer.add("v", [1] * 3000, io.BytesIO(bytes(3000)), 25.0)
        writer.close()
    after = dataset_size.dataset_size(config(), "demo")
    assert before.frames == exact(12398)
    assert after.frames.likely == 4 * 3000
    assert after.basis == "frames of demo: counted in 2 of 4 slices"


def test_videos_of_the_users_folder_are_counted_and_their_frames_estimated(there):
    for name in ("a/1.avi", "a/2.avi", "b/3.mp4", "b/notes.txt"):
        Path("mine", name).parent.mkdir(parents=True, exist_ok=True)
        Path("mine", name).write_bytes(bytes(1_000_000))
    own = {**config(), "datasets": {"mine": {"folder": "mine"}}}
    found = dataset_size.dataset_size(own, "mine")
    assert (found.videos, found.classes, found.bytes.likely) == (3, 2, 3_000_000)
    assert found.frames.low < found.frames.likely < found.frames.high
    assert "guessed from 3,000,000 bytes" in found.basis


def test_a_folder_without_videos_is_reported_in_one_sentence(there):
    Path("mine").mkdir()
    own = {**config(), "datasets": {"mine": {"folder": "mine"}}}
    with pytest.raises(UserError, match="mine holds 0 videos"):
        dataset_size.dataset_size(own, "mine")


def test_the_tables_are_complete_and_consistent():
    rows = read_tsv(dataset_size.TABLE, dataset_size.COLUMNS)
    assert {row["dataset"] for row in rows} == {row["dataset"] for row in read_tsv(SOURCES)}
    for row in rows:
        assert float(row["train"]) + float(row["test"]) <= float(row["videos"])
        for name in dataset_size.INTERVALS:
            assert float(row[f"{name}_low"]) <= float(row[name]) <= float(row[f"{name}_high"])
    assert all(peaks.half > peaks.single > 0 for peaks in machines.table().values())
    for row in read_tsv(rates.TABLE, rates.COLUMNS):
        assert 0 < float(row["low"]) <= float(row["likely"]) <= float(row["high"]), row["rate"]


@pytest.mark.skipif(not ANNOTATIONS.exists(), reason="the official lists are not beside this repository")
def test_numbers_of_videos_are_those_of_the_official_lists():
    rows = {row["dataset"]: row for row in read_tsv(dataset_size.TABLE)}
    counts = {
        role: len((ANNOTATIONS / f"ucf101/{role}list01.txt").read_text().split("\n")) - 1 for role in ("train", "test")
    }
    assert counts == {role: int(rows["ucf101"][role]) for role in counts}
    lines = [line for file in (ANNOTATIONS / "hmdb51").glob("*_split1.txt") for line in file.read_text().splitlines()]
    assert len(lines) == int(rows["hmdb51"]["videos"])
    assert sum(line.split()[1] == "1" for line in lines) == int(rows["hmdb51"]["train"])


def test_an_unknown_gpu_of_this_machine_is_asked_for(monkeypatch):
    with pytest.raises(UserError, match="--gpus is 4 but this machine has none to look at: add --gpu"):
        machines.choose_machine(None, 4, None, {"ACTIONBENCH_GPUS": "0"})
