"""One table of a paper with what was reproduced: a line a printed value, and the paper's own layout to be read."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.common.errors import UserError
from pipeline.tables import entries, published, render, results
from pipeline.tables.entries import Choice, Missing, Row
from pipeline.tables.published import ACCURACIES, Cell
from pipeline.tables.results import Line

COLUMNS = (
    "table", "row", "column", "dataset", "split", "metric", "published", "reproduced", "difference", "low", "high",
    "videos", "splits", "seeds", "spread", "protocol", "run", "status", "note",
)  # fmt: skip
QUOTED = Missing("published only", "another group's system, quoted by the paper")
OWN = Missing("published only", "no run in experiments/ regenerates it")
# What is neither an accuracy nor counted in architectures.csv, by table and, where it matters, by row.
UNCOUNTED = {
    ("twostream_table3", ""): Missing("description", ""),
    ("twostream_text", ""): Missing("published only", "measured on ImageNet, which is none of the data sets here"),
    ("stresnet_table1", ""): Missing("description", "pipeline/models/st_resnet.py builds these blocks"),
    ("stresnet_table2", ""): Missing("description", "hyper-parameters, of which experiments/ makes recipes"),
    ("stresnet_text", ""): Missing("published only", "the code's architectures do not decide it"),
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


def table(
    name: str, known: Sequence[Row], choices: Mapping[str, Choice], root: Path, architectures: Path | None
) -> list[Line]:
    """A line a printed cell, in the paper's order."""
    computed = read_architectures(architectures) if architectures else {}
    found = [cell for cell in published.cells() if cell.table == name]
    if not found:
        raise UserError(f"there is no table {name!r}: choose one of {', '.join(published.tables())}")
    return [
        base(cell) | (accuracy(cell, known, choices, root) if cell.metric in ACCURACIES else fact(cell, computed))
        for cell in found
    ]


def base(cell: Cell) -> Line:
    """What the paper prints, and every other column empty."""
    printed = {name: getattr(cell, name) for name in ("table", "row", "column", "dataset", "split", "metric")}
    return dict.fromkeys(COLUMNS, "") | printed | {"published": cell.value}


def accuracy(cell: Cell, known: Sequence[Row], choices: Mapping[str, Choice], root: Path) -> Line:
    """What stands beside an accuracy: the first row that has been run, or else why none has."""
    pointing = [row for row in known if cell in row.cells and entries.applies(row, cell.dataset)]
    found = [line for row in pointing for line in of_cell(cell, row, choices, root)]
    if not found:
        reason = QUOTED if cell.whose == "quoted" else OWN
        return {"status": reason.status, "note": reason.note}
    best = next((line for line in found if line.get("reproduced")), found[0])
    return {key: value for key, value in best.items() if key in COLUMNS and key != "table"}


def of_cell(cell: Cell, row: Row, choices: Mapping[str, Choice], root: Path) -> Iterator[Line]:
    """The one line of a row that has the cell's value."""
    if row.run and cell.dataset not in choices:
        status = "needs kinetics" if cell.dataset.startswith("kinetics") else "not run"
        yield {"status": status, "note": f"{cell.dataset} is not among config.yaml's data sets", "run": row.run}
        return
    choice = choices.get(cell.dataset, Choice())._replace(groups={})
    made = results.of_row(entries.narrowed(row, cell, choice), cell.dataset, choice, root)
    yield from (line for line in made if line["published"])


def fact(cell: Cell, computed: Mapping[tuple[str, ...], Mapping[str, str]]) -> Line:
    """What stands beside a size or a name: the count of the code's own network, where there is one."""
    place = key(cell)
    if place is None:
        reason = UNCOUNTED.get((cell.table, cell.row)) or UNCOUNTED[cell.table, ""]
        return {"status": reason.status, "note": reason.note}
    row = next((row for names, row in computed.items() if fits(names, place)), None)
    if row is None:
        return {"status": "not run", "note": "architectures.csv was not given or lacks it"}
    return {
        "reproduced": part(cell, row["computed"]),
        "status": "reproduced" if row["agrees"] == "yes" or part(cell, row["computed"]) == cell.value else "differs",
        "note": "; ".join(filter(None, ["counted on the code's network", row["note"].rstrip(".")])),
    }


def key(cell: Cell) -> tuple[str, ...] | None:
    """(architecture, quantity, place) of a cell in architectures.csv; None where it has no such row."""
    if cell.table == "stresnet_table1" and cell.row in ST_RESNET_ROWS:
        return "ST-ResNet, Table 1", "ST-ResNet*", ST_RESNET_ROWS[cell.row], cell.column
    if cell.table == "stresnet_text" and cell.row in ST_RESNET_TEXT:
        return "ST-ResNet, text", *ST_RESNET_TEXT[cell.row]
    if cell.table == "i3d_table1":
        return "I3D, Table 1", cell.row, I3D_COLUMNS[cell.column], ""
    if cell.table == "i3d_fig3":
        found = re.search(r"MaxPool3d_\da|avg-pool", cell.row)
        return "I3D, Figure 3", "Inflated Inception-V1", "receptive field time,x,y", found[0] if found else ""
    return None


def fits(names: tuple[str, ...], place: tuple[str, ...]) -> bool:
    """Whether a row of architectures.csv is what `key` asks for; a place of Figure 3 is the begin of a layer's name."""
    return names[:3] == place[:3] and names[3].startswith(place[3]) and bool(place[3]) == bool(names[3])


def part(cell: Cell, computed: str) -> str:
    """The part of a computed fact that a cell prints: one axis of Figure 3's fields, a number without its unit."""
    if cell.table == "i3d_fig3":
        return computed.split(",")[FIG3_COLUMNS.index(cell.column)]
    return computed.rstrip("GM") if cell.table == "stresnet_text" else computed


def read_architectures(path: Path) -> dict[tuple[str, ...], dict[str, str]]:
    """The rows of architectures.csv by paper, architecture, quantity and place."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return {(r["paper"], r["architecture"], r["quantity"], r["at"]): r for r in csv.DictReader(file)}
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as architectures.csv ({error!r}): make it again") from error


def title(name: str) -> str:
    """A table's caption: the paper, the table, its own title."""
    about = published.tables()[name]
    return f"{published.short(about.paper)}, {name.partition('_')[2]}: {about.title}"


def remark(name: str) -> str:
    """What the numbers are, on what, and what to know of the printed ones."""
    about = published.tables()[name]
    what = "; ".join(filter(None, [about.metric, about.protocol]))
    return " ".join(filter(None, [f"Published / reproduced, {what}.", about.notes]))


def layout(name: str, found: Sequence[Line]) -> render.Text:
    """(header, rows, notes): the paper's rows and columns, published / reproduced in each cell."""
    columns = published.tables()[name].columns.split(" | ")
    notes = list(dict.fromkeys(_foot(line) for line in found if _foot(line)))
    cells = {(line["row"], line["column"]): _cell(line, notes) for line in found}
    names = list(dict.fromkeys(line["row"] for line in found))
    return ["", *columns], [[row, *(cells.get((row, column), "–") for column in columns)] for row in names], notes


def _cell(line: Line, notes: Sequence[str]) -> str:
    foot = render.mark(1 + notes.index(_foot(line))) if _foot(line) else ""
    if line["status"] == "description":
        return line["published"] + foot
    return f"{line['published']} / {line['reproduced'] or '–'}{foot}"


def _foot(line: Line) -> str:
    return f"{line['status']}: {line['note']}" if line["note"] else ""
