"""A plan for the eye (text and Markdown) and for programs (CSV and JSON)."""

import csv
import io
import json
from collections.abc import Sequence

from pipeline.plan.report import Plan
from pipeline.plan.spans import exact, short

SECONDS = ((2 * 3600, 3600, "hours"), (60, 60, "minutes"), (0, 1, "seconds"))  # from so many on, in such units
BYTES = ((5e11, 1e12, "TB"), (5e8, 1e9, "GB"), (0, 1e6, "MB"))
LEFT = ("stage", "stands on")  # columns of words


def _unit(value: float, units: Sequence[tuple[float, float, str]]) -> tuple[float, str]:
    return next((size, name) for least, size, name in units if value >= least)


def cells(found: Plan) -> list[list[str]]:
    """The table with its header, in units that suit its sums."""
    whole = found.lines[-1]
    second, times = _unit(max(whole.core.likely, whole.gpu.likely), SECONDS)
    byte, sizes = _unit(whole.disk.likely, BYTES)
    header = [
        "stage",
        "jobs",
        "done",
        f"GPU {times}",
        f"core {times}",
        f"{times} at least",
        sizes,
        "files",
        "stands on",
    ]
    rows = []
    for line in found.lines:
        seconds = [str(span.over(second)) + " + ?" * (line.open and span is not line.core)
                   for span in (line.gpu, line.core, line.wall)]  # fmt: skip
        counts = (f"{line.jobs:,}", f"{line.done:,}")
        rows.append([line.stage, *counts, *seconds, str(line.disk.over(byte)), short(line.files), line.basis])
    return [header, *rows]


def text(found: Plan) -> str:
    """Columns that stand below each other, numbers to the right, then the notes."""
    rows = cells(found)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = ["<" if name in LEFT else ">" for name in rows[0]]
    form = "  ".join(f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True))
    return "\n".join([*(form.format(*row).rstrip() for row in rows), *found.notes])


def markdown(found: Plan) -> str:
    """The same as a table in Markdown, the notes as a list."""
    header, *rows = (f"| {' | '.join(row)} |" for row in cells(found))
    rule = "|---" * len(cells(found)[0]) + "|"
    return "\n".join([header, rule, *rows, "", *(f"- {note}" for note in found.notes)])


def records(found: Plan) -> list[dict[str, object]]:
    """A dict a line: hours, gigabytes (1e9 bytes) and files, each figure with `_low` and `_high` beside it.

    `incomplete` lines lack what nobody has measured.
    """
    made = []
    for line in found.lines:
        row: dict[str, object] = {"stage": line.stage, "jobs": line.jobs, "done": line.done}
        spans = (line.gpu.over(3600), line.core.over(3600), line.wall.over(3600), line.disk.over(1e9))
        for name, span in zip(("gpu_hours", "core_hours", "hours", "disk_gb"), spans, strict=True):
            row |= {name: span.likely, f"{name}_low": span.low, f"{name}_high": span.high}
        made.append(row | {"files": round(line.files), "basis": line.basis, "incomplete": line.open})
    return made


def comma(found: Plan) -> str:
    """CSV of the records; what is not known goes to the log."""
    rows, file = records(found), io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().rstrip("\n")


def jsons(found: Plan) -> str:
    """Records, what is needed meanwhile, and the notes."""
    more = {"passing_gb": found.passes.over(exact(1e9))._asdict(), "notes": found.notes}
    return json.dumps({"stages": records(found), **more}, indent=1)


FORMATS = {"text": text, "md": markdown, "csv": comma, "json": jsons}
