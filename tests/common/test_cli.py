"""The command line that all stages share."""

import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from pipeline.common import log

ROOT = Path(__file__).parents[2]
STAGES = (
    *("demo", "fetch", "index", "frames", "frames.quarantine", "flow", "shard", "weights", "train", "train.kmeans"),
    *(
        "score",
        "score.evaluate",
        "idt",
        "fuse",
        "tables",
        "tables.architectures",
        "plan",
        "why",
        "provenance",
        "gpuslots",
    ),
)
COUNT = "from pipeline.common import log\nfor _ in log.progress(range(3), 3, 'frames'): pass"


def python(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, **options
    )


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_a_command_with_help(stage):
    run = python("-m", f"pipeline.{stage}", "--help")
    assert run.returncode == 0
    assert "usage:" in run.stdout


def test_a_user_error_prints_one_line_and_exits_with_status_1():
    run = python("-m", "pipeline.score.evaluate", "/no.parquet")
    assert run.returncode == 1
    assert run.stderr.startswith("error: /no.parquet is missing")
    assert run.stderr.count("\n") == 1


def test_other_exceptions_keep_their_traceback():
    run = python("-c", "from pipeline.common import cli\ncli.run(lambda argv: 1 / 0)")
    assert "ZeroDivisionError" in run.stderr


def test_a_closed_pipe_is_not_an_error():
    long = "from pipeline.common import cli; cli.run(lambda argv: print('long ' * 100_000))"
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", long], cwd=ROOT, text=True, **pipe) as process:
        assert process.stdout.read(4) == "long"
        process.stdout.close()
        assert process.stderr.read() == ""


def test_progress_in_a_log_is_plain_lines():
    assert python("-c", COUNT).stderr == "frames 3/3, 0 s, 0 s left\n"


def test_progress_on_a_terminal_is_a_bar():
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    subprocess.run([sys.executable, "-c", COUNT], cwd=ROOT, stderr=slave, check=True)
    output = os.read(master, 1 << 16).decode()
    os.close(slave)
    os.close(master)
    assert "frames: 100%|" in output


def test_progress_estimates_the_remaining_time():
    assert log.progress_line("flow s", done=25, total=100, seconds=10) == "flow s 25/100, 10 s, 30 s left"


def test_a_moved_command_names_its_new_place():
    run = python("-m", "pipeline.evaluate", "scores.parquet")
    assert run.returncode == 1
    assert "pipeline.evaluate is now pipeline.score evaluate" in run.stderr
    assert "Traceback" not in run.stderr
