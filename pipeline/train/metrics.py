"""A training's curves: metrics.parquet with a row a step, metrics.csv with a row an epoch."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pipeline.common.files import whole_file
from pipeline.formats.manifest import write_parquet

STEP = ("step", "loss", "accuracy", "rate", "seconds")
CHECK = ("step", "held_out_loss", "held_out_accuracy")

Rows = Sequence[Sequence[float]]


def steps(rows: Rows, checks: Rows, per_epoch: float) -> pd.DataFrame:
    """A row a step; `epoch` counts from 1 by the `per_epoch` steps that see as many clips as there are videos."""
    frame = pd.DataFrame(rows, columns=list(STEP)).astype({"step": int})
    frame.insert(1, "epoch", ((frame["step"] - 1) // max(per_epoch, 1e-9)).astype(int) + 1)
    # Numbers even where nothing is held out, so that every run's file has the same types.
    held_out = pd.DataFrame(checks, columns=list(CHECK)).astype(dict.fromkeys(CHECK, float) | {"step": int})
    return frame.merge(held_out, on="step", how="left")


def epochs(frame: pd.DataFrame) -> pd.DataFrame:
    """Means of loss and accuracy over each epoch's steps; all else is its last step's."""
    groups = frame.groupby("epoch", as_index=False)
    last = groups[["step", "rate", "seconds", "held_out_loss", "held_out_accuracy"]].last()
    return last.merge(groups[["loss", "accuracy"]].mean(), on="epoch")


def write(folder: Path, rows: Rows, checks: Rows, per_epoch: float) -> None:
    """Both files, whole."""
    frame = steps(rows, checks, per_epoch)
    write_parquet(folder / "metrics.parquet", frame, {})
    with whole_file(folder / "metrics.csv") as scratch:
        epochs(frame).to_csv(scratch, index=False, float_format="%.6g", lineterminator="\n")
