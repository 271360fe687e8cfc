"""The curves of a running training in TensorBoard."""

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.common.errors import UserError
from pipeline.train.metrics import STEP_COLUMNS, VALIDATION_COLUMNS, Rows


class Board:
    """Writes metrics to a TensorBoard folder; without a folder it does nothing.

    The training begins after `step`: what an earlier, killed process of the same training wrote beyond it is purged.
    """

    def __init__(self, folder: Path | None, step: int) -> None:
        self._writer: Any = None
        self._last_steps = {STEP_COLUMNS: step, VALIDATION_COLUMNS: step}
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

    def __exit__(self, *exception: object) -> None:
        if self._writer:
            self._writer.close()

    def add(self, steps: Rows, validations: Rows) -> None:
        """Write the rows that have not been written yet; `steps` and `validations` are all rows of the training."""
        for columns, rows in ((STEP_COLUMNS, steps), (VALIDATION_COLUMNS, validations)) if self._writer else ():
            for row in rows[bisect_right(rows, self._last_steps[columns], key=lambda row: int(row[0])) :]:
                self._add_row(columns, row)

    def _add_row(self, columns: tuple[str, ...], row: Sequence[float]) -> None:
        self._last_steps[columns] = step = int(row[0])
        for name, value in zip(columns[1:], row[1:], strict=True):
            self._writer.add_scalar(name, value, step)
