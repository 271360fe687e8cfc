"""Shared by every `python -m pipeline.<stage>`: the argument parser, sub-commands and error reporting."""

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

RECORD_VARIABLE = "ACTIONBENCH_RECORDED"  # set by the rules: the job's log then begins with its environment


def parser(description: str | None) -> argparse.ArgumentParser:
    """An argument parser whose help shows the defaults; `description` is usually the module's docstring."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)


def add_renamed(parser: argparse.ArgumentParser, old: str, new: str) -> None:
    """Let the parser refuse an option's old name with its new one."""

    class Renamed(argparse.Action):
        def __call__(self, *_: object) -> None:
            raise UserError(f"{old} is called {new} now: write {new}")

    parser.add_argument(old, action=Renamed, nargs="*", help=argparse.SUPPRESS)


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Call a stage's main. A UserError prints its message to stderr and exits with status 1, without a traceback."""
    try:
        if os.environ.get(RECORD_VARIABLE):
            say(environment.log_line())
        main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe, such as head, has stopped reading
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

    `commands` maps a name to a module of `package` with the functions `options(parser)` and `run(args)`. Only that
    module is imported, so that a command does not need the libraries of the others. `renamed` maps old names to new.
    """
    name = argv[0] if argv else ""
    if name in ("-h", "--help"):
        print(_help(package, commands, description))
        return
    if name in renamed:
        raise UserError(f"{package} {name} has been renamed: use {package} {renamed[name]}")
    if name not in commands:
        problem = f"has no command {name}" if name else "was given no command"
        raise UserError(f"{package} {problem}: its commands are {', '.join(commands)}")
    module = importlib.import_module(f"{package}.{commands[name]}")
    command_parser = parser(module.__doc__)
    command_parser.prog = f"python -m {package} {name}"
    module.options(command_parser)
    module.run(command_parser.parse_args(argv[1:]))


def _help(package: str, commands: Mapping[str, str], description: str | None) -> str:
    width = max(map(len, commands))
    lines = [f"  {name:{width}s}  {_summary(f'{package}.{module}')}" for name, module in commands.items()]
    return "\n".join([f"usage: python -m {package} COMMAND ...", "", description or "", "", *lines, "",
                      "Each command has its own --help."])  # fmt: skip


def _summary(module: str) -> str:
    """The first line of a module's docstring, read without importing the module."""
    spec = importlib.util.find_spec(module)
    source = Path(spec.origin).read_text("utf-8") if spec and spec.origin else ""
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
