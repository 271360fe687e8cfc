"""The plain scheduler that Snakemake is compared with, and the made-up files that planning is measured on."""

import pytest

from benchmarks import placeholders, plain
from pipeline.common.errors import UserError
from pipeline.formats import class_counts
from pipeline.jobs.dry_run import Job

SAID = """
rule first:
    output: data/a
    log: logs/first.log
    threads: 2
Shell command: python -m pipeline.demo --out data > logs/first.log 2>&1

rule second:
    input: data/a
    output: data/b
    log: logs/second.log
Shell command: python -m pipeline.gpuslots run --gpus 1 -- python -m pipeline.flow data/a data/b > logs/second.log 2>&1
"""


def planned(name, command, inputs=(), threads=1):
    return plain.Planned(Job(name, list(inputs), [name], "", threads=threads), f"{command} > {name}.log 2>&1")


def test_jobs_and_their_commands_are_read_of_a_dry_run():
    jobs = plain.planned(SAID)
    assert [(each.job.rule, each.job.threads) for each in jobs] == [("first", 2), ("second", 1)]
    assert plain.before(jobs) == [set(), {0}]
    assert [plain.modules(each) for each in jobs] == [["pipeline.demo"], ["pipeline.gpuslots", "pipeline.flow"]]


def test_a_job_waits_for_its_inputs_and_for_cores(tmp_path):
    note = "echo {0} begin >> order; sleep 0.1; echo {0} end >> order; touch {0}"
    jobs = [planned("last", note.format("last"), ["wide", "narrow"])]
    jobs += [planned("wide", note.format("wide"), threads=4), planned("narrow", note.format("narrow"))]
    wall, seconds = plain.run(jobs, tmp_path, cores=2)
    order = [line.split() for line in (tmp_path / "order").read_text().splitlines()]
    assert order == [[name, part] for name in ("wide", "narrow", "last") for part in ("begin", "end")]
    assert wall >= max(seconds)


def test_a_job_that_fails_is_named_with_its_log(tmp_path):
    with pytest.raises(UserError, match=r"broken failed outside of Snakemake: see .*broken.log"):
        plain.run([planned("broken", "false")], tmp_path, cores=1)


def test_made_up_scores_lie_under_every_name_with_their_hits(tmp_path, monkeypatch):
    monkeypatch.setattr(placeholders, "SHAPES", {"ucf101": (4, 3, 5)})
    paths = [tmp_path / f"results/runs/ucf101/split{split}/seed0/e.r/test.parquet" for split in (1, 2)]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.touch()
    made = placeholders.fill(tmp_path, paths, 1)
    assert made["ucf101"]["score_files"] == 2
    monkeypatch.delattr("pipeline.formats.scores.read")
    assert [sum(class_counts.read_or_count(path).scored) for path in paths] == [4, 4]
