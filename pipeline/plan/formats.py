"""A plan as text, Markdown, CSV or JSON."""

import csv
import io
import json
from collections.abc import Sequence

from pipeline.plan.intervals import exact, format_number
from pipeline.plan.summary import Plan

# (smallest value that is shown in the unit, size of the unit, its name)
TIME_UNITS = ((2 * 3600, 3600, "hours"), (60, 60, "minutes"), (0, 1, "seconds"))
BYTE_UNITS = ((5e11, 1e12, "TB"), (5e8, 1e9, "GB"), (0, 1e6, "MB"))
TEXT_COLUMNS = ("stage", "stands on")  # aligned to the left


def cells(plan: Plan) -> list[list[str]]:
    """The table's cells, with the header, in units that suit the totals."""
    totals = plan.rows[-1]
    second, time_unit = _unit(max(totals.core.likely, totals.gpu.likely), TIME_UNITS)
    byte, byte_unit = _unit(totals.disk.likely, BYTE_UNITS)
    times = (f"GPU {time_unit}", f"core {time_unit}", f"{time_unit} at least")
    rows = [["stage", "jobs", "done", *times, byte_unit, "files", "stands on"]]
    for row in plan.rows:
        gpu, core, wall = (str(time.over(second)) for time in (row.gpu, row.core, row.wall))
        if row.incomplete:
            gpu, wall = f"{gpu} + ?", f"{wall} + ?"
        disk, files = str(row.disk.over(byte)), format_number(row.files)
        rows.append([row.stage, f"{row.jobs:,}", f"{row.done:,}", gpu, core, wall, disk, files, row.basis])
    return rows


def _unit(value: float, units: Sequence[tuple[float, float, str]]) -> tuple[float, str]:
    return next((size, name) for smallest, size, name in units if value >= smallest)


def text(plan: Plan) -> str:
    """Aligned columns, then the notes."""
    rows = cells(plan)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = ["<" if name in TEXT_COLUMNS else ">" for name in rows[0]]
    line = "  ".join(f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True))
    return "\n".join([*(line.format(*row).rstrip() for row in rows), *plan.notes])


def markdown(plan: Plan) -> str:
    """A Markdown table, then the notes as a list."""
    header, *rows = (f"| {' | '.join(row)} |" for row in cells(plan))
    rule = "|---" * len(cells(plan)[0]) + "|"
    return "\n".join([header, rule, *rows, "", *(f"- {note}" for note in plan.notes)])


def records(plan: Plan) -> list[dict[str, object]]:
    """A dict per row: hours, gigabytes (1e9 bytes) and files, with the bounds of NAME as NAME_low and NAME_high.

    `incomplete` rows lack costs that nobody has measured.
    """
    dicts = []
    for row in plan.rows:
        record: dict[str, object] = {"stage": row.stage, "jobs": row.jobs, "done": row.done}
        intervals = (row.gpu.over(3600), row.core.over(3600), row.wall.over(3600), row.disk.over(1e9))
        for name, interval in zip(("gpu_hours", "core_hours", "hours", "disk_gb"), intervals, strict=True):
            record |= {name: interval.likely, f"{name}_low": interval.low, f"{name}_high": interval.high}
        dicts.append(record | {"files": round(row.files), "basis": row.basis, "incomplete": row.incomplete})
    return dicts


def csv_text(plan: Plan) -> str:
    """The records as CSV, without the notes."""
    rows, file = records(plan), io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().rstrip("\n")


def json_text(plan: Plan) -> str:
    """The records, the temporary gigabytes and the notes as JSON."""
    temporary = plan.temporary.over(exact(1e9))._asdict()
    return json.dumps({"stages": records(plan), "passing_gb": temporary, "notes": plan.notes}, indent=1)


FORMATS = {"text": text, "md": markdown, "csv": csv_text, "json": json_text}
