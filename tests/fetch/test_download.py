"""Downloads against a server on this machine that drops, stalls, truncates, lies and forgets."""

import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import requests

from pipeline.common.errors import UserError
from pipeline.fetch.download import RetryPolicy, Transfer, Unavailable, download
from tests.helpers.loopback import PAGE, Act, Loopback, loopback

ARCHIVE = b"Rar!\x1a\x07\x00" + random.Random(1).randbytes(300_000)
OTHER = b"Rar!\x1a\x07\x00" + random.Random(2).randbytes(300_000)
QUICK = RetryPolicy(connect=2, read=0.3, attempts=3, first_wait=0.01, longest_wait=0.02)


@pytest.fixture
def web() -> Iterator[Loopback]:
    with loopback() as server:
        yield server


def fetch_file(url: str, folder: Path, size: int | None = None, archive: bool = True) -> bytes:
    part = folder / "file.part"
    download(Transfer(url, part, archive, size, QUICK))
    return part.read_bytes()


def test_a_whole_file_comes_in_one_request(web, tmp_path):
    assert fetch_file(web.serve("/a", Act(ARCHIVE)), tmp_path, len(ARCHIVE)) == ARCHIVE
    assert len(web.asked) == 1


def test_a_dropped_connection_is_resumed_where_it_broke(web, tmp_path):
    url = web.serve("/a", Act(ARCHIVE, cut=100_000), Act(ARCHIVE, cut=50_000), Act(ARCHIVE))
    assert fetch_file(url, tmp_path) == ARCHIVE
    assert [asked for _, asked in web.asked] == ["", "bytes=100000-", "bytes=150000-"]


def test_many_drops_are_fine_as_long_as_each_brings_something(web, tmp_path):
    acts = [Act(ARCHIVE, cut=20_000) for _ in range(14)]
    assert fetch_file(web.serve("/a", *acts, Act(ARCHIVE)), tmp_path) == ARCHIVE


def test_a_new_process_resumes_the_download_of_an_earlier_one(web, tmp_path):
    with pytest.raises(Unavailable):
        fetch_file(web.serve("/a", Act(ARCHIVE, cut=100_000), Act(status=503)), tmp_path)
    assert fetch_file(web.serve("/a", Act(ARCHIVE)), tmp_path) == ARCHIVE
    assert web.asked[-1] == ("/a", "bytes=100000-")


def test_a_stalled_server_is_left_and_resumed(web, tmp_path):
    url = web.serve("/a", Act(ARCHIVE, cut=100_000, stall=True), Act(ARCHIVE))
    began = time.monotonic()
    assert fetch_file(url, tmp_path) == ARCHIVE
    assert time.monotonic() - began < 3


def test_a_server_that_only_ever_stalls_is_given_up(web, tmp_path):
    with pytest.raises(Unavailable, match="did not answer in time"):
        fetch_file(web.serve("/a", Act(ARCHIVE, cut=0, stall=True)), tmp_path)
    assert len(web.asked) == QUICK.attempts


def test_a_server_that_drips_counts_as_stalled(web, tmp_path):
    with pytest.raises(Unavailable, match="sent no more than"):
        fetch_file(web.serve("/a", Act(ARCHIVE, drip=0.05, block=1)), tmp_path)


def test_a_server_that_ignores_range_starts_the_file_again(web, tmp_path):
    url = web.serve("/a", Act(ARCHIVE, cut=100_000), Act(ARCHIVE, ranges=False))
    assert fetch_file(url, tmp_path) == ARCHIVE


def test_a_server_that_ignores_range_and_always_drops_is_given_up(web, tmp_path):
    with pytest.raises(Unavailable, match="broke off after 100,000 bytes"):
        fetch_file(web.serve("/a", Act(ARCHIVE, cut=100_000, ranges=False)), tmp_path)


@pytest.mark.parametrize("heed", [True, False])
def test_parts_of_two_versions_are_never_joined(web, tmp_path, heed):
    url = web.serve("/a", Act(ARCHIVE, cut=100_000), Act(OTHER, etag='"two"', heed=heed))
    assert fetch_file(url, tmp_path) == OTHER


def test_without_a_validator_no_download_is_resumed(web, tmp_path):
    assert fetch_file(web.serve("/a", Act(ARCHIVE, cut=100_000, etag=""), Act(ARCHIVE, etag="")), tmp_path) == ARCHIVE
    assert [asked for _, asked in web.asked] == ["", ""]


