"""A run's training curves: loss, accuracy on its batches and learning rate over the steps, a line a split and seed."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.report import style

POINTS = 120  # of a line; each is the mean of as many steps
PANELS = {"loss": "loss", "accuracy": "accuracy on\nthe batches, %", "rate": "learning rate"}
HELD_OUT = {"loss": "held_out_loss", "accuracy": "held_out_accuracy"}
PLACE = re.compile(r"split(\d+)/seed(\d+)/")


def read(path: Path) -> pd.DataFrame:
    """metrics.parquet's step, loss, accuracy, rate and what was held out, as numbers; accuracies in per cent."""
    wanted = ["step", *PANELS, *HELD_OUT.values()]
    try:
        frame = pd.read_parquet(path, columns=wanted)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} cannot be read as a training's metrics ({error}): train again") from error
    frame = frame.apply(pd.to_numeric, errors="coerce")
    frame[["accuracy", "held_out_accuracy"]] *= 100
    return frame


def curve(frame: pd.DataFrame, points: int = POINTS) -> pd.DataFrame:
    """Means of loss and accuracy over equal stretches of steps; step and rate are those of a stretch's last step."""
    size = max(1, -(-len(frame) // points))
    stretches = frame.groupby(np.arange(len(frame)) // size)
    return stretches[["step", "rate"]].last().join(stretches[["loss", "accuracy"]].mean())


def label(path: Path) -> str:
    """`split 1, seed 0`, from where the file lies."""
    found = PLACE.search(path.as_posix())
    return f"split {found[1]}, seed {found[2]}" if found else path.parent.name


def draw(paths: Sequence[Path], title: str, out: Path) -> None:
    """Three panels over the same steps."""
    frames = {label(path): read(path) for path in paths}
    made = style.figure(height=7.4)
    axes = made.subplots(len(PANELS), 1, sharex=True, height_ratios=[3, 3, 1.6])
    for place, (name, frame) in enumerate(frames.items()):
        look = {
            "color": (style.DARK, style.ACCENT, style.MIDDLE)[place % 3],
            "ls": style.LINES[place % len(style.LINES)],
        }
        for part, column in zip(axes, PANELS, strict=True):
            part.plot(curve(frame)["step"], curve(frame)[column], label=name, **look)
            if column in HELD_OUT:
                _held_out(part, frame, HELD_OUT[column], place, name)
    for part, words in zip(axes, PANELS.values(), strict=True):
        part.set_ylabel(words)
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(0, 101)
    axes[2].set_yscale("log")
    axes[2].set_xlabel("step")
    style.title(made, f"{title}: training")
    handles, names = axes[0].get_legend_handles_labels()
    made.legend(handles, names, loc="outside lower center", ncols=4)
    ends = "; ".join(f"{name} ends at loss {_end(frame, 'loss'):.3g}, accuracy {_end(frame, 'accuracy'):.0f} %"
                     for name, frame in frames.items())  # fmt: skip
    style.save(made, out, title, f"Loss, accuracy and learning rate over the training's steps. {ends}.")


def _held_out(part: Axes, frame: pd.DataFrame, column: str, place: int, name: str) -> None:
    checks = frame[frame[column].notna()]
    if len(checks):
        marker = style.MARKERS[place % len(style.MARKERS)]
        part.plot(checks["step"], checks[column], ls="", marker=marker, mfc="white", color=style.DARK,
                  label=f"{name}, held out")  # fmt: skip


def _end(frame: pd.DataFrame, column: str) -> float:
    return float(curve(frame)[column].iloc[-1])


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("metrics", nargs="+", type=Path, help="metrics.parquet of one run, one a split and seed")
    parser.add_argument("--title", required=True, help="what the run is called")
    parser.add_argument("--out", required=True, type=Path, help="an SVG")
    a = parser.parse_args(argv)
    draw(a.metrics, a.title, a.out)
    log.say(f"{a.out}: {len(a.metrics)} trainings")


if __name__ == "__main__":
    cli.run(main)
