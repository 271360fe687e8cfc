"""What every `python -m pipeline.<stage>` shares: its parser, its progress lines, its one-sentence errors."""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from pipeline.errors import UserError
from pipeline.log import say

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
