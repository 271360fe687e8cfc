"""Checkpoints of a training: files beside the outputs that Snakemake does not know of and therefore never deletes."""

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

RESUME_FILE = "resume.pt"
FINISHED_FOLDER = "finished"  # hard links to the outputs, which take no space


def save(folder: Path, identity: str, state: dict[str, Any]) -> None:
    """Write `state` to resume.pt; `identity` is a hash of everything that the training depends on."""
    with whole_file(folder / RESUME_FILE) as scratch:
        torch.save({"identity": identity, **state}, scratch)


def load(folder: Path, identity: str) -> dict[str, Any] | None:
    """The state in resume.pt; None if there is none or, with a log message, if its identity is another one."""
    path = folder / RESUME_FILE
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for a damaged file, and the training can always start afresh
        say(f"{path} cannot be read ({error}): training starts afresh")
        return None
    saved_identity = state.get("identity") if isinstance(state, dict) else None
    if saved_identity != identity:
        say(
            f"{path} is of another recipe, code or data set, or of other first weights ({saved_identity}, now"
            f" {identity}): starting afresh"
        )
        return None
    return state


def finish(folder: Path, outputs: Sequence[str]) -> None:
    """Hard-link the outputs into finished/ and delete resume.pt.

    If the job dies before Snakemake records it, Snakemake deletes the outputs; the links survive.
    """
    finished = folder / FINISHED_FOLDER
    shutil.rmtree(finished, ignore_errors=True)
    try:
        finished.mkdir()
        for name in outputs:
            os.link(folder / name, finished / name)
    except OSError as error:
        say(f"{folder} takes no hard links ({error}): {RESUME_FILE} stays, in case this job is killed before its end")
        shutil.rmtree(finished, ignore_errors=True)
    else:
        (folder / RESUME_FILE).unlink(missing_ok=True)


def is_finished(folder: Path, identity: str, note: str, outputs: Sequence[str]) -> bool:
    """Whether finished/ holds all outputs of a training of this identity and note; the last output is its weights."""
    finished = folder / FINISHED_FOLDER
    try:
        metadata = weights.load_metadata(finished / outputs[-1])
    except UserError:
        return False
    same_training = (metadata.get("identity"), metadata.get("note")) == (identity, note)
    return same_training and all((finished / name).exists() for name in outputs)


def restore_outputs(folder: Path, outputs: Sequence[str]) -> None:
    """Restore the outputs from finished/ with a fresh mtime."""
    for name in outputs:
        (folder / name).unlink(missing_ok=True)
        os.link(folder / FINISHED_FOLDER / name, folder / name)
        os.utime(folder / name)
    say(f"trained to the end before: its results are taken from {folder / FINISHED_FOLDER}; delete that to train anew")
