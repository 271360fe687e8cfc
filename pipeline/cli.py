"""What every `python -m pipeline.<stage>` shares: its parser, its progress lines, its one-sentence errors."""

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

from pipeline.errors import UserError

Item = TypeVar("Item")

LOG_SECONDS = 10.0
RECORDED = "ACTIONBENCH_RECORDED"  # set by rules: a job's log begins with what it runs in


def parser(description: str | None) -> argparse.ArgumentParser:
    """An argument parser whose help shows the defaults; `description` is the stage's module docstring."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Call a stage's main; a user's mistake ends as one sentence on stderr and status 1, without a traceback."""
    try:
        if os.environ.get(RECORDED):
            say(importlib.import_module(f"{__package__}.environment").line())
        main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # head has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


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
