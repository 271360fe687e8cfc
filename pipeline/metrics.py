"""A training's curves: metrics.parquet with a row a step, metrics.csv with a row an epoch."""

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.errors import UserError
from pipeline.files import whole_file
from pipeline.manifest import write_parquet

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


class Board:
    """The same curves for TensorBoard while a training runs, in a folder, or nowhere without one.

    What an earlier run of the same training showed beyond the `step` that this one begins at is taken back.
    """

    def __init__(self, folder: Path | None, step: int) -> None:
        self._writer: Any = None
        self._shown = {STEP: step, CHECK: step}
        if folder:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise UserError(
                    f"--tensorboard needs the package tensorboard ({error}): pip install tensorboard, or leave it out"
                ) from error
            self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *raised: object) -> None:
        if self._writer:
            self._writer.close()

    def add(self, rows: Rows, checks: Rows) -> None:
        """Show what is new in a training's rows."""
        for names, table in ((STEP, rows), (CHECK, checks)) if self._writer else ():
            for row in table[bisect_right(table, self._shown[names], key=lambda row: int(row[0])) :]:
                self._show(names, row)

    def _show(self, names: tuple[str, ...], row: Sequence[float]) -> None:
        self._shown[names] = step = int(row[0])
        for name, value in zip(names[1:], row[1:], strict=True):
            self._writer.add_scalar(name, value, step)
