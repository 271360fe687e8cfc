"""`python -m pipeline.why`: what would run again and why, in words."""

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
def made(tmp_path_factory):
    """The folder of a small workflow that has run."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "frames").mkdir()
    for number in (1, 2):
        (folder / "frames" / f"{number}.txt").write_text("frames")
    (folder / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", *where(folder), "--cores", "1", "table.csv"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def where(folder):
    return ["--snakefile", str(folder / "Snakefile"), "--directory", str(folder)]


def said(capsys, folder, *options):
    why_command.main(["table.csv", *where(folder), *options])
    return capsys.readouterr().out


def test_nothing_to_do_is_said(made, capsys):
    assert said(capsys, made) == "table.csv: nothing would run\n"


def test_a_changed_setting_is_told_with_both_values_and_what_follows_from_it(made, capsys):
    assert said(capsys, made, "--config", "bound=15") == (
        "table.csv: 3 jobs would run\n"
        "flow, 2 jobs: flow.bound 20 -> 15\n    flow/1.txt, flow/2.txt\n"
        "table, 1 job: made of what flow would make anew\n    table.csv\n"
    )


def test_one_changed_number_of_a_list_is_told_with_its_row(made, capsys):
    told = said(capsys, made, "--config", "value=87.0")
    assert "table.rows: 1 of 2 changed, first [{'row': 1, 'value': 88.0}] -> [{'row': 1, 'value': 87.0}]" in told
    assert "flow" not in told


def test_another_parameter_than_the_settings_is_told_as_it_stands(made, capsys):
    assert "flow, 2 jobs: other parameters: '' -> 'repair'" in said(capsys, made, "--config", "options=repair")


def test_other_code_and_a_newer_input_are_told_apart(made, capsys):
    path = made / "frames" / "2.txt"
    before = path.stat()
    path.write_text("other frames")
    told = said(capsys, made, "--config", "code=bbb")
    path.write_text("frames")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "flow, 1 job: code has changed" in told
    assert "flow, 1 job: newer than what was made of it: frames/2.txt" in told


def test_what_cannot_be_planned_is_one_sentence(made):
    with pytest.raises(UserError, match=r"cannot plan none.csv: .*none.csv"):
        why_command.main(["none.csv", *where(made)])


def test_long_values_are_told_where_they_differ():
    (told,) = explain.differences("a" * 200 + "b", "a" * 200 + "c", "stage.text")
    assert told == f"stage.text ...{'a' * 30}b -> ...{'a' * 30}c"


def test_hashes_of_folders_are_told_in_words_alone(tmp_path):
    old, new = ({"code": "c", "videos": name, "files": [name]} for name in ("a1", "b2"))
    job = explain.Job("frames", [], ["frames/1.h5"], "")
    told = list(explain.changed_settings(job, f"Params have changed; before: {old} now: {new}", tmp_path))
    assert told == ["videos of the slice changed", "videos of the folder or its lists changed"]


def test_a_module_is_named_for_its_code_and_not_for_a_comment(tmp_path, monkeypatch):
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
    told = code_changes.code_change("flow", Path("/no/such"), 1.6e9)
    assert told.startswith("code has changed since commit ")
    assert told.endswith(": pipeline/formats/flow_levels.py")


def test_the_rules_module_is_the_one_whose_code_it_hashes():
    assert code_changes.modules_of("shard") == ["pipeline.shard.pack"]
    assert code_changes.modules_of("table") == ["pipeline.tables.__main__", "pipeline.tables.dataset_table"]
