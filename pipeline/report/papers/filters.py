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
from pipeline.train.fit import build_net, parse_init

TITLE = "Filters of I3D's first layer"
GAP = 1  # pixels between two filters
STEM = "Conv3d_1a_7x7.conv3d.weight"
LABEL, CURVES = 1.1, 2.9  # inches beside the filters and below them
FLOW_CHANNELS = ("flow's x", "flow's y")


class FilterRow(NamedTuple):
    """A row of the figure: its name, and its filters (N, C, T, h, w) in 0..1, with C 3 in colour or 1 in grey."""

    name: str
    filters: np.ndarray


def scale(filters: np.ndarray) -> np.ndarray:
    """Each filter of (N, C, T, h, w) scaled by its largest absolute weight to 0..1, where 0.5 is a weight of zero."""
    largest = np.abs(filters).max((1, 2, 3, 4), keepdims=True)
    return 0.5 + filters / (2 * np.maximum(largest, np.finfo(np.float32).tiny))


def mosaic(filters: np.ndarray, time: int) -> np.ndarray:
    """All filters (N, C, T, h, w) at one time as a square of tiles on white, (H, W, C)."""
    count, channels, _, height, width = filters.shape
    side = math.ceil(math.sqrt(count))
    image = np.ones((math.ceil(count / side) * (height + GAP) - GAP, side * (width + GAP) - GAP, channels))
    for number, tile in enumerate(filters[:, :, time]):
        row, column = divmod(number, side)
        top, left = row * (height + GAP), column * (width + GAP)
        image[top : top + height, left : left + width] = tile.transpose(1, 2, 0)
    return image


def temporal_energy(filters: np.ndarray) -> np.ndarray:
    """The share of each filter's energy that differs from its mean over time: 0 for a filter that does not change."""
    changing = np.square(filters - filters.mean(2, keepdims=True)).sum((1, 2, 3, 4))
    return changing / np.maximum(np.square(filters).sum((1, 2, 3, 4)), np.finfo(np.float32).tiny)


def similarity(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The cosine between each filter's means over time before and after training: 1 for the same picture."""
    a, b = (one.mean(2).reshape(len(one), -1) for one in (before, after))
    return (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12)


def initial_filters(metadata: dict[str, Any], sources: dict[str, Path]) -> np.ndarray | None:
    """The filters before training, (N, C, T, h, w); None where another version of torch drew them at random."""
    if not sources and metadata["torch"] != torch.__version__:
        return None
    recipe = from_mapping(metadata["recipe"], "the weights file")
    net = build_net(recipe, metadata["classes"], metadata["second_classes"], sources, metadata["seed"])
    return net.state_dict()[STEM].numpy()


def filter_rows(before: np.ndarray | None, after: np.ndarray) -> Iterator[FilterRow]:
    """The filters before and after training and their difference; those of flow have a row for x and one for y."""
    parts = {"before": before, "after": after} if before is not None else {"after": after}
    added = {"added by": after - before} if before is not None else {}
    for when, filters in {**parts, **added}.items():
        scaled, channels = scale(filters), filters.shape[1]
        if channels == 3:
            yield FilterRow(f"{when}\ntraining", scaled)
        else:
            names = FLOW_CHANNELS if channels == 2 else tuple(f"channel {number + 1}" for number in range(channels))
            yield from (FilterRow(f"{when} training\n{name}", scaled[:, [number]]) for number, name in enumerate(names))


def draw(rows: Sequence[FilterRow], before: np.ndarray | None, after: np.ndarray) -> Figure:
    """The figure: a mosaic for each row and time, and below how training changed the filters."""
    times = after.shape[2]
    side = max(1.45, style.WIDTH / times)
    figure = style.figure(LABEL + times * side, len(rows) * side + CURVES + 0.9)
    (above,), (below,) = figure.subfigures(2, 1, squeeze=False, height_ratios=[len(rows) * side + 0.5, CURVES])
    figure.set_layout_engine("constrained", wspace=0.14)  # more room between times than between tiles
    grid = above.subplots(len(rows), times, squeeze=False)
    for cells, (name, filters) in zip(grid, rows, strict=True):
        for time, axes in enumerate(cells):
            axes.imshow(mosaic(filters, time).squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_axis_off()
            if cells[0] is grid[0, 0]:
                axes.set_title(f"time {time + 1}", loc="center", fontsize=10, weight="normal")
        cells[0].text(-0.08, 0.5, name, transform=cells[0].transAxes, ha="right", va="center", fontsize=10)
    left, right = below.subplots(1, 2)
    plot_temporal_energy(left, {"before": before, "after": after})
    plot_similarity(right, before, after)
    return figure


def plot_temporal_energy(axes: Axes, filters_by_time: dict[str, np.ndarray | None]) -> None:
    """Plot every filter's share of temporal energy, sorted, before and after training."""
    looks = {"before": ("--", "o", style.MIDDLE), "after": ("-", "s", style.DARK)}
    for when, filters in filters_by_time.items():
        if filters is not None:
            line, marker, colour = looks[when]
            values = np.sort(temporal_energy(filters))
            axes.plot(range(1, len(values) + 1), values, line, marker=marker, ms=3, color=colour, label=when)
    axes.set(title="change over time", xlabel="filter, sorted", ylabel="share of a filter's energy", ylim=(-0.03, 1.03))
    axes.legend()


def plot_similarity(axes: Axes, before: np.ndarray | None, after: np.ndarray) -> None:
    """Plot every filter's similarity to its initial value, sorted."""
    if before is None:
        axes.text(0, 0.5, "the first weights are not known:\nanother version of torch has drawn them")
        axes.set_axis_off()
        return
    values = np.sort(similarity(before, after))
    axes.plot(range(1, len(values) + 1), values, "-", marker="s", ms=3, color=style.DARK)
    axes.set(title="likeness to the first weights", xlabel="filter, sorted", ylabel="cosine, after and before")
    axes.set_ylim(min(-0.03, float(values.min()) - 0.05), 1.03)


def initialisation(metadata: dict[str, Any], sources: dict[str, Path]) -> str:
    """How the training was initialised, in words."""
    names = ", ".join(path.parent.name if path.stem == "weights" else path.stem for path in sources.values())
    return f"begun from {names}" if sources else f"begun at random, seed {metadata['seed']}"


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, parsed."""
    parser = cli.parser(__doc__)
    parser.add_argument("--weights", required=True, type=Path, help="weights.safetensors of the run")
    parser.add_argument(
        "--init", action="append", default=[], metavar="PART=FILE", help="its first weights, as train's"
    )
    parser.add_argument("--out", required=True, type=options.figure_path, help="the PNG to write")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    args = parse_args(argv)
    torch.set_num_threads(1)
    trained_run.check_network(args.weights, "i3d", "filters")
    tensors, metadata = weights.load(args.weights)
    if STEM not in tensors:
        raise UserError(f"{args.weights} has no {STEM}, which every I3D has: train it again")
    sources = parse_init(args.init)
    before, after = initial_filters(metadata, sources), tensors[STEM].numpy()
    figure = draw(list(filter_rows(before, after)), before, after)
    title = f"{TITLE}: {metadata['run']}, split {metadata['split']}, {initialisation(metadata, sources)}"
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    style.save(figure, args.out, TITLE, f"{len(after)} filters of {metadata['run']} at {after.shape[2]} times.")
    log.say(f"{args.out}: {len(after)} filters")


if __name__ == "__main__":
    options.run(main)
