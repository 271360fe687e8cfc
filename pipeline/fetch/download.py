"""Download one file over HTTP: interrupted transfers are resumed, errors retried, stalls and web pages recognised."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import requests
import urllib3

from pipeline.common import log
from pipeline.common.errors import UserError
from pipeline.common.files import BLOCK, DISK_FULL_ERRNOS, whole_file
from pipeline.fetch.archives import ARCHIVE_FORMATS, WEB_PAGE, file_format
from pipeline.fetch.archives.magic import HEADER_BYTES

RETRIED_STATUSES = (408, 425, 429, 500, 502, 503, 504)
EMPTY = "empty"
MIN_SPEED = 100  # bytes per second; a slower transfer counts as stalled


class Unavailable(Exception):
    """A URL that cannot give the file, so that retrying is useless. The message names the URL."""


class Interrupted(Exception):
    """An attempt that failed and may succeed when repeated. The message is a clause that follows the URL."""


@dataclass(frozen=True)
class RetryPolicy:
    """Timeouts and waits in seconds. A URL is given up after `attempts` attempts in a row that bring nothing new."""

    connect: float = 20.0
    read: float = 60.0
    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0

    def wait(self, failures: int) -> float:
        """Exponential back-off: the wait after this many failures in a row."""
        return min(self.first_wait * 2.0 ** (failures - 1), self.longest_wait)


@dataclass(frozen=True)
class RemoteFile:
    """The file on the server that a partial file belongs to; stored beside it as JSON and compared before resuming."""

    url: str
    validator: str = ""  # strong ETag, else Last-Modified; without one a transfer cannot be resumed
    total: int | None = None


@dataclass(frozen=True)
class Transfer:
    """One URL into one partial file `part`. `size` is the expected bytes, if known; `archive` demands an archive."""

    url: str
    part: Path
    archive: bool = True
    size: int | None = None
    retries: RetryPolicy = RetryPolicy()

    @property
    def remote_path(self) -> Path:
        """The JSON file of the RemoteFile."""
        return self.part.with_name(f"{self.part.name}.json")


def download(transfer: Transfer) -> None:
    """Download the URL into the partial file, resuming an earlier transfer if the server still has the same file.

    Raises Unavailable when the URL is given up, UserError when the disk is full.
    """
    failures = furthest = 0
    while True:
        start = time.monotonic()
        try:
            return _attempt(transfer)
        except Interrupted as error:
            size = _part_size(transfer)
            gain = size - furthest
            failures = 1 if gain > MIN_SPEED * (time.monotonic() - start) else failures + 1
            furthest = max(furthest, size)
            if failures >= transfer.retries.attempts:
                raise Unavailable(f"{transfer.url} {error}") from error
            wait = transfer.retries.wait(failures)
            log.say(f"{transfer.url} {error}; next attempt in {wait:.1f} s")
            time.sleep(wait)


def discard(transfer: Transfer) -> None:
    """Delete the partial file, then its JSON file: a part without JSON would not be recognised after a kill."""
    transfer.part.unlink(missing_ok=True)
    transfer.remote_path.unlink(missing_ok=True)


def _attempt(transfer: Transfer) -> None:
    offset, remote = _resume_point(transfer)
    if offset and offset == remote.total:
        return
    timeouts = (transfer.retries.connect, transfer.retries.read)
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": remote.validator}
    try:
        with requests.get(transfer.url, headers=headers, stream=True, timeout=timeouts) as response:
            offset, remote = _check_response(transfer, response, offset, remote)
            _receive(transfer, response, offset, remote.total)
    except requests.exceptions.SSLError as error:
        raise Unavailable(f"{transfer.url} has a certificate that cannot be verified") from error
    except (requests.exceptions.TooManyRedirects, ValueError) as error:
        raise Unavailable(f"{transfer.url} leads nowhere: {error}") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Interrupted(_error_text(error, transfer)) from error


def _resume_point(transfer: Transfer) -> tuple[int, RemoteFile]:
    """(bytes that are here, their remote file); (0, the URL) if the partial file is of another file."""
    try:
        remote = RemoteFile(**json.loads(transfer.remote_path.read_text(encoding="utf-8")))
        offset = transfer.part.stat().st_size
    except (OSError, ValueError, TypeError):
        return 0, RemoteFile(transfer.url)
    too_long = remote.total is not None and offset > remote.total
    if remote.url != transfer.url or not remote.validator or too_long:
        return 0, RemoteFile(transfer.url)
    return offset, remote


def _check_response(
    transfer: Transfer, response: requests.Response, offset: int, remote: RemoteFile
) -> tuple[int, RemoteFile]:
    """(offset of the response's body in the file, its remote file); raises Interrupted or Unavailable by the status."""
    status = f"answered {response.status_code} {response.reason}"
    if response.status_code == 416 or (response.status_code == 206 and not _continues(response, offset, remote)):
        discard(transfer)
        raise Interrupted(f"{status}, but not with the rest of the file that was begun: it starts again from nothing")
    if response.status_code == 206:
        return offset, remote
    if response.status_code in RETRIED_STATUSES:
        raise Interrupted(status)
    if response.status_code != 200:
        raise Unavailable(f"{transfer.url} {status}")
    length = response.headers.get("Content-Length", "")
    remote = RemoteFile(transfer.url, _validator(response), int(length) if length.isdigit() else None)
    _check_size(transfer, remote.total)
    _start_part(transfer, remote)
    return 0, remote


def _continues(response: requests.Response, offset: int, remote: RemoteFile) -> bool:
    """Whether a 206 holds exactly the missing bytes of the same file (many servers ignore If-Range)."""
    content_range, _, total = response.headers.get("Content-Range", "").partition("/")
    first = content_range.removeprefix("bytes").strip().partition("-")[0]
    same_total = remote.total is None or total in ("", "*", str(remote.total))
    return bool(offset) and first == str(offset) and same_total and _validator(response) in ("", remote.validator)


def _validator(response: requests.Response) -> str:
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _check_size(transfer: Transfer, total: int | None) -> None:
    if total is None:
        return
    if transfer.size is not None and total != transfer.size:
        raise Unavailable(f"{transfer.url} offers {total} bytes where {transfer.size} are expected")
    if total > shutil.disk_usage(transfer.part.parent).free:
        raise _disk_full(transfer, total)


def _start_part(transfer: Transfer, remote: RemoteFile) -> None:
    transfer.part.unlink(missing_ok=True)  # first: an old part with the new JSON would be resumed as a part of it
    with whole_file(transfer.remote_path) as scratch:
        scratch.write_text(json.dumps(asdict(remote)), encoding="utf-8")


def _receive(transfer: Transfer, response: requests.Response, offset: int, total: int | None) -> None:
    """Append the body to the partial file; the format is checked as soon as the first HEADER_BYTES are there."""
    size = offset
    try:
        with open(transfer.part, "ab") as file:
            for chunk in _chunks(transfer, response):
                file.write(chunk)
                if size < HEADER_BYTES <= size + len(chunk):
                    file.flush()
                    check_format(transfer)
                size += len(chunk)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in DISK_FULL_ERRNOS:
            raise
        raise _disk_full(transfer, total) from error
    if total is not None and size != total:
        raise Interrupted(f"broke off after {size:,} bytes")
    check_format(transfer)


def _chunks(transfer: Transfer, response: requests.Response) -> Iterator[bytes]:
    """The body in chunks as they arrive; raises Interrupted if it arrives slower than MIN_SPEED."""
    start, count = time.monotonic(), 0
    while chunk := response.raw.read1(BLOCK):
        yield chunk
        count += len(chunk)
        seconds = time.monotonic() - start
        if seconds < min(transfer.retries.read, log.LOG_SECONDS):
            continue
        if count < MIN_SPEED * seconds:
            raise Interrupted(f"sent no more than {count} bytes in {seconds:.1f} s")
        log.say(f"{transfer.part.name} {transfer.part.stat().st_size / 1e6:.0f} MB, {count / seconds / 1e6:.1f} MB/s")
        start, count = time.monotonic(), 0


def check_format(transfer: Transfer) -> None:
    """Raise Unavailable and delete the partial file if it is empty, a web page, or no archive where one is expected."""
    name = file_format(transfer.part) if _part_size(transfer) else EMPTY
    if name in (WEB_PAGE, EMPTY) or (transfer.archive and name not in ARCHIVE_FORMATS):
        discard(transfer)
        content = {WEB_PAGE: "a web page", EMPTY: "nothing"}.get(name, "something else")
        expected = "an archive" if transfer.archive else "a file"
        raise Unavailable(f"{transfer.url} answered with {content}, not {expected}")


def _part_size(transfer: Transfer) -> int:
    return transfer.part.stat().st_size if transfer.part.exists() else 0


def _error_text(error: Exception, transfer: Transfer) -> str:
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return "did not answer in time"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "cannot be reached"
    return f"broke off after {_part_size(transfer):,} bytes"


def _disk_full(transfer: Transfer, total: int | None) -> UserError:
    size = "an unknown number of" if total is None else f"{total:,}"
    free = shutil.disk_usage(transfer.part.parent).free
    return UserError(
        f"{transfer.part} needs {size} bytes and its disk has {free:,} left: make room, or fetch to another disk"
    )
