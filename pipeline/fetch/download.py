"""Downloading one file over HTTP: resumed, retried, never waiting for ever, never taking a web page for an archive."""

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
from pipeline.common.files import BLOCK, whole_file
from pipeline.fetch.archives import ARCHIVES, PAGE, kind_of
from pipeline.fetch.archives.kinds import HEAD
from pipeline.fetch.archives.members import DISK_FULL

PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses worth another try
EMPTY = "empty"
SLOWEST = 100  # bytes a second; a server that drips slower than this counts as stalled


class Unavailable(Exception):
    """A source that will not give the file, however often it is asked; the message names the URL."""


class Interrupted(Exception):
    """An attempt that may go better next time; the message follows the URL."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for what, in seconds; after `attempts` in a row that bring nothing new a source is given up."""

    connect: float = 20.0
    read: float = 60.0
    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0

    def wait(self, fruitless: int) -> float:
        """Exponential back-off with a cap."""
        return min(self.first_wait * 2.0 ** (fruitless - 1), self.longest_wait)


@dataclass(frozen=True)
class Origin:
    """What a partial file is a part of: kept beside it as JSON, so that parts of two files are never joined."""

    url: str
    validator: str = ""  # strong ETag, else Last-Modified; without either nothing can be resumed
    total: int | None = None


@dataclass(frozen=True)
class Transfer:
    """One URL into one partial file; `size` is the length it must have if that is known, `archive` what it must be."""

    url: str
    part: Path
    archive: bool = True
    size: int | None = None
    patience: Patience = Patience()

    @property
    def origin_path(self) -> Path:
        return self.part.with_name(f"{self.part.name}.json")


def download(transfer: Transfer) -> None:
    """Fill the partial file with the whole of the URL, going on from what is there if the server still has that file.

    Raises Unavailable when this source cannot give it, UserError when the disk is full.
    """
    fruitless = furthest = 0
    while True:
        began = time.monotonic()
        try:
            return _attempt(transfer)
        except Interrupted as error:
            reached = transfer.part.stat().st_size if transfer.part.exists() else 0
            gain = reached - furthest
            fruitless = 1 if gain > SLOWEST * (time.monotonic() - began) else fruitless + 1
            furthest = max(furthest, reached)
            if fruitless >= transfer.patience.attempts:
                raise Unavailable(f"{transfer.url} {error}") from error
            wait = transfer.patience.wait(fruitless)
            log.say(f"{transfer.url} {error}; next attempt in {wait:.1f} s")
            time.sleep(wait)


def discard(transfer: Transfer) -> None:
    """Remove the partial file and its origin, in the order that leaves no part without one."""
    transfer.part.unlink(missing_ok=True)
    transfer.origin_path.unlink(missing_ok=True)


def _attempt(transfer: Transfer) -> None:
    have, known = _resumable(transfer)
    if have and have == known.total:
        return
    patience = transfer.patience
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": known.validator}
    try:
        with requests.get(
            transfer.url, headers=headers, stream=True, timeout=(patience.connect, patience.read)
        ) as response:
            start, origin = _accept(transfer, response, have, known)
            _receive(transfer, response, start, origin.total)
    except requests.exceptions.SSLError as error:
        raise Unavailable(f"{transfer.url} has a certificate that cannot be verified") from error
    except (requests.exceptions.TooManyRedirects, ValueError) as error:
        raise Unavailable(f"{transfer.url} leads nowhere: {error}") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Interrupted(_what_happened(error, transfer)) from error


def _resumable(transfer: Transfer) -> tuple[int, Origin]:
    """How many bytes of the URL there are already; a part of anything else counts for nothing."""
    try:
        known = Origin(**json.loads(transfer.origin_path.read_text(encoding="utf-8")))
        have = transfer.part.stat().st_size
    except (OSError, ValueError, TypeError):
        return 0, Origin(transfer.url)
    if known.url != transfer.url or not known.validator or (known.total is not None and have > known.total):
        return 0, Origin(transfer.url)
    return have, known


