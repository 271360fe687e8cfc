"""Conversion of a release's tensors to this pipeline's names by the rules of maps.yaml."""

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
from pipeline.weights.frameworks.layouts import apply_steps

TABLE = Path(__file__).with_name("maps.yaml")
FILLS = {"ones": np.ones, "zeros": np.zeros}
BATCH_COUNTER = "num_batches_tracked"  # of torch's batch normalisation, which other frameworks do not have
MAX_LISTED = 12  # names of each group in an error message

Shapes = dict[str, tuple[int, ...]]


@dataclass
class Converted:
    """The result of a map's rules: tensors by our names, and the names of those that need a word to the user."""

    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)  # of the file, matched by no rule
    dropped: list[str] = field(default_factory=list)  # of the file, dropped by a rule
    duplicates: list[str] = field(default_factory=list)  # of the network, filled by two tensors


@functools.cache
def table(path: Path = TABLE) -> dict[str, Any]:
    """The content of maps.yaml."""
    return yaml.safe_load(path.read_text("utf-8"))


def find_map(framework: str, model: str) -> dict[str, Any]:
    """The map from a framework to a network; if there is none, a UserError with the networks that have one."""
    maps = {entry["model"]: entry for entry in table()["maps"] if entry["format"] == framework}
    if model not in maps:
        models = ", ".join(sorted(maps)) or "none"
        raise UserError(
            f"there are no rules from {framework} to the network {model!r}, only to {models}:"
            " choose one of those or add rules to pipeline/weights/frameworks/maps.yaml"
        )
    return maps[model]


def apply_rules(tensors: Mapping[str, np.ndarray], rules: Iterable[list[str]], words: Mapping[str, Any]) -> Converted:
    """Every tensor renamed and reshaped by the first rule that matches its name."""
    converted = Converted()
    subtracted: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        matched = next(((match, rule) for rule in rules if rule[0] and (match := re.fullmatch(rule[0], name))), None)
        if matched is None:
            converted.unmatched.append(name)
            continue
        match, (_, target, steps) = matched
        targets, arrays = expand_target(target, match, words).split(), apply_steps(tensor, steps.split())
        if not targets:
            converted.dropped.append(name)
        elif targets[0].startswith("-"):
            (subtracted[targets[0][1:]],) = arrays
        else:
            _add(converted, targets, arrays)
    for target, amount in subtracted.items():
        minuend = converted.tensors.get(target)
        converted.tensors[target] = -amount if minuend is None else minuend - amount
    return converted


def expand_target(target: str, match: re.Match[str], words: Mapping[str, Any]) -> str:
    """A rule's target name: `{1}` is the match's first group, `{1:word}` the entry for it under `word` in `words`."""

    def expand(reference: re.Match[str]) -> str:
        group = match.group(int(reference[1]))
        return words[reference[2]][group] if reference[2] else group

    return re.sub(r"\{(\d)(?::(\w+))?\}", expand, target)


def _add(converted: Converted, targets: list[str], arrays: list[np.ndarray]) -> None:
    for target, array in zip(targets, arrays, strict=True):
        if target in converted.tensors:
            converted.duplicates.append(target)
        converted.tensors[target] = array


def fill_missing(converted: Converted, shapes: Shapes, rules: Iterable[list[str]]) -> None:
    """Add the tensors that rules without a source fill with a constant, and torch's batch counters."""
    fills = [(rule[1], rule[2]) for rule in rules if not rule[0]]
    for name, shape in shapes.items():
        if name in converted.tensors:
            continue
        if name.endswith(BATCH_COUNTER):
            converted.tensors[name] = np.zeros(shape, np.int64)
        for pattern, fill in fills:
            if re.fullmatch(pattern, name):
                converted.tensors[name] = FILLS[fill](shape, np.float32)


def refuse_misfits(
    converted: Converted, shapes: Shapes, path: Path | str, model: str, optional: Iterable[str] = ()
) -> None:
    """Raise one UserError that lists every tensor that is too many, missing, duplicate or of another shape."""
    tensors = converted.tensors
    missing = [name for name in shapes if name not in tensors and name not in optional]
    foreign = converted.unmatched + [name for name in tensors if name not in shapes]
    reshaped = [
        f"{name} {tensors[name].shape} against {shape}"
        for name, shape in shapes.items()
        if name in tensors and tensors[name].shape != shape
    ]
    groups = {
        "of the file have no place in the network": foreign,
        "of the network are not in the file": missing,
        "of the network have two in the file": converted.duplicates,
        "have other shapes, the file's against the network's": reshaped,
    }
    misfits = [f"{len(names)} tensors {text} ({join_names(names)})" for text, names in groups.items() if names]
    if misfits:
        misfit = "; ".join(misfits)
        raise UserError(f"{path} does not fit the network {model}: {misfit}: give its own network and options")


def join_names(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {more} more" if more > 0 else "")


def num_classes(tensors: Mapping[str, np.ndarray], heads: Iterable[str]) -> int | None:
    """The number of classes of the first head among the tensors; None without a head."""
    return next((len(tensors[name]) for name in heads if name in tensors and tensors[name].ndim), None)


def channel_option(tensors: Mapping[str, np.ndarray], model: str, options: Mapping[str, Any]) -> dict[str, int]:
    """{"channels": C} by the first layer's filters; {} if C is among the options or the network has no such option."""
    if "channels" in options:
        return {}
    try:
        three, two = (builders.shapes_of(model, 7, {**options, "channels": channels}) for channels in (3, 2))
    except UserError:
        return {}
    first = next((name for name in three if three[name] != two[name] and name in tensors), None)
    return {"channels": tensors[first].shape[1]} if first and tensors[first].ndim > 1 else {}
