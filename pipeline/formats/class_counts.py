"""What a score file comes to, class by class: videos scored, and those right at the first and among the first five.

A score file of a real test set holds a hundred million numbers; its hits are a small JSON beside it (test.hits.json).
Whoever writes scores writes their hits with them (`scores.summarise`), and a table counts those of a file that has
none or that has changed since, so that tables take seconds. No rule declares the JSON: it is a cache with the score
file's size and time as its stamp, which may be lost, and a new kind of count must not score everything anew.
"""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.common.errors import UserError
from pipeline.common.files import whole_file
from pipeline.formats import scores

FACTS = ("protocol", "seed", "preset", "deviations")
FIVE = 5


class Hits(NamedTuple):
    """Counts a class, in the order of `classes`: K each. `videos` is how many the split lists."""

    classes: list[str]
    scored: list[int]
    top1: list[int]
    top5: list[int]
    videos: int
    facts: dict[str, Any]


def of(path: Path) -> Hits:
    """The hits of a score file, from the JSON beside it where that is of this very file."""
    beside, stamp = path.with_suffix(".hits.json"), _stamp(path)
    if (found := _read(beside)) and found.pop("stamp") == stamp:
        return Hits(**found)
    counted = count(path)
    _write(beside, {"stamp": stamp, **counted._asdict()})
    return counted


def count(path: Path) -> Hits:
    """Read a whole score file."""
    found = scores.read(path)
    classes = found.facts["classes"]
    first, five = (within(found.values, found.labels, top) for top in (1, FIVE))
    scored, top1, top5 = (
        np.bincount(found.labels[kept], minlength=len(classes)).tolist() for kept in (first | True, first, five)
    )
    facts = {key: found.facts[key] for key in FACTS if key in found.facts}
    return Hits(classes, scored, top1, top5, int(found.facts["videos"]), facts)


def among(hits: Hits, counts: Sequence[int], classes: Sequence[str] | None) -> int:
    """The sum of counts, or that over some classes; a class that the scores do not know is the user's error."""
    if classes is None:
        return sum(counts)
    if unknown := [name for name in classes if name not in hits.classes]:
        known = ", ".join(hits.classes)
        raise UserError(f"groups name the class {unknown[0]}, which is not one of {known}: mend groups")
    return sum(counts[hits.classes.index(name)] for name in classes)


def _stamp(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and set(found) == {"stamp", *Hits._fields} else None


def _write(path: Path, document: dict[str, Any]) -> None:
    """Whole; of two tables made at once, one may sweep the other's scratch file away, and writes the same itself."""
    with contextlib.suppress(FileNotFoundError), whole_file(path) as scratch:
        scratch.write_text(json.dumps(document), "utf-8")


def summarise(path: Path) -> float:
    """Top-1 of a score file just written, whose hits now lie beside it, so that no table reads it whole again."""
    found = of(path)
    return sum(found.top1) / max(1, sum(found.scored))


def within(values: np.ndarray, labels: np.ndarray, top: int) -> np.ndarray:
    """Whether a video's own class is among its `top` best (N,); of equal scores the earlier class is the better."""
    own = np.take_along_axis(values, labels[:, None].astype(int), 1)
    earlier = np.arange(values.shape[1]) < labels[:, None]
    return ((values > own) | ((values == own) & earlier)).sum(1) < top
