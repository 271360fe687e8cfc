"""PyTorch state dicts: torch.save's files, read by torch's own unpickler that knows tensors only, and safetensors."""

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from pipeline.weights.frameworks.protobuf import Broken

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")  # keys under which trainings keep the state dict
PARALLEL = "module."  # what nn.DataParallel puts before every name


def read(path: Path) -> dict[str, np.ndarray]:
    """Every tensor by its name; nothing that a pickle holds is run."""
    found = _safetensors(path) if path.suffix == ".safetensors" else _unpickled(path)
    for key in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise Broken("it is no dict of tensors")
    bare = found and all(str(name).startswith(PARALLEL) for name in found)
    return {str(name).removeprefix(PARALLEL) if bare else str(name): _array(value) for name, value in found.items()}


def _unpickled(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle's newer protocols, which it reads or refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # torch answers a broken file with whatever it stumbles over
        raise Broken(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Torch's words without its advice to run the code after all."""
    if code := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"it holds not only tensors but the code {code[1]}, of which nothing was run"
    if isinstance(error, pickle.UnpicklingError):
        return "it is broken, or no state dict that torch.save wrote"
    return f"torch says {str(error).splitlines()[0].strip() if str(error).strip() else type(error).__name__}"


def _safetensors(path: Path) -> Any:
    try:
        return load_file(str(path))
    except SafetensorError as error:
        raise Broken(f"safetensors says {error}") from error


def _array(value: torch.Tensor) -> np.ndarray:
    return (value.float() if value.is_floating_point() else value).numpy()
