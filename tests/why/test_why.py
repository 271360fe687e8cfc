"""`python -m pipeline.why`: which jobs would run again and why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.common.errors import UserError
from pipeline.why import __main__ as why_command
from pipeline.why import code_changes, explain

SNAKEFILE = """
bound = config.get("bound", 20)

rule table:
    input: "flow/1.txt", "flow/2.txt"
    output: "table.csv"
    params: stage={"code": "c", "rows": [{"row": 1, "value": config.get("value", 88.0)}, {"row": 2, "value": 59.4}]}
    shell: "cat {input} > {output}"

rule flow:
    input: "frames/{n}.txt"
    output: "flow/{n}.txt"
    params: stage={"code": config.get("code", "aaa"), "bound": bound}, options=config.get("options", "")
    shell: "cp {input} {output}"
"""


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    """The folder of a small workflow that has run."""
    folder = tmp_path_factory.mktemp("workflow")
    (folder / "frames").mkdir()
    for number in (1, 2):
        (folder / "frames" / f"{number}.txt").write_text("frames")
    (folder / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", *location_options(folder), "--cores", "1", "table.csv"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def location_options(folder):
    return ["--snakefile", str(folder / "Snakefile"), "--directory", str(folder)]


def output(capsys, folder, *options):
    why_command.main(["table.csv", *location_options(folder), *options])
    return capsys.readouterr().out


def test_an_up_to_date_target_has_nothing_to_run(workflow, capsys):
    assert output(capsys, workflow) == "table.csv: nothing would run\n"


def test_a_changed_setting_is_shown_with_both_values_and_the_jobs_that_depend_on_it(workflow, capsys):
    assert output(capsys, workflow, "--config", "bound=15") == (
        "table.csv: 3 jobs would run\n"
        "flow, 2 jobs: flow.bound 20 -> 15\n    flow/1.txt, flow/2.txt\n"
        "table, 1 job: its input is made again by flow\n    table.csv\n"
    )


def test_a_changed_item_of_a_list_is_shown_alone(workflow, capsys):
    text = output(capsys, workflow, "--config", "value=87.0")
    assert "table.rows: 1 of 2 changed, first [{'row': 1, 'value': 88.0}] -> [{'row': 1, 'value': 87.0}]" in text
    assert "flow" not in text


def test_a_changed_parameter_outside_the_settings_is_shown_as_snakemake_prints_it(workflow, capsys):
    assert "flow, 2 jobs: other parameters: '' -> 'repair'" in output(capsys, workflow, "--config", "options=repair")


def test_changed_code_and_a_newer_input_are_distinguished(workflow, capsys):
    path = workflow / "frames" / "2.txt"
    before = path.stat()
    path.write_text("other frames")
    text = output(capsys, workflow, "--config", "code=bbb")
    path.write_text("frames")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "flow, 1 job: code has changed" in text
    assert "flow, 1 job: an input is newer: frames/2.txt" in text


def test_an_unknown_target_is_reported_in_one_sentence(workflow):
    with pytest.raises(UserError, match=r"cannot plan none.csv: .*none.csv"):
        why_command.main(["none.csv", *location_options(workflow)])


def test_long_values_are_shown_around_their_first_difference():
    (line,) = explain.differences("a" * 200 + "b", "a" * 200 + "c", "stage.text")
    assert line == f"stage.text ...{'a' * 30}b -> ...{'a' * 30}c"


def test_hashes_of_folders_are_described_and_not_shown(tmp_path):
    old, new = ({"code": "c", "videos": name, "files": [name]} for name in ("a1", "b2"))
    job = explain.Job("frames", [], ["frames/1.h5"], "")
    clauses = list(explain.changed_settings(job, f"Params have changed; before: {old} now: {new}", tmp_path))
    assert clauses == ["videos of the slice changed", "videos of the folder or its lists changed"]


def test_a_module_is_named_if_its_code_changed_and_not_for_a_comment(tmp_path, monkeypatch):
    files = {"flow/flow_slices": "x = 1\n", "formats/flow_levels": "y = 1\n", "formats/jpeg_store": "z = 1\n"}
    for name, text in files.items():
        (tmp_path / "pipeline" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pipeline" / f"{name}.py").write_text(text)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for step in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first", "--date", "2020-01-01T00:00:00"]):
        subprocess.run([*git, *step], check=True, env={**os.environ, "GIT_COMMITTER_DATE": "2020-01-01T00:00:00"})
    (tmp_path / "pipeline" / "formats" / "flow_levels.py").write_text("y = 2\n")
    (tmp_path / "pipeline" / "formats" / "jpeg_store.py").write_text("z = 1  # why\n")
    monkeypatch.setattr(code_changes, "ROOT", tmp_path)
    clause = code_changes.code_change("flow", Path("/no/such"), 1.6e9)
    assert clause.startswith("code has changed since commit ")
    assert clause.endswith(": pipeline/formats/flow_levels.py")


def test_the_modules_of_a_rule_are_those_of_its_code_hash():
    assert code_changes.stage_modules("shard") == ["pipeline.shard.pack"]
    assert "pipeline.tables.dataset_table" in code_changes.stage_modules("table")
