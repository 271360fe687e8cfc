"""How every figure looks: sizes, fonts, marks that can be told apart in black and white; files repeat exactly."""

import textwrap
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.common.files import whole_file

matplotlib.rcParams.update({
    "svg.hashsalt": "actionbench",  # the identifiers in an SVG are drawn from it: the same figure is the same file
    "font.family": "DejaVu Sans", "font.size": 11, "axes.titlesize": 12, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.labelsize": 11, "legend.fontsize": 10, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "axes.grid": True,
    "grid.color": "0.85", "grid.linewidth": 0.8, "lines.linewidth": 1.6, "hatch.linewidth": 0.7,
    "savefig.dpi": 110, "figure.dpi": 110,
})  # fmt: skip

WIDTH = 9.5  # inches; what a report's page shows without shrinking
DARK, MIDDLE, LIGHT = "#1b3a5c", "#4d7ea8", "#c9dbea"  # one hue by lightness, which prints as greys
ACCENT = "#b5541c"  # always with a marker or a line style of its own
LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++")
LETTERS = 8.5  # of a title in an inch
LONGEST = 60  # letters of a label
ROWS = 34  # of a panel of bars or dots, so that a page shows it whole
BARS = 102  # classes up to which each has a bar


def figure(width: float = WIDTH, height: float = 5.0) -> Figure:
    """An empty figure, inches, whose parts make room for each other."""
    return Figure(figsize=(width, height), layout="constrained")


def save(made: Figure, path: Path | str, head: str, description: str) -> None:
    """Write an SVG or PNG whole, without date or version; `description` is for readers who cannot see it."""
    about: dict[str, Any] = {"Title": head, "Description": description}
    about |= {"Date": None, "Creator": None} if Path(path).suffix == ".svg" else {"Software": None}
    with whole_file(path) as scratch:
        made.savefig(scratch, metadata=about)


def title(made: Figure, text: str) -> None:
    """A title at the upper left, in as many lines as the figure's width asks for."""
    made.suptitle(textwrap.fill(text, max(20, int(LETTERS * made.get_figwidth()))), x=0.01, ha="left", weight="bold")


def message(path: Path | str, head: str, sentence: str) -> None:
    """A figure that says why there is nothing to draw."""
    made = figure(height=1.6)
    made.text(0.03, 0.75, head, weight="bold", va="top")
    made.text(0.03, 0.45, sentence, va="top", wrap=True)
    save(made, path, head, sentence)


def short(text: str, longest: int = LONGEST) -> str:
    """A label that fits, its middle left out."""
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[:half].rstrip()}…{text[-half:].lstrip()}"


def panels(count: int, width: float, height: float) -> tuple[Figure, list[tuple[Axes, slice]]]:
    """A figure for `count` rows in as few panels as show them whole: each panel, and which of the rows are its own.

    Inches: the `width` of a panel, the `height` of a row.
    """
    places = columns(count, ROWS)
    tallest = max(place.stop - place.start for place in places)
    made = figure(max(WIDTH, width * len(places)), 1.5 + height * tallest)
    parts = made.subplots(1, len(places), squeeze=False, sharex=True)[0]
    for part in parts:
        part.set_ylim(tallest - 0.5, -0.5)  # the first row on top, rows of all panels at the same heights
    return made, list(zip(parts, places, strict=True))


def columns(count: int, rows: int) -> list[slice]:
    """`count` things in as few columns of at most `rows` as there can be, as even as can be; one column of none."""
    wanted = max(1, -(-count // rows))
    size = -(-count // wanted)
    return [slice(begin, min(begin + size, count)) for begin in range(0, max(count, 1), max(size, 1))]
