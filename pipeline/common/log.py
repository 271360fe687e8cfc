"""Messages and progress of a job, written to stderr."""

import functools
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
LOG_SECONDS = 10.0  # between two progress lines in a log


def say(message: str) -> None:
    """Print a line to stderr and flush it, so that the log of a killed job is complete."""
    print(message, file=sys.stderr, flush=True)


def progress(items: Iterable[Item], total: int, description: str) -> Iterator[Item]:
    """Yield `items` and report progress: a bar on a terminal, a line about every ten seconds in a log."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=description, unit="")
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= LOG_SECONDS or done == total:
            last = now
            say(progress_line(description, done, total, now - start))


def progress_line(description: str, done: int, total: int, seconds: float) -> str:
    """`frames 120/400, 12 s, 28 s left`"""
    left = seconds / done * (total - done)
    return f"{description} {done}/{total}, {seconds:.0f} s, {left:.0f} s left"


@functools.cache
def say_once(message: str) -> None:
    """Print a message once per process, even if it applies to many clips."""
    say(message)
