"""A training's curves: metrics.parquet has a row per step, metrics.csv a row per epoch."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pipeline.common.files import whole_file
from pipeline.formats.manifest import write_parquet

STEP_COLUMNS = ("step", "loss", "accuracy", "rate", "seconds")
VALIDATION_COLUMNS = ("step", "held_out_loss", "held_out_accuracy")

Rows = Sequence[Sequence[float]]


def step_table(steps: Rows, validations: Rows, steps_per_epoch: float) -> pd.DataFrame:
    """One row per step, with the results of the validation after it, if there was one.

    `epoch` is counted from 1; after `steps_per_epoch` steps as many clips were seen as there are videos.
    """
    table = pd.DataFrame(steps, columns=list(STEP_COLUMNS)).astype({"step": int})
    table.insert(1, "epoch", ((table["step"] - 1) // max(steps_per_epoch, 1e-9)).astype(int) + 1)
    # Floats also where there is no validation, so that the files of all runs have the same types.
    types = dict.fromkeys(VALIDATION_COLUMNS, float) | {"step": int}
    return table.merge(pd.DataFrame(validations, columns=list(VALIDATION_COLUMNS)).astype(types), on="step", how="left")


def epoch_table(steps: pd.DataFrame) -> pd.DataFrame:
    """One row per epoch: loss and accuracy averaged over its steps, the other columns as of its last step."""
    groups = steps.groupby("epoch", as_index=False)
    last = groups[["step", "rate", "seconds", "held_out_loss", "held_out_accuracy"]].last()
    return last.merge(groups[["loss", "accuracy"]].mean(), on="epoch")


def write(folder: Path, steps: Rows, validations: Rows, steps_per_epoch: float) -> None:
    """Write metrics.parquet and metrics.csv."""
    table = step_table(steps, validations, steps_per_epoch)
    write_parquet(folder / "metrics.parquet", table, {})
    with whole_file(folder / "metrics.csv") as scratch:
        epoch_table(table).to_csv(scratch, index=False, float_format="%.6g", lineterminator="\n")
