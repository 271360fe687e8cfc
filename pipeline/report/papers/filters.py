"""The filters of I3D's first layer (Carreira & Zisserman 2017, Figure 4) before and after training."""

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.config.recipe import from_mapping
from pipeline.formats import weights
from pipeline.report import style
from pipeline.report.papers import options, trained_run
from pipeline.train.fit import parse_sources, prepared

TITLE = "Filters of I3D's first layer"
GAP = 1  # pixels between two filters
STEM = "Conv3d_1a_7x7.conv3d.weight"
LABEL, CURVES = 1.1, 2.9  # inches: beside the filters, below them
FLOW = ("flow's x", "flow's y")


class Row(NamedTuple):
    """A row of the figure: what it is, and its filters (N, C, T, h, w), C 3 in colour or 1 in grey."""

    name: str
    filters: np.ndarray


def scaled(filters: np.ndarray) -> np.ndarray:
    """Each filter (N, C, T, h, w) by itself onto 0..1: a weight of zero is middle grey, the largest one an end."""
    largest = np.abs(filters).max((1, 2, 3, 4), keepdims=True)
    return 0.5 + filters / (2 * np.maximum(largest, np.finfo(np.float32).tiny))


def mosaic(filters: np.ndarray, time: int) -> np.ndarray:
    """All filters of (N, C, T, h, w) at one time, in a square of tiles on white: (H, W, C)."""
    count, channels, _, height, width = filters.shape
    side = math.ceil(math.sqrt(count))
    made = np.ones((math.ceil(count / side) * (height + GAP) - GAP, side * (width + GAP) - GAP, channels))
    for number, one in enumerate(filters[:, :, time]):
        row, column = divmod(number, side)
        top, left = row * (height + GAP), column * (width + GAP)
        made[top : top + height, left : left + width] = one.transpose(1, 2, 0)
    return made


def changing(filters: np.ndarray) -> np.ndarray:
    """Of each filter (N, C, T, h, w) the share of its energy that differs from its mean over time: 0 stands still."""
    moving = np.square(filters - filters.mean(2, keepdims=True)).sum((1, 2, 3, 4))
    return moving / np.maximum(np.square(filters).sum((1, 2, 3, 4)), np.finfo(np.float32).tiny)


def likeness(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The cosine between each filter's mean over time before and after: 1 is the same picture."""
    a, b = (one.mean(2).reshape(len(one), -1) for one in (before, after))
    return (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12)


def first_weights(facts: dict[str, Any], sources: dict[str, Path]) -> np.ndarray | None:
    """The filters that the training began with, (N, C, T, h, w); None where another torch has drawn them."""
    if not sources and facts["torch"] != torch.__version__:
        return None
    recipe = from_mapping(facts["recipe"], "the weights file")
    net = prepared(recipe, facts["classes"], facts["second_classes"], sources, facts["seed"])
    return net.state_dict()[STEM].numpy()


def rows(before: np.ndarray | None, after: np.ndarray) -> Iterator[Row]:
    """RGB filters in colour, those of flow in grey, x and y each in a row; then what training added to them."""
    parts = {"before": before, "after": after} if before is not None else {"after": after}
    added = {"added by": after - before} if before is not None else {}
    for when, filters in {**parts, **added}.items():
        shown, channels = scaled(filters), filters.shape[1]
        if channels == 3:
            yield Row(f"{when}\ntraining", shown)
        else:
            names = FLOW if channels == 2 else tuple(f"channel {number + 1}" for number in range(channels))
            yield from (Row(f"{when} training\n{name}", shown[:, [number]]) for number, name in enumerate(names))


def draw(found: Sequence[Row], before: np.ndarray | None, after: np.ndarray) -> Figure:
    """A mosaic a time and row; below, what training did to the filters in numbers."""
    times = after.shape[2]
    side = max(1.45, style.WIDTH / times)
    made = style.figure(LABEL + times * side, len(found) * side + CURVES + 0.9)
    (above,), (below,) = made.subfigures(2, 1, squeeze=False, height_ratios=[len(found) * side + 0.5, CURVES])
    made.set_layout_engine("constrained", wspace=0.14)  # times stand further apart than tiles
    places = above.subplots(len(found), times, squeeze=False)
    for line, (name, filters) in zip(places, found, strict=True):
        for time, axes in enumerate(line):
            axes.imshow(mosaic(filters, time).squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_axis_off()
            if line[0] is places[0, 0]:
                axes.set_title(f"time {time + 1}", loc="center", fontsize=10, weight="normal")
        line[0].text(-0.08, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=10)
    left, right = below.subplots(1, 2)
    curves(left, "change over time", "share of a filter's energy", {"before": before, "after": after})
    like(right, before, after)
    return made


def curves(axes: Axes, title: str, label: str, found: dict[str, np.ndarray | None]) -> None:
    """Every filter's share of change, sorted, before and after."""
    looks = {"before": ("--", "o", style.MIDDLE), "after": ("-", "s", style.DARK)}
    for when, filters in found.items():
        if filters is not None:
            line, marker, colour = looks[when]
            values = np.sort(changing(filters))
            axes.plot(range(1, len(values) + 1), values, line, marker=marker, ms=3, color=colour, label=when)
    axes.set(title=title, xlabel="filter, sorted", ylabel=label, ylim=(-0.03, 1.03))
    axes.legend()


def like(axes: Axes, before: np.ndarray | None, after: np.ndarray) -> None:
    """Every filter's likeness to what it began as, sorted."""
    if before is None:
        axes.text(0, 0.5, "the first weights are not known:\nanother version of torch has drawn them")
        axes.set_axis_off()
        return
    values = np.sort(likeness(before, after))
    axes.plot(range(1, len(values) + 1), values, "-", marker="s", ms=3, color=style.DARK)
    axes.set(title="likeness to the first weights", xlabel="filter, sorted", ylabel="cosine, after and before")
    axes.set_ylim(min(-0.03, float(values.min()) - 0.05), 1.03)


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, parsed."""
    parser = cli.parser(__doc__)
    parser.add_argument("--weights", required=True, type=Path, help="weights.safetensors of the run")
    parser.add_argument(
        "--init", action="append", default=[], metavar="PART=FILE", help="its first weights, as train's"
    )
    parser.add_argument("--out", required=True, type=options.picture, help="the PNG to write")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    a = arguments(argv)
    torch.set_num_threads(1)
    trained_run.refuse_other(a.weights, "i3d", "filters")
    tensors, facts = weights.load(a.weights)
    if STEM not in tensors:
        raise UserError(f"{a.weights} has no {STEM}, which every I3D has: train it again")
    sources = parse_sources(a.init)
    before, after = first_weights(facts, sources), tensors[STEM].numpy()
    made = draw(list(rows(before, after)), before, after)
    origin = ", ".join(path.parent.name if path.stem == "weights" else path.stem for path in sources.values())
    began = f"begun from {origin}" if sources else f"begun at random, seed {facts['seed']}"
    head = f"{TITLE}: {facts['run']}, split {facts['split']}, {began}"
    made.suptitle(head, x=0.01, ha="left", weight="bold")
    style.save(made, a.out, TITLE, f"{len(after)} filters of {facts['run']} at {after.shape[2]} times.")
    log.say(f"{a.out}: {len(after)} filters")


if __name__ == "__main__":
    options.run(main)