def test_with_a_weak_validator_no_download_is_resumed(web, tmp_path):
    assert (
        fetch_file(web.serve("/a", Act(ARCHIVE, cut=9_000, etag='W/"x"'), Act(OTHER, etag='W/"x"')), tmp_path) == OTHER
    )


def test_a_part_of_another_address_is_not_continued(web, tmp_path):
    with pytest.raises(Unavailable):
        fetch_file(web.serve("/a", Act(ARCHIVE, cut=100_000), Act(status=404)), tmp_path)
    assert fetch_file(web.serve("/b", Act(OTHER)), tmp_path) == OTHER
    assert web.asked[-1] == ("/b", "")


def test_a_length_that_is_too_long_is_an_unfinished_file(web, tmp_path):
    with pytest.raises(Unavailable, match="broke off after 300,007 bytes"):
        fetch_file(web.serve("/a", Act(ARCHIVE, length=400_000)), tmp_path)


def test_a_length_other_than_the_expected_one_is_refused_before_the_body_is_read(web, tmp_path):
    with pytest.raises(Unavailable, match="offers 5000 bytes where 300007 are expected"):
        fetch_file(web.serve("/a", Act(ARCHIVE, length=5_000)), tmp_path, len(ARCHIVE))


def test_no_length_at_all_is_accepted(web, tmp_path):
    assert fetch_file(web.serve("/a", Act(ARCHIVE, length=-1)), tmp_path) == ARCHIVE


@pytest.mark.parametrize("archive", [True, False])
def test_a_page_is_named_as_such(web, tmp_path, archive):
    with pytest.raises(Unavailable, match="answered with a web page, not"):
        fetch_file(web.serve("/a", Act(PAGE)), tmp_path, archive=archive)
    assert list(tmp_path.iterdir()) == []


def test_a_large_page_is_left_at_its_first_bytes(web, tmp_path):
    with pytest.raises(Unavailable, match="web page"):
        fetch_file(web.serve("/a", Act(PAGE + bytes(50_000_000), drip=0.05)), tmp_path)


def test_a_file_that_is_no_archive_is_refused_where_one_is_expected(web, tmp_path):
    with pytest.raises(Unavailable, match="something else, not an archive"):
        fetch_file(web.serve("/a", Act(b"just some text")), tmp_path)


def test_an_empty_answer_is_no_file(web, tmp_path):
    with pytest.raises(Unavailable, match="answered with nothing"):
        fetch_file(web.serve("/a", Act(b"")), tmp_path, archive=False)


def test_404_is_final_and_503_is_not(web, tmp_path):
    with pytest.raises(Unavailable, match="answered 404 Not Found"):
        fetch_file(web.serve("/a", Act(PAGE, 404)), tmp_path)
    assert len(web.asked) == 1
    assert fetch_file(web.serve("/b", Act(PAGE, 503), Act(ARCHIVE)), tmp_path) == ARCHIVE


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a", "http://no.such.host.invalid/a"])
def test_an_unreachable_server_is_given_up(tmp_path, url):
    with pytest.raises(Unavailable, match="cannot be reached"):
        fetch_file(url, tmp_path)


def test_a_certificate_that_cannot_be_verified_is_final(tmp_path, monkeypatch):
    monkeypatch.setattr("requests.get", mock.Mock(side_effect=requests.exceptions.SSLError))
    with pytest.raises(Unavailable, match="certificate that cannot be verified"):
        fetch_file("https://a/b", tmp_path)


def test_waits_double_up_to_a_cap():
    assert [RetryPolicy(first_wait=1, longest_wait=5).wait(n) for n in (1, 2, 3, 4)] == [1, 2, 4, 5]


def test_a_full_disk_is_noticed_before_the_download(web, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(UserError, match="needs 300,007 bytes and its disk has 1,000 left"):
        fetch_file(web.serve("/a", Act(ARCHIVE)), tmp_path)


def test_a_full_disk_is_reported_with_the_bytes_needed(web, tmp_path):
    url = web.serve("/a", Act(ARCHIVE))
    code = (
        "import sys; from pathlib import Path; from pipeline.common.cli import run;"
        "from pipeline.fetch.download import *;"
        f"run(lambda args: download(Transfer({url!r}, Path({str(tmp_path / 'part')!r}))))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 1
    assert "needs 300,007 bytes" in process.stderr
    assert "Traceback" not in process.stderr
