"""What every `python -m pipeline.<stage>` shares: its parser, its commands, its errors in one sentence."""

import argparse
import ast
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.common import environment
from pipeline.common.errors import UserError
from pipeline.common.log import say

RECORDED = "ACTIONBENCH_RECORDED"  # set by rules: a job's log begins with what it runs in


def parser(description: str | None) -> argparse.ArgumentParser:
    """An argument parser whose help shows the defaults; `description` is the stage's module docstring."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Call a stage's main; a user's mistake ends as one sentence on stderr and status 1, without a traceback."""
    try:
        if os.environ.get(RECORDED):
            say(environment.line())
        main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # head has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def run_command(
    package: str, commands: Mapping[str, str], argv: Sequence[str], description: str | None,
    renamed: Mapping[str, str] = {},
) -> None:  # fmt: skip
    """Run the command that argv[0] names, with the other arguments.

    `commands` is name -> module of `package` with functions `options(parser)` and `run(args)`. Only the module of the
    command is imported, so that one command's libraries need not be there for another. `renamed` is old name -> new.
    """
    name = argv[0] if argv else ""
    if name in ("-h", "--help"):
        print(_help(package, commands, description))
        return
    if name in renamed:
        raise UserError(f"{package} {name} is called {renamed[name]} now: write {package} {renamed[name]}")
    if name not in commands:
        raise UserError(f"{package} was given the command {name or 'nothing'}: give one of {', '.join(commands)}")
    module = importlib.import_module(f"{package}.{commands[name]}")
    arguments = parser(module.__doc__)
    arguments.prog = f"python -m {package} {name}"
    module.options(arguments)
    module.run(arguments.parse_args(argv[1:]))


def _help(package: str, commands: Mapping[str, str], description: str | None) -> str:
    width = max(map(len, commands))
    lines = [f"  {name:{width}s}  {_summary(f'{package}.{module}')}" for name, module in commands.items()]
    return "\n".join([f"usage: python -m {package} COMMAND ...", "", description or "", "", *lines, "",
                      "Each command has its own --help."])  # fmt: skip


def _summary(module: str) -> str:
    """The first line of a module's docstring, read without importing it."""
    spec = importlib.util.find_spec(module)
    source = Path(spec.origin).read_text("utf-8") if spec and spec.origin else ""
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
