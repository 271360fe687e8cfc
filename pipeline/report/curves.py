"""Training curves of a run: loss, accuracy on its batches and learning rate by step, a line for each split and seed."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.report import style

POINTS = 120  # of a line, each of which is the mean over equally many steps
PANELS = {"loss": "loss", "accuracy": "accuracy on\nthe batches, %", "rate": "learning rate"}
HELD_OUT = {"loss": "held_out_loss", "accuracy": "held_out_accuracy"}
SPLIT_AND_SEED = re.compile(r"split(\d+)/seed(\d+)/")


def read(path: Path) -> pd.DataFrame:
    """The columns of metrics.parquet that are plotted, as numbers; accuracies in per cent."""
    columns = ["step", *PANELS, *HELD_OUT.values()]
    try:
        frame = pd.read_parquet(path, columns=columns)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} cannot be read as a training's metrics ({error}): train again") from error
    frame = frame.apply(pd.to_numeric, errors="coerce")
    frame[["accuracy", "held_out_accuracy"]] *= 100
    return frame


def curve(frame: pd.DataFrame, points: int = POINTS) -> pd.DataFrame:
    """Means of loss and accuracy over windows of equally many steps, with the step and rate of each window's end."""
    size = max(1, -(-len(frame) // points))
    windows = frame.groupby(np.arange(len(frame)) // size)
    return windows[["step", "rate"]].last().join(windows[["loss", "accuracy"]].mean())


def label(path: Path) -> str:
    """`split 1, seed 0`, from the folder of a metrics file."""
    match = SPLIT_AND_SEED.search(path.as_posix())
    return f"split {match[1]}, seed {match[2]}" if match else path.parent.name


def draw(paths: Sequence[Path], title: str, out: Path) -> None:
    """Draw a panel for each of PANELS over the same steps."""
    frames = {label(path): read(path) for path in paths}
    figure = style.figure(height=7.4)
    panels = figure.subplots(len(PANELS), 1, sharex=True, height_ratios=[3, 3, 1.6])
    for number, (name, frame) in enumerate(frames.items()):
        look = {
            "color": (style.DARK, style.ACCENT, style.MIDDLE)[number % 3],
            "ls": style.LINES[number % len(style.LINES)],
        }
        for axes, column in zip(panels, PANELS, strict=True):
            axes.plot(curve(frame)["step"], curve(frame)[column], label=name, **look)
            if column in HELD_OUT:
                _plot_held_out(axes, frame, HELD_OUT[column], number, name)
    for axes, axis_label in zip(panels, PANELS.values(), strict=True):
        axes.set_ylabel(axis_label)
    panels[0].set_ylim(bottom=0)
    panels[1].set_ylim(0, 101)
    panels[2].set_yscale("log")
    panels[2].set_xlabel("step")
    style.title(figure, f"{title}: training")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    ends = "; ".join(f"{name} ends at loss {_last(frame, 'loss'):.3g}, accuracy {_last(frame, 'accuracy'):.0f} %"
                     for name, frame in frames.items())  # fmt: skip
    style.save(figure, out, title, f"Loss, accuracy and learning rate over the training's steps. {ends}.")


def _plot_held_out(axes: Axes, frame: pd.DataFrame, column: str, number: int, name: str) -> None:
    checks = frame[frame[column].notna()]
    if len(checks):
        marker = style.MARKERS[number % len(style.MARKERS)]
        axes.plot(checks["step"], checks[column], ls="", marker=marker, mfc="white", color=style.DARK,
                  label=f"{name}, held out")  # fmt: skip


def _last(frame: pd.DataFrame, column: str) -> float:
    return float(curve(frame)[column].iloc[-1])


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("metrics", nargs="+", type=Path, help="metrics.parquet of one run, one a split and seed")
    parser.add_argument("--title", required=True, help="what the run is called")
    parser.add_argument("--out", required=True, type=Path, help="an SVG")
    args = parser.parse_args(argv)
    draw(args.metrics, args.title, args.out)
    log.say(f"{args.out}: {len(args.metrics)} trainings")


if __name__ == "__main__":
    cli.run(main)
