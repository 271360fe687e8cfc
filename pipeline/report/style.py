"""The style of all figures: sizes, fonts, marks that differ in black and white. Equal figures give equal files."""

import textwrap
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.common.files import whole_file

matplotlib.rcParams.update({
    "svg.hashsalt": "actionbench",  # makes the identifiers in an SVG reproducible
    "font.family": "DejaVu Sans", "font.size": 11, "axes.titlesize": 12, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.labelsize": 11, "legend.fontsize": 10, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "axes.grid": True,
    "grid.color": "0.85", "grid.linewidth": 0.8, "lines.linewidth": 1.6, "hatch.linewidth": 0.7,
    "savefig.dpi": 110, "figure.dpi": 110,
})  # fmt: skip

WIDTH = 9.5  # inches that a page of the report shows without shrinking
DARK, MIDDLE, LIGHT = "#1b3a5c", "#4d7ea8", "#c9dbea"  # shades of one hue, which print as greys
ACCENT = "#b5541c"  # always with another marker or line style too
LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LETTERS_PER_INCH = 8.5  # of a title
LONGEST = 60  # letters of a label
ROWS = 34  # of a panel of bars or dots that a page can show
BARS = 102  # the most classes that a figure has bars for


def figure(width: float = WIDTH, height: float = 5.0) -> Figure:
    """An empty figure of a size in inches, with constrained layout."""
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path | str, title: str, description: str) -> None:
    """Write an SVG or PNG atomically, without date or version; `description` is for readers who cannot see it."""
    metadata: dict[str, Any] = {"Title": title, "Description": description}
    metadata |= {"Date": None, "Creator": None} if Path(path).suffix == ".svg" else {"Software": None}
    with whole_file(path) as scratch:
        figure.savefig(scratch, metadata=metadata)


def title(figure: Figure, text: str) -> None:
    """Set a title at the upper left, wrapped to the figure's width."""
    figure.suptitle(
        textwrap.fill(text, max(20, int(LETTERS_PER_INCH * figure.get_figwidth()))), x=0.01, ha="left", weight="bold"
    )


def message(path: Path | str, title: str, sentence: str) -> None:
    """Write a figure that says why there is nothing to draw."""
    empty = figure(height=1.6)
    empty.text(0.03, 0.75, title, weight="bold", va="top")
    empty.text(0.03, 0.45, sentence, va="top", wrap=True)
    save(empty, path, title, sentence)


def shorten(text: str, longest: int = LONGEST) -> str:
    """A label of at most `longest` letters, with an ellipsis in its middle."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half].rstrip()}…{text[-half:].lstrip()}"


def panels(count: int, width: float, height: float) -> tuple[Figure, list[tuple[Axes, slice]]]:
    """A figure for `count` rows in as few panels side by side as possible, and each panel with the slice of its rows.

    `width` is that of a panel and `height` that of a row, in inches.
    """
    slices = columns(count, ROWS)
    tallest = max(part.stop - part.start for part in slices)
    result = figure(max(WIDTH, width * len(slices)), 1.5 + height * tallest)
    axes = result.subplots(1, len(slices), squeeze=False, sharex=True)[0]
    for part in axes:
        part.set_ylim(tallest - 0.5, -0.5)  # the first row on top, and rows of all panels at the same heights
    return result, list(zip(axes, slices, strict=True))


def columns(count: int, rows: int) -> list[slice]:
    """`count` items split evenly into the fewest columns of at most `rows`; no items give one empty column."""
    number = max(1, -(-count // rows))
    size = -(-count // number)
    return [slice(begin, min(begin + size, count)) for begin in range(0, max(count, 1), max(size, 1))]
