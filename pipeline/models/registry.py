"""nets.tsv: every network's name, its module, and the function there that builds it from `num_classes` and options.

It is a table and not code, so that a new network does not re-run the training of the others: a run depends on the code
that trains and on its own network's module (`module_of`).
"""

import functools
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv

TABLE = Path(__file__).with_name("nets.tsv")


class Entry(NamedTuple):
    """A row of nets.tsv."""

    net: str
    module: str
    function: str


@functools.cache
def entries() -> dict[str, Entry]:
    """The rows of nets.tsv by network name; an incomplete row, or a name with two rows, is a UserError."""
    table: dict[str, Entry] = {}
    for line, row in enumerate(read_tsv(TABLE, Entry._fields), 2):
        new = Entry(*(row[column] or "" for column in Entry._fields))
        if not all(new):
            raise UserError(f"{TABLE}, line {line}: {new.net!r} lacks its module or function: add it, after a tab")
        if new.net in table:
            raise UserError(f"{TABLE}, line {line}: {new.net!r} is listed before: delete one or rename it")
        table[new.net] = new
    return table


def entry(name: str) -> Entry:
    """A network's row; an unknown name is a UserError that lists the names."""
    if name not in entries():
        raise UserError(
            f"there is no network {name!r}: choose one of {', '.join(sorted(entries()))}, or add it to {TABLE}"
        )
    return entries()[name]


def module_of(name: str) -> str:
    """The module that builds a network; its code is part of the hash of the stages that train and score it."""
    return entry(name).module
