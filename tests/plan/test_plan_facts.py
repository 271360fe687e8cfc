"""What plans stand on: spans, facts of data sets, counts of networks, machines, the dry run."""

import io
import re
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv
from pipeline.config import recipes
from pipeline.config.settings import DATASET_DEFAULTS, load_yaml
from pipeline.fetch.sources import TABLE as SOURCES
from pipeline.formats.jpeg_store import JpegStoreWriter
from pipeline.jobs.dry_run import ROOT, Job, parse_jobs
from pipeline.plan import (
    computing,
    facts,
    machines,
    network_costs,
    preparing,
    rates,
    report,
    spans,
)
from pipeline.plan.machines import Machine
from pipeline.plan.schedule import OVERHEAD, soonest
from pipeline.plan.spans import NOTHING, Span, exact
from pipeline.plan.times import Time

CPU = Machine(2, 0, "", None, True)
SMK = sorted((ROOT / "rules").glob("*.smk"))
ANNOTATIONS = ROOT.parent / "shared" / "annotations"


def config():
    return load_yaml(ROOT / "config.yaml")


def test_a_dry_runs_jobs_are_read_with_what_a_plan_needs():
    (job,) = parse_jobs(
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


def test_every_rule_of_the_workflow_has_an_estimate():
    rules = re.findall(r"^rule (\w+):(?:\n(?!rule ).*)*?\n    output:", "\n".join(map(Path.read_text, SMK)), re.M)
    known = {**preparing.ESTIMATES, **computing.ESTIMATES}
    assert len(rules) > 20
    assert [rule for rule in rules if not {rule, rule.partition("_")[0]} & known.keys()] == []
    assert [rule for rule in rules if report.stage_of(rule) == rule and rule not in report.STAGES] == []


def test_every_recipes_network_is_counted_and_as_the_table_has_it():
    known = network_costs.table()
    assert {network_costs.key(recipe) for recipe in network_costs.every()} == set(known), (
        "run python -m pipeline.plan.network_costs"
    )
    recipe = recipes.load(ROOT / "experiments" / "two_stream.yaml", "paper").run("temporal")
    assert network_costs.counted(recipe) == known[network_costs.key(recipe)]


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
        writer = JpegStoreWriter(f"data/demo/frames/000{number}.h5", {"stage": "frames"})
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


def test_a_folder_without_videos_is_one_sentence(there):
    Path("mine").mkdir()
    own = {**config(), "datasets": {"mine": {**DATASET_DEFAULTS, "folder": "mine"}}}
    with pytest.raises(UserError, match="mine holds 0 videos"):
        facts.facts(own, "mine")


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


def test_an_unknown_gpu_of_this_machine_is_asked_for(monkeypatch):
    with pytest.raises(UserError, match="--gpus is 4 but this machine has none to look at: add --gpu"):
        machines.machine(None, 4, None, {"ACTIONBENCH_GPUS": "0"})
