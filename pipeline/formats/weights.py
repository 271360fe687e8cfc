"""Weights as safetensors: tensors and, in the header, what they are; loading runs no code of theirs."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from pipeline.common.errors import UserError
from pipeline.common.files import whole_file

NAMED = 12  # classes of each side that an error tells


def save(path: Path | str, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
    """Write a state dict with `facts` (JSON) in the header."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as scratch:
        save_file(plain, str(scratch), metadata={"actionbench": json.dumps(facts)})


def load(path: Path | str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """(state dict, facts); a file that is not one of ours is a UserError."""
    with _opened(path) as file:
        facts = _facts(file)
        return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 (not a dict)


def load_facts(path: Path | str) -> dict[str, Any]:
    """The facts alone, without reading a tensor; a file that is not one of ours is a UserError."""
    with _opened(path) as file:
        return _facts(file)


def for_classes(path: Path | str, classes: Sequence[str]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """(state dict, facts) of imported weights whose head has its rows in the order of `classes`, matched by name.

    Weights without a head come as they are. A head of other classes, or without names, is a UserError.
    """
    tensors, facts = load(path)
    heads = [name for name in facts.get("heads", ()) if name in tensors]
    if not heads:
        return tensors, facts
    known = facts["classes"]
    if known is None:
        raise UserError(f"{path} has {facts['num_classes']} classes without names: import it again with --classes")
    if set(known) != set(classes):
        raise UserError(_differing(path, known, classes))
    rows = torch.tensor([known.index(name) for name in classes])
    return tensors | {name: tensors[name][rows] for name in heads}, facts | {"classes": list(classes)}


def initialise(net: nn.Module, path: Path | str, classes: Sequence[str]) -> dict[str, Any]:
    """Put imported weights into a network for `classes`, which keeps its own head if they have none; returns facts."""
    tensors, facts = for_classes(path, classes)
    own = net.state_dict()
    odd = [name for name in own if name not in tensors and name not in facts.get("heads", ())]
    odd += [name for name, tensor in tensors.items() if name not in own or own[name].shape != tensor.shape]
    if odd:
        raise UserError(
            f"{path} holds a {facts.get('model')} with {facts.get('options')}, of which {len(odd)} tensors, first"
            f" {odd[0]}, do not fit the network: build it with the same options"
        )
    net.load_state_dict(own | tensors)
    return facts


@contextmanager
def _opened(path: Path | str) -> Iterator[Any]:
    try:
        with safe_open(str(path), "pt") as file:
            yield file
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is not a weights file of this pipeline ({error}): train it again") from error


def _facts(file: Any) -> dict[str, Any]:
    return json.loads((file.metadata() or {})["actionbench"])


def _differing(path: Path | str, known: Sequence[str], classes: Sequence[str]) -> str:
    alone = ", ".join(sorted(set(known) - set(classes))[:NAMED]) or "none"
    missing = ", ".join(sorted(set(classes) - set(known))[:NAMED]) or "none"
    return (
        f"{path} has {len(known)} classes and the data set {len(classes)}; in the weights alone: {alone}; in the data"
        f" set alone: {missing}: import it again with --drop-head to train a new head"
    )
