"""PyTorch state dicts: torch.save's files, read with `weights_only`, and safetensors."""

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from pipeline.weights.frameworks.protobuf import FormatError

STATE_DICT_KEYS = ("state_dict", "model_state_dict", "model", "net")  # under which checkpoints keep the state dict
PARALLEL_PREFIX = "module."  # nn.DataParallel's, before every name


def read(path: Path) -> dict[str, np.ndarray]:
    """Every tensor by name, half precision as single; no code that a pickle holds is run."""
    state = _load_safetensors(path) if path.suffix == ".safetensors" else _load_pickle(path)
    for key in STATE_DICT_KEYS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise FormatError("it is not a dict of tensors")
    is_parallel = state and all(str(name).startswith(PARALLEL_PREFIX) for name in state)
    prefix = PARALLEL_PREFIX if is_parallel else ""
    return {str(name).removeprefix(prefix): _to_numpy(value) for name, value in state.items()}


def _load_pickle(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about newer pickle protocols, which torch reads or refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # torch raises many types for a broken file
        raise FormatError(_describe(error)) from error


def _describe(error: Exception) -> str:
    """Torch's message without its advice to load the file with weights_only=False."""
    if code := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"it holds not only tensors but the code {code[1]}, which was not run"
    if isinstance(error, pickle.UnpicklingError):
        return "it is broken, or not a state dict of torch.save"
    return f"torch says {str(error).splitlines()[0].strip() if str(error).strip() else type(error).__name__}"


def _load_safetensors(path: Path) -> Any:
    try:
        return load_file(str(path))
    except SafetensorError as error:
        raise FormatError(f"safetensors says {error}") from error


def _to_numpy(value: torch.Tensor) -> np.ndarray:
    return (value.float() if value.is_floating_point() else value).numpy()
