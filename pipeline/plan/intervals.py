"""Numbers with their uncertainty: a low, a likely and a high value, which are added and multiplied together."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

DIGITS = 2  # significant digits that are shown
SMALLEST = 0.01  # smaller numbers are shown as <0.01


class Interval(NamedTuple):
    """`low <= likely <= high`. Sums and products combine lows with lows and highs with highs.

    The error of a rate is the same in every job, so errors do not cancel; the result may be wider than necessary.
    """

    low: float
    likely: float
    high: float

    def plus(self, other: "Interval") -> "Interval":
        return Interval(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, other: "Interval | float") -> "Interval":
        factor = other if isinstance(other, Interval) else exact(other)
        return Interval(*(a * b for a, b in zip(self, factor, strict=True)))

    def over(self, other: "Interval | float") -> "Interval":
        """The quotient; `low` is divided by the divisor's `high`, which is not 0, and `high` by its `low`."""
        divisor = other if isinstance(other, Interval) else exact(other)
        return Interval(self.low / divisor.high, self.likely / divisor.likely, self.high / divisor.low)

    def at_least(self, other: "Interval") -> "Interval":
        """The maximum of both, value by value."""
        return Interval(*(max(a, b) for a, b in zip(self, other, strict=True)))

    def __str__(self) -> str:
        """`20 (13 - 40)`, or one number if all three are shown the same."""
        low, likely, high = map(format_number, self)
        return likely if low == likely == high else f"{likely} ({low} - {high})"


def exact(value: float) -> Interval:
    """A number without uncertainty."""
    return Interval(value, value, value)


ZERO = exact(0.0)


def total(intervals: Iterable[Interval]) -> Interval:
    """The sum of any number of intervals."""
    columns = list(zip(*intervals, strict=True))
    return Interval(*map(math.fsum, columns)) if columns else ZERO


def from_measurements(values: Sequence[float]) -> Interval:
    """The mean, plus and minus twice its standard error, but at least 10 %; a single value may be off by 40 %.

    The least of 10 % stands for differences from day to day, which measurements of one day do not show.
    """
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Interval(mean / 1.4, mean, mean * 1.4)
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
    margin = max(2 * error, mean / 10)
    return Interval(max(mean - margin, min(values)), mean, mean + margin)


def format_number(value: float) -> str:
    """A number that is not negative with DIGITS significant digits, at most two decimals, thousands separated."""
    if value < SMALLEST:
        return f"<{SMALLEST}" if value else "0"
    decimals = DIGITS - 1 - math.floor(math.log10(value))
    return f"{round(value, decimals):,.{min(max(decimals, 0), DIGITS)}f}"
