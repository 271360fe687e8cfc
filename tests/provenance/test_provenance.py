"""`python -m pipeline.provenance`: the tree of files that a result was made from, and what is not known."""

import json
import os
import subprocess
from base64 import urlsafe_b64encode

import pandas as pd
import pytest
import torch

from pipeline.common import environment
from pipeline.common.errors import UserError
from pipeline.formats import manifest, weights
from pipeline.jobs import records
from pipeline.jobs.metadata import short_sha256
from pipeline.provenance import __main__ as provenance_command

RAN_IN = {
    "commit": "0123456789ab", "dirty": True, "lock": "fedcba987654", "not_as_locked": {"torch": "2.12.0"},
    "python": "3.11.7", "torch": "2.12.0", "gpu": ["NVIDIA H100"], "driver": "550.1",
}  # fmt: skip
WEIGHTS = "results/runs/d/weights.safetensors"


def record(folder, output, rule, inputs, /, ended=None, command="", **settings):
    """What Snakemake keeps of a job."""
    ended = ended or (folder / output).stat().st_mtime
    log = f"logs/{rule}.log"
    fields = {"rule": rule, "input": inputs, "log": [log], "params": ["''", repr({"code": "c0de", **settings})]}
    fields["shellcmd"] = f"set -euo pipefail; {command} --slice 0000"
    path = folder / ".snakemake" / "metadata" / urlsafe_b64encode(output.encode()).decode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**fields, "starttime": ended - 5, "endtime": ended}))


@pytest.fixture
def folder(tmp_path):
    """A table made of scores, made of weights, made of six slices, made of the user's archive."""
    for path in ("data/d/flow", "results/tables", "results/benchmarks", "logs", "archives"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "archives/d.rar").write_bytes(b"rar")
    slices = [f"data/d/flow/{n:04d}.h5" for n in range(6)]
    for path in slices:
        (tmp_path / path).write_bytes(b"slice")
        record(tmp_path, path, "flow", ["archives/d.rar"], bound=20)
    weights.save(tmp_path / WEIGHTS, {"w": torch.zeros(3)}, {"recipe_hash": "beef", "environment": RAN_IN})
    record(tmp_path, WEIGHTS, "train", slices, seed=7)
    (tmp_path / "results/benchmarks/train.tsv").write_text("s\tmax_rss\n123.4\t456\n")
    metadata = {"fingerprint": "f1f2", "protocol": "25 frames", "classes": [str(n) for n in range(400)]}
    manifest.write_parquet(tmp_path / "results/runs/d/test.parquet", pd.DataFrame({"a": [1]}), metadata)
    record(tmp_path, "results/runs/d/test.parquet", "score", [WEIGHTS])
    (tmp_path / "results/tables/d.csv").write_text("table")
    record(tmp_path, "results/tables/d.csv", "table", ["results/runs/d/test.parquet", WEIGHTS])
    return tmp_path


def output(folder, capsys, result="results/tables/d.csv"):
    provenance_command.main([str(folder / result)])
    return capsys.readouterr().out


def test_the_tree_shows_rules_settings_hashes_and_metadata_from_the_table_to_the_archive(folder, capsys):
    text = output(folder, capsys)
    for words in ("made by: table", "metadata: classes (400 of them); fingerprint f1f2; protocol 25 frames",
                  "settings: seed 7", "settings: bound 20", "recipe_hash beef", "code c0de"):  # fmt: skip
        assert words in text
    assert f"sha256: {short_sha256(folder / WEIGHTS)}" in text
    assert "archives/d.rar\n" in text
    assert "a file of yours, not made by the workflow" in text


def test_the_environment_of_a_job_is_shown_with_its_differences_from_the_lock(folder, capsys):
    assert (
        "ran in: commit 0123456789ab with changes, lock fedcba987654 (but torch 2.12.0), Python 3.11.7, torch 2.12.0,"
        " NVIDIA H100, driver 550.1" in output(folder, capsys)
    )


def test_the_environment_is_read_from_the_log_if_the_file_has_none(folder, capsys):
    (folder / "logs/flow.log").write_text(
        f"{environment.LOG_PREFIX}{json.dumps({**RAN_IN, 'commit': 'aaaaaaaaaaaa'})}\nwork\n"
    )
    assert "ran in: commit aaaaaaaaaaaa" in output(folder, capsys)


def test_wall_time_comes_from_the_benchmark_or_else_from_the_record(folder, capsys):
    text = output(folder, capsys)
    assert "123.4 s, 456 MB" in text
    assert "5.0 s, code" in text


