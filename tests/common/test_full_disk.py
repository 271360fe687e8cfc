"""A full disk is a user error that names the bytes needed, leaves no files, and does not affect the next run."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys

import pytest

from pipeline.common import files
from pipeline.common.files import DiskFull, refuse_full_disk, whole_file, whole_folder
from tests.frames.test_frames import run as frames
from tests.frames.test_killed import ROOT
from tests.helpers.killing import tree
from tests.helpers.makeshards import manifest_file, slices
from tests.helpers.makevideo import video

MIB = 1 << 20


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    videos = [video(folder / f"{n}.avi", 50, (320, 240)) for n in range(12)]
    frames(folder, videos[:1], "--size", "96x72", name="few")
    frames(folder, videos, "--size", "340x256", "--quality", "95", name="whole")
    shutil.copy(folder / "manifest.parquet", folder / "videos.parquet")
    manifest_file(folder)
    slices(folder)
    return folder


def command(stage, inputs, out):
    tables = f"--manifest={inputs}/manifest.parquet", f"--quarantine={inputs}/quarantine.tsv"
    return {
        "frames": [
            f"{inputs}/videos.parquet",
            f"{out}/0.h5",
            "--slice=0000",
            f"--quarantine={out}/0.tsv",
            "--quality=95",
        ],
        "flow": [f"{inputs}/few.h5", f"{out}/0.h5", "--backend=cpu"],
        "shard": ["pack", f"{inputs}/rgb0.h5", f"{inputs}/rgb1.h5", *tables, "--modality=rgb", f"--out={out}/shards"],
    }[stage]


def run(stage, arguments, limit=None):
    """Run a stage; `limit` is the maximum size of a file in bytes, and exceeding it fails like a full disk."""
    before = limit and (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    command = [sys.executable, "-m", f"pipeline.{stage}", *arguments]
    return subprocess.run(command, cwd=ROOT, preexec_fn=before, capture_output=True, text=True)


def check_user_error(process):
    last = process.stderr.splitlines()[-1]
    assert process.returncode == 1, process.stderr
    assert "Traceback" not in process.stderr
    assert "does not fit on its disk" in last
    assert "make room" in last
    return last


@pytest.mark.parametrize("stage", ["flow", "shard"])
def test_a_file_size_limit_is_a_user_error(inputs, tmp_path, stage):
    (tmp_path / "out").mkdir()
    check_user_error(run(stage, command(stage, inputs, tmp_path / "out"), 5000))
    assert tree(tmp_path / "out") == {}


@contextlib.contextmanager
def small_disk(folder, mib):
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def needed_bytes(sentence):
    words = sentence.split()
    return int(words[words.index("about") + 1].replace(",", ""))


@pytest.mark.parametrize("mib", [9, 11])
def test_the_error_of_a_full_disk_estimates_the_bytes_that_are_needed(inputs, tmp_path, mib):
    with small_disk(tmp_path / "disk", mib) as disk:
        sentence = check_user_error(run("frames", command("frames", inputs, disk)))
        assert list(disk.iterdir()) == []
    assert needed_bytes(sentence) == pytest.approx((inputs / "whole.h5").stat().st_size, rel=0.2)


def test_after_a_full_disk_the_next_run_gives_the_same_bytes(inputs, tmp_path):
    (tmp_path / "out").mkdir()
    check_user_error(run("frames", command("frames", inputs, tmp_path / "out"), 8 * MIB))
    assert tree(tmp_path / "out") == {}
    assert run("frames", command("frames", inputs, tmp_path / "out")).returncode == 0
    assert (tmp_path / "out/0.h5").read_bytes() == (inputs / "whole.h5").read_bytes()


def test_shards_that_do_not_fit_are_refused_before_writing(tmp_path, monkeypatch):
    usage = files.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage._replace(free=999))
    with pytest.raises(
        DiskFull, match=r"shards does not fit on its disk: 1,000 bytes are needed and 999 bytes are free"
    ):
        refuse_full_disk(tmp_path / "a" / "shards", 1000)


@pytest.mark.parametrize("context", [whole_file, whole_folder])
def test_whole_file_and_whole_folder_report_a_full_disk(tmp_path, context):
    with pytest.raises(DiskFull, match="target does not fit"), context(tmp_path / "target"):
        raise OSError(28, os.strerror(28))
    assert list(tmp_path.iterdir()) == []
