"""Of the lines of a data set's results table those that stand for a whole method, and their names and numbers."""

from collections.abc import Sequence

from pipeline.tables.results import MEAN, Line

ALL = "all"  # the group of every class


def heads(lines: Sequence[Line]) -> list[Line]:
    """Of every method its mean over the splits; single splits only where a paper prints them or there is no mean."""
    over_all = [line for line in lines if line["classes"] == ALL]
    means = {key(line) for line in over_all if line["split"] == MEAN}
    return [line for line in over_all if line["split"] == MEAN or line["published"] or key(line) not in means]


def key(line: Line) -> tuple[str, ...]:
    """What makes lines those of one method."""
    return tuple(line[name] for name in ("paper", "method", "run", "metric"))


def name(line: Line) -> str:
    """What a head line is called: its method, its split unless it is the mean, its metric unless it is the usual."""
    split = "" if line["split"] == MEAN else f", {'split ' if line['split'].isdigit() else ''}{line['split']}"
    return line["method"] + split + (" (top-5)" if line["metric"] == "top5" else "")


def number(text: str) -> float | None:
    """A cell as a number, None where it is empty."""
    return float(text) if text else None
