"""Lines and progress of a job's log, on stderr."""

import functools
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
LOG_SECONDS = 10.0


def say(message: str) -> None:
    """A line of the log: stderr, at once, so that a killed job's log is complete."""
    print(message, file=sys.stderr, flush=True)


def progress(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """Pass `items` through; a bar on a terminal, a plain line about every ten seconds in a log."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=what, unit="")
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= LOG_SECONDS or done == total:
            last = now
            say(progress_line(what, done, total, now - start))


def progress_line(what: str, done: int, total: int, seconds: float) -> str:
    """`frames 120/400, 12 s, 28 s left`"""
    left = seconds / done * (total - done)
    return f"{what} {done}/{total}, {seconds:.0f} s, {left:.0f} s left"


@functools.cache
def say_once(message: str) -> None:
    """Say it once a process, however many clips follow."""
    say(message)
