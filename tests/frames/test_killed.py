"""A stage that is killed and run again writes the same bytes as an undisturbed run."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from pipeline.flow import __main__ as flow_command
from pipeline.formats import manifest, quarantine
from pipeline.frames import __main__ as frames_command
from pipeline.shard import __main__ as shard_command
from tests.helpers.killing import killed_at, tree
from tests.helpers.makeshards import manifest_file, slices
from tests.helpers.makevideo import truncate, video

ROOT = Path(__file__).parents[2]
STAGES = {"frames": frames_command, "flow": flow_command, "shard": shard_command}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The inputs of every stage: videos, a manifest, a slice of frames, slices to pack."""
    folder = tmp_path_factory.mktemp("killed")
    videos = [video(folder / f"{n}.mp4", 100, (320, 240), vcodec="libx264", preset="ultrafast") for n in range(6)]
    videos += [truncate(video(folder / "bad.avi", 60), 0.5)]
    rows = [(path.name, str(path), "a", 0, 1, "0000") for path in videos]
    manifest.write_parquet(folder / "videos.parquet", pd.DataFrame(rows, columns=list(manifest.VIDEO_COLUMNS)), {})
    frames_command.main([*arguments("frames", folder, folder / "few.h5"), "--size", "48x36"])
    manifest_file(folder)
    slices(folder)
    return folder


def arguments(stage, folder, out):
    """The command line that writes `out`, or files beside it."""
    tables = f"--manifest={folder}/manifest.parquet", f"--quarantine={folder}/quarantine.tsv"
    options = ("--slice=0000", f"--quarantine={out}.tsv", "--max-bad-share=1", "--threads=2")
    return {
        "frames": [f"{folder}/videos.parquet", str(out), *options],
        "flow": [f"{folder}/few.h5", str(out), "--backend=cpu"],
        "shard": [
            "pack",
            *map(str, sorted(folder.glob("rgb*.h5"))),
            *tables,
            "--modality=rgb",
            "--mib=0",
            f"--out={out}",
        ],
    }[stage]


def begin(stage, inputs, out):
    command = [sys.executable, "-m", f"pipeline.{stage}", *arguments(stage, inputs, out / "0000.h5")]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)


def wait_for_scratch(out, running):
    """Wait until the stage has begun to write."""
    while running.poll() is None and not list(out.glob(".*partial*")):
        time.sleep(0.002)


@pytest.mark.parametrize("stage", ["frames", "flow"])
def test_a_kill_at_a_random_moment_and_a_second_run_give_the_same_bytes(inputs, tmp_path, stage):
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    running = begin(stage, inputs, undisturbed)
    wait_for_scratch(undisturbed, running)
    start = time.monotonic()
    running.wait()
    duration = time.monotonic() - start
    killed = 0
    for attempt in range(3):
        out = tmp_path / str(attempt)
        out.mkdir()
        running = begin(stage, inputs, out)
        wait_for_scratch(out, running)
        time.sleep(random.random() * duration)
        os.killpg(running.pid, signal.SIGKILL)
        killed += running.wait() == -signal.SIGKILL
        STAGES[stage].main(arguments(stage, inputs, out / "0000.h5"))
        assert tree(out) == tree(undisturbed)
    assert killed


@pytest.mark.parametrize(("stage", "step"), [("shard", 1), ("frames", 2)])
def test_a_kill_at_any_change_to_the_disk_and_a_second_run_give_the_same_bytes(inputs, tmp_path, stage, step):
    out = tmp_path / "out"
    argv = arguments(stage, inputs, out / "0000.h5")
    STAGES[stage].main(argv)
    expected = tree(out)
    for number in range(1, 1000, step):
        if number % 2:  # once without and once with an older output
            shutil.rmtree(out)
        if not killed_at(number, STAGES[stage].main, argv):
            break
        STAGES[stage].main(argv)
        assert tree(out) == expected, f"killed at change {number}"
    assert number > 8


def test_a_killed_run_leaves_no_output(inputs, tmp_path):
    assert killed_at(2, frames_command.main, arguments("frames", inputs, tmp_path / "out" / "0000.h5"))
    assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == []


def test_the_bad_video_is_in_every_runs_quarantine(inputs, tmp_path):
    frames_command.main(arguments("frames", inputs, tmp_path / "0000.h5"))
    assert [row.video_id for row in quarantine.read([tmp_path / "0000.h5.tsv"])] == ["bad.avi"]
