"""Numbers with their uncertainty: a low, a likely and a high value that are reckoned with together."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

DIGITS = 2  # that are shown of a number
LEAST = 0.01  # below which a number is only said to be so


class Span(NamedTuple):
    """`low <= likely <= high`. Sums and products take the lows with the lows and the highs with the highs, as errors
    of a rate are the same in every job: what comes out is rather too wide than too narrow."""

    low: float
    likely: float
    high: float

    def plus(self, other: "Span") -> "Span":
        return Span(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, other: "Span | float") -> "Span":
        by = other if isinstance(other, Span) else exact(other)
        return Span(*(a * b for a, b in zip(self, by, strict=True)))

    def over(self, other: "Span | float") -> "Span":
        """Divided by what is not 0; the most over the least is the most."""
        by = other if isinstance(other, Span) else exact(other)
        return Span(self.low / by.high, self.likely / by.likely, self.high / by.low)

    def at_least(self, other: "Span") -> "Span":
        """The larger of both."""
        return Span(*(max(a, b) for a, b in zip(self, other, strict=True)))

    def __str__(self) -> str:
        """`20 (13 - 40)`; alone where all three look alike."""
        low, likely, high = map(short, self)
        return likely if low == likely == high else f"{likely} ({low} - {high})"


def exact(value: float) -> Span:
    """A number that is known."""
    return Span(value, value, value)


NOTHING = exact(0.0)


def total(spans: Iterable[Span]) -> Span:
    """Their sum."""
    found = list(zip(*spans, strict=True))
    return Span(*map(math.fsum, found)) if found else NOTHING


def measured(values: Sequence[float]) -> Span:
    """The mean of some measurements, with twice its standard error, no less than a tenth; one alone may be off by 40 %.

    Machines are not equally busy from one day to the next, which no scatter within a day shows.
    """
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Span(mean / 1.4, mean, mean * 1.4)
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
    spread = max(2 * error, mean / 10)
    return Span(max(mean - spread, min(values)), mean, mean + spread)


def short(value: float) -> str:
    """Two digits of a positive number, of a small one no more than hundredths, thousands apart."""
    if value < LEAST:
        return f"<{LEAST}" if value else "0"
    places = DIGITS - 1 - math.floor(math.log10(value))
    return f"{round(value, places):,.{min(max(places, 0), DIGITS)}f}"