def _accept(transfer: Transfer, response: requests.Response, have: int, known: Origin) -> tuple[int, Origin]:
    """Where the body starts in the file, and what it is of; raises what the status calls for."""
    status = f"answered {response.status_code} {response.reason}"
    if response.status_code == 416 or (response.status_code == 206 and not _continues(response, have, known)):
        discard(transfer)
        raise Interrupted(f"{status}, but not with the rest of the file that was begun: it starts again from nothing")
    if response.status_code == 206:
        return have, known
    if response.status_code in PASSING:
        raise Interrupted(status)
    if response.status_code != 200:
        raise Unavailable(f"{transfer.url} {status}")
    length = response.headers.get("Content-Length", "")
    origin = Origin(transfer.url, _validator(response), int(length) if length.isdigit() else None)
    _check_size(transfer, origin.total)
    _remember(transfer, origin)
    return 0, origin


def _continues(response: requests.Response, have: int, known: Origin) -> bool:
    """Whether a 206 brings just the bytes that are missing, of the file that was begun (If-Range is often ignored)."""
    span, _, total = response.headers.get("Content-Range", "").partition("/")
    first = span.removeprefix("bytes").strip().partition("-")[0]
    same_total = known.total is None or total in ("", "*", str(known.total))
    return bool(have) and first == str(have) and same_total and _validator(response) in ("", known.validator)


def _validator(response: requests.Response) -> str:
    tag = response.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")


def _check_size(transfer: Transfer, total: int | None) -> None:
    if total is None:
        return
    if transfer.size is not None and total != transfer.size:
        raise Unavailable(f"{transfer.url} offers {total} bytes where {transfer.size} are expected")
    if total > shutil.disk_usage(transfer.part.parent).free:
        raise _no_room(transfer, total)


def _remember(transfer: Transfer, origin: Origin) -> None:
    transfer.part.unlink(missing_ok=True)  # first: an old part beside a new origin would pass for a part of it
    with whole_file(transfer.origin_path) as scratch:
        scratch.write_text(json.dumps(asdict(origin)), encoding="utf-8")


def _receive(transfer: Transfer, response: requests.Response, start: int, total: int | None) -> None:
    there = start
    try:
        with open(transfer.part, "ab") as file:
            for chunk in _chunks(transfer, response):
                file.write(chunk)
                if there < HEAD <= there + len(chunk):
                    file.flush()
                    check_kind(transfer)
                there += len(chunk)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise _no_room(transfer, total) from error
    if total is not None and there != total:
        raise Interrupted(f"broke off after {there:,} bytes")
    check_kind(transfer)


def _chunks(transfer: Transfer, response: requests.Response) -> Iterator[bytes]:
    """The body as it arrives; stalls by the socket's timeout and drips by `SLOWEST` both end it."""
    since, count = time.monotonic(), 0
    while chunk := response.raw.read1(BLOCK):
        yield chunk
        count += len(chunk)
        seconds = time.monotonic() - since
        if seconds < min(transfer.patience.read, log.LOG_SECONDS):
            continue
        if count < SLOWEST * seconds:
            raise Interrupted(f"sent no more than {count} bytes in {seconds:.1f} s")
        log.say(f"{transfer.part.name} {transfer.part.stat().st_size / 1e6:.0f} MB, {count / seconds / 1e6:.1f} MB/s")
        since, count = time.monotonic(), 0


def check_kind(transfer: Transfer) -> None:
    """Raise Unavailable, and drop what came, if it begins as a page, or as no archive where one was asked for."""
    kind = kind_of(transfer.part) if transfer.part.exists() and transfer.part.stat().st_size else EMPTY
    if kind in (PAGE, EMPTY) or (transfer.archive and kind not in ARCHIVES):
        discard(transfer)
        what = {PAGE: "a web page", EMPTY: "nothing"}.get(kind, "something else")
        raise Unavailable(f"{transfer.url} answered with {what}, not {'an archive' if transfer.archive else 'a file'}")


def _what_happened(error: Exception, transfer: Transfer) -> str:
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return "did not answer in time"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "cannot be reached"
    reached = transfer.part.stat().st_size if transfer.part.exists() else 0
    return f"broke off after {reached:,} bytes"


def _no_room(transfer: Transfer, total: int | None) -> UserError:
    size = "an unknown number of" if total is None else f"{total:,}"
    free = shutil.disk_usage(transfer.part.parent).free
    return UserError(
        f"{transfer.part} needs {size} bytes and its disk has {free:,} left: make room, or fetch to another disk"
    )
