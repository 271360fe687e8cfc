"""nets.tsv: every network's name, its module, and the module's function of `num_classes` and options that builds it.

A table and no code, so that a network that is added trains no other one anew: a run depends on its own network's
module (`module_of`), beside the code that trains.
"""

import functools
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv

TABLE = Path(__file__).with_name("nets.tsv")


class Net(NamedTuple):
    """One row."""

    net: str
    module: str
    function: str


@functools.cache
def nets() -> dict[str, Net]:
    """The table by name; a name that stands there twice, or a row cut short, is a UserError."""
    found: dict[str, Net] = {}
    for line, row in enumerate(read_tsv(TABLE, Net._fields), 2):
        made = Net(*(row[name] or "" for name in Net._fields))
        if not all(made):
            raise UserError(f"{TABLE}, line {line}: {made.net!r} lacks its module or function: add it, after a tab")
        if made.net in found:
            raise UserError(f"{TABLE}, line {line}: {made.net!r} is listed before: drop one or rename it")
        found[made.net] = made
    return found


def named(name: str) -> Net:
    """A network's row; an unknown name is a UserError with the known ones."""
    if name not in nets():
        raise UserError(
            f"there is no network {name!r}: choose one of {', '.join(sorted(nets()))}, or add it to {TABLE}"
        )
    return nets()[name]


def module_of(name: str) -> str:
    """The module that a network is built by, for the hash of the code of what trains or scores it."""
    return named(name).module
