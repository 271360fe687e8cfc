"""A fetch that is killed, or that fills the disk, and the same command again."""

import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from pipeline.fetch.__main__ import main
from tests.fetch.test_fetch import QUICK, fetch, serve_archives, write_archives
from tests.helpers.killing import killed_at, tree
from tests.helpers.loopback import Act, Loopback, loopback
from tests.helpers.rarwriter import rar4


@pytest.fixture
def web() -> Iterator[Loopback]:
    with loopback() as server:
        yield server


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """A kill loses nothing that was written, synced or not; only a power cut would, which no test here stages."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


@pytest.mark.parametrize(("keep", "first"), [("--keep-archives", 1), ("--no-keep-archives", 3)])
def test_a_run_after_a_kill_at_any_write_gives_the_same_bytes(tmp_path, web, keep, first):
    serve_archives(tmp_path, web, lambda data: Act(data, cut=100_000), lambda data: Act(data))
    expected = fetch(tmp_path, keep)
    for number in range(first, 1000, 3):
        serve_archives(tmp_path, web, lambda data: Act(data, cut=100_000), lambda data: Act(data))
        shutil.rmtree(tmp_path / "out")
        argv = ["--dataset=d", f"--out={tmp_path / 'out'}", f"--sources={tmp_path / 'sources.tsv'}", *QUICK, keep]
        if not killed_at(number, main, argv):
            break
        assert fetch(tmp_path, keep) == expected, f"killed at change {number}"
    assert number > 60


def test_a_run_after_a_kill_while_an_archive_is_replaced_leaves_no_old_files(tmp_path):
    option = write_archives(tmp_path)
    fetch(tmp_path, option)
    old = tmp_path / "old"
    shutil.copytree(tmp_path / "out", old)
    rar4(tmp_path / "local/UCF101.rar", {"UCF-101/C/new.avi": b"new", "UCF-101/A/v_A_g01.avi": b"also new"})
    expected = fetch(tmp_path, option)
    for number in range(1, 1000):
        shutil.rmtree(tmp_path / "out")
        shutil.copytree(old, tmp_path / "out")
        argv = ["--dataset=d", f"--out={tmp_path / 'out'}", f"--sources={tmp_path / 'sources.tsv'}", option]
        if not killed_at(number, main, argv):
            break
        assert fetch(tmp_path, option) == expected, f"killed at change {number}"
    assert number > 10


def test_the_command_killed_in_the_middle_of_a_slow_download_resumes(tmp_path, web):
    serve_archives(tmp_path, web, lambda data: Act(data, drip=0.03))
    command = [sys.executable, "-m", "pipeline.fetch", "--dataset=d", f"--out={tmp_path / 'out'}"]
    command += [f"--sources={tmp_path / 'sources.tsv'}", *QUICK]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    part = tmp_path / "out/archives/UCF101.rar.part"
    wait_until(lambda: part.exists() and part.stat().st_size >= 20_000)
    running.kill()
    running.wait()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert web.asked[1][1].startswith("bytes=")
    resumed = tree(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    assert fetch(tmp_path) == resumed


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_full_disk_is_reported_and_the_next_run_completes(tmp_path, web):
    serve_archives(tmp_path, web)
    command = [sys.executable, "-m", "pipeline.fetch", "--dataset=d", f"--out={tmp_path / 'out'}"]
    command += [f"--sources={tmp_path / 'sources.tsv'}", *QUICK]
    for size, sentence in ((50_000, "120,245 bytes and its disk has"), (125_000, "")):
        limit = (size, size)
        process = subprocess.run(
            command,
            preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
            capture_output=True,
            text=True,
        )
        assert sentence in process.stderr.splitlines()[-1]
        assert "Traceback" not in process.stderr
    resumed = tree(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    assert fetch(tmp_path) == resumed
