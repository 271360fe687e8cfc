"""The device that a network runs on."""

import torch

from pipeline.common.errors import UserError


def pick_device(name: str) -> torch.device:
    """`auto` is a GPU where there is one, this process's own under torchrun; a GPU that is not there is refused."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"the device asked for is {name} but torch {torch.__version__} sees no GPU: use --device auto")
    return torch.device(name)