def test_similar_slices_are_one_entry_with_their_summed_time(folder, capsys):
    text = output(folder, capsys)
    assert "data/d/flow/0000.h5 and 5 like it" in text
    assert "all 6 30 s" in text
    assert "0003.h5" not in text


def test_a_slice_made_with_other_settings_is_an_entry_of_its_own(folder, capsys):
    record(folder, "data/d/flow/0003.h5", "flow", ["archives/d.rar"], bound=15)
    assert "data/d/flow/0003.h5\n" in output(folder, capsys)


def test_slices_of_the_users_videos_are_one_entry_with_their_folder_below(folder, capsys):
    for number in range(6):
        path = f"data/d/flow/{number:04d}.h5"
        record(
            folder,
            path,
            "frames",
            [],
            command=f"python -m pipeline.frames {folder / 'archives'} {path}",
            videos=f"hash{number}",
        )
    text = output(folder, capsys)
    assert "data/d/flow/0000.h5 and 5 like it" in text
    assert f"| {folder / 'archives'}\n" in text
    assert text.index(str(folder / "archives") + "\n") < text.index("a file of yours, not made by the workflow")


def test_what_is_not_recorded_is_listed_as_unknown(folder, capsys):
    (folder / "results/benchmarks/train.tsv").unlink()
    for path in (folder / ".snakemake" / "metadata").glob("cmVz*"):  # what begins with res
        path.unlink()
    text = output(folder, capsys)
    assert "the job that made it is not known" in text
    assert "unknown: the job that made it, of 1 files" in text


def test_a_file_that_was_changed_after_its_job_is_marked(folder, capsys):
    os.utime(folder / WEIGHTS, (0, 0))
    assert "CHANGED since its job ended" in output(folder, capsys)


def test_a_deleted_file_is_marked(folder, capsys):
    for number in range(6):
        (folder / f"data/d/flow/{number:04d}.h5").unlink()
    assert "gone: deleted since, or temporary" in output(folder, capsys)


def test_the_tree_can_be_written_to_a_file(folder, capsys):
    out = folder / "results/tables/d.provenance.txt"
    provenance_command.main([str(folder / "results/tables/d.csv"), "--out", str(out)])
    assert out.read_text() == capsys.readouterr().out


def test_a_damaged_file_and_a_damaged_record_are_no_error(folder, capsys):
    (folder / WEIGHTS).write_bytes(b"torn")
    record_of = folder / ".snakemake" / "metadata" / urlsafe_b64encode(WEIGHTS.encode()).decode()
    record_of.write_text("{")
    assert "unreadable" in output(folder, capsys)


@pytest.mark.parametrize(("path", "message"), [("none.csv", "does not exist"), ("logs", "no folder above .* has a")])
def test_a_mistake_is_reported_in_one_sentence(tmp_path, path, message):
    (tmp_path / "logs").mkdir()
    with pytest.raises(UserError, match=message):
        provenance_command.main([str(tmp_path / path)])


def test_settings_with_code_in_them_are_parsed_and_never_run():
    params = ["__import__('os').abort()", "{'code': 'a', 'bound': 20}"]
    assert records.parse_settings(params) == {"code": "a", "bound": 20}


def test_the_environment_is_this_commit_this_lock_and_plain_json():
    values = environment.environment()
    head = subprocess.run(["git", "-C", str(environment.ROOT), "rev-parse", "HEAD"], capture_output=True, text=True)
    assert values["commit"] == (head.stdout[:12] or None)
    assert values["lock"] == short_sha256(environment.LOCK)
    assert environment.read_log(environment.log_line()) == values


def test_the_gpus_are_those_that_the_job_was_given(tmp_path, monkeypatch):
    rows = "0, GPU-aa, 550.1, NVIDIA A100\\n1, GPU-bb, 550.1, NVIDIA H100\\n"
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\nprintf '{rows}'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for visible, names in (("1", ["NVIDIA H100"]), ("GPU-aa", ["NVIDIA A100"]), ("", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert environment.gpus()["gpu"] == names
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert environment.gpus() == {"gpu": ["NVIDIA A100", "NVIDIA H100"], "driver": "550.1"}


def test_an_image_knows_the_commit_that_it_was_built_from(monkeypatch):
    monkeypatch.setenv("ACTIONBENCH_COMMIT", "f" * 40)
    assert environment.commit() == {"commit": "f" * 12, "dirty": None}
