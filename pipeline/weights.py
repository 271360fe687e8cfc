"""Weights as safetensors: tensors and, in the header, what they are; loading runs no code of theirs."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pipeline.errors import UserError
from pipeline.files import whole_file


def save(path: Path | str, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
    """Write a state dict with `facts` (JSON) in the header."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as scratch:
        save_file(plain, str(scratch), metadata={"actionbench": json.dumps(facts, sort_keys=True)})


def load(path: Path | str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """(state dict, facts); a file that is not one of ours is a UserError."""
    try:
        with safe_open(str(path), "pt") as file:
            facts = json.loads((file.metadata() or {})["actionbench"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise UserError(f"{path} is not a weights file of this pipeline ({error}): train it again") from error
