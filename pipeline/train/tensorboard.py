"""A training's curves for TensorBoard while it runs."""

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.common.errors import UserError
from pipeline.train.metrics import CHECK, STEP, Rows


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
