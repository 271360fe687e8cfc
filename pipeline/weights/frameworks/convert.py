"""A release's tensors under our names: the rules of maps.yaml applied, each tensor once on either side."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pipeline.common.errors import UserError
from pipeline.models import builders
from pipeline.weights.frameworks.layouts import laid_out

TABLE = Path(__file__).with_name("maps.yaml")
FILLS = {"ones": np.ones, "zeros": np.zeros}
COUNTER = "num_batches_tracked"  # torch's own, of no use to a network that is loaded
NAMED = 12  # names of each kind that an error tells

Shapes = dict[str, tuple[int, ...]]


@dataclass
class Converted:
    """What the rules made of a file."""

    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)


@functools.cache
def table(path: Path = TABLE) -> dict[str, Any]:
    """maps.yaml."""
    return yaml.safe_load(path.read_text("utf-8"))


def find(form: str, model: str) -> dict[str, Any]:
    """The map of a format and a network; without one a UserError that says for which networks the format has one."""
    known = {entry["model"]: entry for entry in table()["maps"] if entry["format"] == form}
    if model not in known:
        raise UserError(
            f"there are no rules from {form} to the network {model!r}, only to {', '.join(sorted(known)) or 'none'}:"
            " choose one of those or add rules to pipeline/weights/frameworks/maps.yaml"
        )
    return known[model]


def apply(tensors: Mapping[str, np.ndarray], rules: Iterable[list[str]], words: Mapping[str, Any]) -> Converted:
    """Every tensor through the one rule that matches its name."""
    made = Converted()
    less: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        found = next(((match, rule) for rule in rules if rule[0] and (match := re.fullmatch(rule[0], name))), None)
        if found is None:
            made.unused.append(name)
            continue
        targets = named(found[1][1], found[0], words).split()
        if not targets:
            made.dropped.append(name)
        elif targets[0].startswith("-"):
            (less[targets[0][1:]],) = laid_out(tensor, found[1][2].split())
        else:
            _put(made, targets, laid_out(tensor, found[1][2].split()))
    for target, amount in less.items():
        made.tensors[target] = made.tensors[target] - amount if target in made.tensors else -amount
    return made


def named(target: str, match: re.Match[str], words: Mapping[str, Any]) -> str:
    """Our name: groups put in where `{1}` or `{1:word}` stands."""

    def group(place: re.Match[str]) -> str:
        text = match.group(int(place[1]))
        return words[place[2]][text] if place[2] else text

    return re.sub(r"\{(\d)(?::(\w+))?\}", group, target)


def _put(made: Converted, targets: list[str], arrays: list[np.ndarray]) -> None:
    for target, array in zip(targets, arrays, strict=True):
        if target in made.tensors:
            made.twice.append(target)
        made.tensors[target] = array


def fill(made: Converted, wanted: Shapes, rules: Iterable[list[str]]) -> None:
    """What the source does not have, by the rules that say so; and torch's counters."""
    sourceless = [(rule[1], rule[2]) for rule in rules if not rule[0]]
    for name, shape in wanted.items():
        if name in made.tensors:
            continue
        if name.endswith(COUNTER):
            made.tensors[name] = np.zeros(shape, np.int64)
        for pattern, kind in sourceless:
            if re.fullmatch(pattern, name):
                made.tensors[name] = FILLS[kind](shape, np.float32)


def refuse_misfits(made: Converted, wanted: Shapes, path: Path | str, model: str, without: Iterable[str] = ()) -> None:
    """One UserError with all that is left over on either side and every other shape; `without` may be missing."""
    missing = [name for name in wanted if name not in made.tensors and name not in without]
    foreign = made.unused + [name for name in made.tensors if name not in wanted]
    shapes = [
        f"{name} {made.tensors[name].shape} against {shape}"
        for name, shape in wanted.items()
        if name in made.tensors and made.tensors[name].shape != shape
    ]
    said = [
        f"{len(names)} tensors {what} ({listed(names)})"
        for names, what in (
            (foreign, "of the file have no place in the network"),
            (missing, "of the network are not in the file"),
            (made.twice, "of the network have two in the file"),
            (shapes, "have other shapes, the file's against the network's"),
        )
        if names
    ]
    if said:
        raise UserError(f"{path} does not fit the network {model}: {'; '.join(said)}: name its own network and options")


def listed(names: list[str]) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def count_classes(found: Mapping[str, np.ndarray], names: Iterable[str]) -> int | None:
    """The classes of the heads among some tensors; None without a head."""
    return next((len(found[name]) for name in names if name in found and found[name].ndim), None)


def count_channels(found: Mapping[str, np.ndarray], model: str, options: Mapping[str, Any]) -> dict[str, int]:
    """{"channels": n} as the first filters say, for a network of one input that is told; else nothing."""
    if "channels" in options:
        return {}
    try:
        few, many = (builders.shapes_of(model, 7, {**options, "channels": number}) for number in (3, 2))
    except UserError:
        return {}
    first = next((name for name in few if few[name] != many[name] and name in found), None)
    return {"channels": found[first].shape[1]} if first and found[first].ndim > 1 else {}
