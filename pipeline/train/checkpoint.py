"""Where a training goes on after a kill: files beside the outputs that Snakemake does not know of and so keeps."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from pipeline.common.errors import UserError
from pipeline.common.files import whole_file
from pipeline.common.log import say
from pipeline.formats import weights

NAME = "resume.pt"
FINISHED = "finished"  # a folder with a second name of each output, which takes no room


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


def finish(folder: Path, outputs: Sequence[str]) -> None:
    """Once all outputs are written, the weights last: keep them under a second name, and nothing to go on from.

    Until Snakemake has noted that the job is done, a kill makes it delete the outputs and start the job again.
    """
    place = folder / FINISHED
    shutil.rmtree(place, ignore_errors=True)
    try:
        place.mkdir()
        for name in outputs:
            os.link(folder / name, place / name)
    except OSError as error:
        say(f"{folder} takes no hard links ({error}): {NAME} stays, for a kill before this job's end is noted")
        shutil.rmtree(place, ignore_errors=True)
    else:
        (folder / NAME).unlink(missing_ok=True)


def finished(folder: Path, identity: str, note: str, outputs: Sequence[str]) -> bool:
    """Whether this very training has ended before, with all that it made."""
    place = folder / FINISHED
    try:
        facts = weights.load_metadata(place / outputs[-1])
    except UserError:
        return False
    return (facts.get("identity"), facts.get("note")) == (identity, note) and all((place / n).exists() for n in outputs)


def take_again(folder: Path, outputs: Sequence[str]) -> None:
    """Give the outputs of a finished training their own names back, as new as what they were made of."""
    for name in outputs:
        (folder / name).unlink(missing_ok=True)
        os.link(folder / FINISHED / name, folder / name)
        os.utime(folder / name)
    say(f"trained to the end before: its results are taken from {folder / FINISHED}; delete that to train anew")
