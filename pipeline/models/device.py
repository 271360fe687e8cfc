"""The device that a network runs on."""

import torch

from pipeline.common.errors import UserError


def pick_device(name: str) -> torch.device:
    """The device of that name; `auto` is the process's GPU, or the CPU without one. A missing GPU is a UserError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"the device is {name} but torch {torch.__version__} sees no GPU: use --device auto")
    return torch.device(name)
