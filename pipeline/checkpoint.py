"""Where a training goes on after a kill: a file beside the outputs that Snakemake does not know of and so keeps."""

from pathlib import Path
from typing import Any

import torch

from pipeline.cli import say
from pipeline.files import whole_file

NAME = "resume.pt"


def save(folder: Path, identity: str, state: dict[str, Any]) -> None:
    """Write `state` whole; `identity` says of which training."""
    with whole_file(folder / NAME) as scratch:
        torch.save({"identity": identity, **state}, scratch)


def load(folder: Path, identity: str) -> dict[str, Any] | None:
    """The state to go on from; None where there is none or where it belongs to another training, which is said."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch trips over in a torn file; the training can always start again
        say(f"{path} cannot be read ({error}): training starts afresh")
        return None
    found = state.get("identity") if isinstance(state, dict) else None
    if found != identity:
        say(
            f"{path} is of another recipe, code or data set, or of other first weights ({found}, now {identity}):"
            " starting afresh"
        )
        return None
    return state


def remove(folder: Path) -> None:
    """Once the final weights are written."""
    (folder / NAME).unlink(missing_ok=True)
