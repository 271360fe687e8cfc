"""One table of a paper: every printed value with what was reproduced beside it, and the paper's own layout."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.common.errors import UserError
from pipeline.tables import entries, published, render, results
from pipeline.tables.entries import Choice, MissingReason, TableEntry
from pipeline.tables.published import ACCURACIES, Cell
from pipeline.tables.result_rows import ResultRow, read_rows

COLUMNS = (
    "table", "row", "column", "dataset", "split", "metric", "published", "reproduced", "difference", "low", "high",
    "videos", "splits", "seeds", "std", "protocol", "run", "status", "note",
)  # fmt: skip
QUOTED = MissingReason("published only", "another group's system, quoted by the paper")
OWN = MissingReason("published only", "no run in experiments/ regenerates it")
# Why cells that are neither accuracies nor in architectures.csv have no counterpart, by table and, if needed, by row.
UNCOUNTED = {
    ("twostream_table3", ""): MissingReason("description", ""),
    ("twostream_text", ""): MissingReason(
        "published only", "measured on ImageNet, which is none of the data sets here"
    ),
    ("stresnet_table1", ""): MissingReason("description", "pipeline/models/st_resnet.py builds these blocks"),
    ("stresnet_table2", ""): MissingReason("description", "hyper-parameters, of which experiments/ makes recipes"),
    ("stresnet_text", ""): MissingReason("published only", "the code's architectures do not decide it"),
}
ST_RESNET_ROWS = {"Output size": "output size", "Recept. Field": "receptive field WxHxT"}
ST_RESNET_TEXT = {
    "VGG16 multiply-adds (billion)": ("VGG-16", "multiply-adds", ""),
    "ResNet50 multiply-adds (billion)": ("ResNet-50", "multiply-adds", ""),
    "VGG16 parameters (M)": ("VGG-16", "parameters", ""),
    "ResNet50 parameters (M, as printed)": ("ResNet-50", "parameters", ""),
    "temporal convolution layers (both streams)": ("ST-ResNet*", "temporal convolutions", ""),
    "input window of the largest temporal receptive field (frames)": ("ST-ResNet*", "input window", "tau 15"),
}
I3D_COLUMNS = {
    "#Params": "parameters", "train # input frames": "train input", "train temporal footprint": "train footprint",
    "test # input frames": "test input", "test temporal footprint": "test footprint",
}  # fmt: skip
FIG3_COLUMNS = ("time", "x", "y")


Key = tuple[str, str, str, str]  # paper, architecture, quantity, layer or another place


def paper_results(
    name: str, all_entries: Sequence[TableEntry], choices: Mapping[str, Choice], root: Path, architectures: Path | None
) -> list[ResultRow]:
    """A row for each printed cell, in the paper's order."""
    computed = read_architectures(architectures) if architectures else {}
    cells = [cell for cell in published.cells() if cell.table == name]
    if not cells:
        raise UserError(f"there is no table {name!r}: choose one of {', '.join(published.tables())}")
    rows = []
    for cell in cells:
        is_accuracy = cell.metric in ACCURACIES
        more = accuracy_cells(cell, all_entries, choices, root) if is_accuracy else fact_cells(cell, computed)
        rows.append(printed_cells(cell) | more)
    return rows


def printed_cells(cell: Cell) -> ResultRow:
    """What the paper prints, with every other column empty."""
    printed = {name: getattr(cell, name) for name in ("table", "row", "column", "dataset", "split", "metric")}
    return dict.fromkeys(COLUMNS, "") | printed | {"published": cell.value}


def accuracy_cells(
    cell: Cell, all_entries: Sequence[TableEntry], choices: Mapping[str, Choice], root: Path
) -> ResultRow:
    """What is reproduced of an accuracy: by the first entry that has been run, or else why none has."""
    regenerating = [entry for entry in all_entries if cell in entry.cells and entries.applies(entry, cell.dataset)]
    rows = [row for entry in regenerating for row in entry_rows(cell, entry, choices, root)]
    if not rows:
        reason = QUOTED if cell.whose == "quoted" else OWN
        return {"status": reason.status, "note": reason.note}
    best = next((row for row in rows if row.get("reproduced")), rows[0])
    return {key: value for key, value in best.items() if key in COLUMNS and key != "table"}


def entry_rows(cell: Cell, entry: TableEntry, choices: Mapping[str, Choice], root: Path) -> Iterator[ResultRow]:
    """The row of an entry that has the cell's published value."""
    if entry.run and cell.dataset not in choices:
        status = "needs kinetics" if cell.dataset.startswith("kinetics") else "not run"
        yield {"status": status, "note": f"{cell.dataset} is not among config.yaml's data sets", "run": entry.run}
        return
    choice = choices.get(cell.dataset, Choice())._replace(groups={})
    rows = results.entry_results(entries.for_cell(entry, cell, choice), cell.dataset, choice, root)
    yield from (row for row in rows if row["published"])


def fact_cells(cell: Cell, computed: Mapping[Key, ResultRow]) -> ResultRow:
    """What is reproduced of a size or a name: the count of our own network, if it is counted."""
    wanted = architecture_key(cell)
    if wanted is None:
        reason = UNCOUNTED.get((cell.table, cell.row)) or UNCOUNTED[cell.table, ""]
        return {"status": reason.status, "note": reason.note}
    row = next((row for key, row in computed.items() if matches(key, wanted)), None)
    if row is None:
        return {"status": "not run", "note": "architectures.csv was not given or lacks it"}
    value = printed_part(cell, row["computed"])
    return {
        "reproduced": value,
        "status": "reproduced" if row["agrees"] == "yes" or value == cell.value else "differs",
        "note": "; ".join(filter(None, ["counted on the code's network", row["note"].rstrip(".")])),
    }


def architecture_key(cell: Cell) -> Key | None:
    """(paper, architecture, quantity, place) of a cell in architectures.csv; None where it has no such row."""
    if cell.table == "stresnet_table1" and cell.row in ST_RESNET_ROWS:
        return "ST-ResNet, Table 1", "ST-ResNet*", ST_RESNET_ROWS[cell.row], cell.column
    if cell.table == "stresnet_text" and cell.row in ST_RESNET_TEXT:
        return "ST-ResNet, text", *ST_RESNET_TEXT[cell.row]
    if cell.table == "i3d_table1":
        return "I3D, Table 1", cell.row, I3D_COLUMNS[cell.column], ""
    if cell.table == "i3d_fig3":
        layer = re.search(r"MaxPool3d_\da|avg-pool", cell.row)
        return "I3D, Figure 3", "Inflated Inception-V1", "receptive field time,x,y", layer[0] if layer else ""
    return None


def matches(key: Key, wanted: Key) -> bool:
    """Whether a row of architectures.csv is the wanted one, whose place may be only the beginning of a layer's name."""
    return key[:3] == wanted[:3] and key[3].startswith(wanted[3]) and bool(wanted[3]) == bool(key[3])


def printed_part(cell: Cell, computed: str) -> str:
    """The part of a computed fact that a cell prints: one axis of Figure 3's fields, or a number without its unit."""
    if cell.table == "i3d_fig3":
        return computed.split(",")[FIG3_COLUMNS.index(cell.column)]
    return computed.rstrip("GM") if cell.table == "stresnet_text" else computed


def read_architectures(path: Path) -> dict[Key, ResultRow]:
    """The rows of architectures.csv by paper, architecture, quantity and place."""
    columns = ("paper", "architecture", "quantity", "at", "computed", "agrees", "note")
    rows = read_rows(path, columns, "the table of architectures")
    return {(row["paper"], row["architecture"], row["quantity"], row["at"]): row for row in rows}


def title(name: str) -> str:
    """A table's caption: the paper, the table, its own title."""
    about = published.tables()[name]
    return f"{published.short(about.paper)}, {name.partition('_')[2]}: {about.title}"


def remark(name: str) -> str:
    """What the numbers measure, by which protocol, and the notes on the printed ones."""
    about = published.tables()[name]
    what = "; ".join(filter(None, [about.metric, about.protocol]))
    return " ".join(filter(None, [f"Published / reproduced, {what}.", about.notes]))


def layout(name: str, rows: Sequence[ResultRow]) -> render.TextTable:
    """The paper's rows and columns, with `published / reproduced` in each cell."""
    columns = published.tables()[name].columns.split(" | ")
    notes = list(dict.fromkeys(_footnote(row) for row in rows if _footnote(row)))
    cells = {(row["row"], row["column"]): _cell(row, notes) for row in rows}
    names = list(dict.fromkeys(row["row"] for row in rows))
    return ["", *columns], [[name, *(cells.get((name, column), "–") for column in columns)] for name in names], notes


def _cell(row: ResultRow, notes: Sequence[str]) -> str:
    mark = render.footnote_mark(1 + notes.index(_footnote(row))) if _footnote(row) else ""
    if row["status"] == "description":
        return row["published"] + mark
    return f"{row['published']} / {row['reproduced'] or '–'}{mark}"


def _footnote(row: ResultRow) -> str:
    return f"{row['status']}: {row['note']}" if row["note"] else ""
