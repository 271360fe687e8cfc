"""Results tables: one row a method and split, published beside reproduced, from score files and published.tsv alone."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline import cli, recipes, scores
from pipeline.errors import UserError
from pipeline.files import read_tsv, whole_file

PUBLISHED = Path(__file__).with_name("published.tsv")
PUBLISHED_COLUMNS = ("table", "row", "column", "dataset", "split", "value")
COLUMNS = (
    "paper", "method", "dataset", "split", "classes", "published", "reproduced", "difference", "videos", "protocol",
    "seeds", "status", "note",
)  # fmt: skip
MEAN = "mean"


class Published(NamedTuple):
    """A value that a paper prints, in per cent, and the split that it was measured on: a number, or `mean` of three."""

    split: str
    value: float


class Result(NamedTuple):
    """One run's scores on one split."""

    split: int
    scores: scores.VideoScores


def score_file(root: Path | str, split: int | str, run: str, subset: str = "test") -> Path:
    """Where a run's scores lie below its data set's folder of runs; `run` is experiment.run or experiment.fusion."""
    return Path(root) / f"split{split}" / run / f"{subset}.parquet"


def published_value(
    facts: Sequence[Mapping[str, str]], wanted: Mapping[str, str] | None, dataset: str
) -> Published | None:
    """The value that a row points at, for one data set; None where the paper has none for it."""
    if wanted is None:
        return None
    named = [fact for fact in facts if fact["table"] == wanted["table"] and fact["row"] == wanted["row"]]
    if not named:
        raise UserError(
            f"published.tsv has no row {wanted['row']!r} in table {wanted['table']}: mend the experiment's rows"
        )
    found = [f for f in named if f["dataset"] == dataset and wanted.get("column") in (None, f["column"])]
    if len(found) > 1:
        raise UserError(
            f"{wanted['row']!r} of {wanted['table']} has {len(found)} values for {dataset}: name the column"
        )
    return Published(found[0]["split"], float(found[0]["value"])) if found else None


def rows_of(
    row: Mapping[str, Any], paper: str, dataset: str, published: Published | None, results: Sequence[Result],
    wanted: Sequence[int], groups: Mapping[str, Sequence[str]],
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """The table's lines for one method: a split each, their mean, and the mean among each group of classes."""
    base = {"paper": paper, "method": row["method"], "dataset": dataset}
    if "run" not in row:
        if published:
            yield {**base, **compare(published.split, published, None), "status": "published only",
                   "note": "another group's system, quoted by the paper"}  # fmt: skip
        return
    if row.get("only") == "published" and not published:
        return
    splits = [str(split) for split in wanted]
    for split in [*splits, MEAN]:
        if row.get("only") != "published" or split == published.split:  # type: ignore[union-attr]
            chosen = [result for result in results if split in (MEAN, str(result.split))]
            yield {**base, **line(split, published, chosen, needed(published, wanted) if split == MEAN else 1)}
    for group, classes in groups.items():
        yield {**base, **line(MEAN, None, results, len(wanted), group, classes)}


def needed(published: Published | None, wanted: Sequence[int]) -> int:
    """How many splits a mean takes: the papers' means are over three, whatever config.yaml asks for."""
    return max(len(wanted), 3) if published and published.split == MEAN else len(wanted)


def line(split: str, published: Published | None, results: Sequence[Result], wanted: int, group: str = "all",
         classes: Sequence[str] | None = None) -> dict[str, Any]:  # fmt: skip
    """One line's cells; `wanted` is the number of splits that it takes."""
    if not results:
        return {**compare(split, published, None), "classes": group, "status": "not run", "note": "no score file"}
    accuracies = [accuracy(result.scores, classes) for result in results]
    facts = [result.scores.facts for result in results]
    cells = compare(split, published, float(np.mean(accuracies)))
    return {
        **cells,
        "classes": group,
        "videos": coverage(results)
        if classes is None
        else str(sum(count(result.scores, classes) for result in results)),
        "protocol": " | ".join(sorted({str(fact.get("protocol", "")) for fact in facts})),
        "seeds": " ".join(sorted({str(fact["seed"]) for fact in facts if "seed" in fact})),
        "status": "partial" if len(results) < wanted else "measured" if cells["published"] == "" else "reproduced",
        "note": note(facts, len(results), wanted),
    }


def compare(split: str, published: Published | None, reproduced: float | None) -> dict[str, Any]:
    """split, published, reproduced and difference, in per cent with one decimal; another split's value stays away."""
    value = published.value if published and published.split == split else None
    shown = None if reproduced is None else round(reproduced, 1)
    difference = None if value is None or shown is None else round(shown - value, 1)
    cells = {"published": value, "reproduced": shown, "difference": difference}
    return {
        "split": split,
        "classes": "all",
        **{name: "" if cell is None else f"{cell:.1f}" for name, cell in cells.items()},
    }


def accuracy(found: scores.VideoScores, classes: Sequence[str] | None) -> float:
    """Top-1 in per cent, over all videos or those of some classes."""
    return 100 * scores.top1(found, None if classes is None else labels_of(found, classes))


def labels_of(found: scores.VideoScores, classes: Sequence[str]) -> list[int]:
    """The classes' labels; a class that the scores do not know is the user's error."""
    known: list[str] = found.facts["classes"]
    if unknown := [name for name in classes if name not in known]:
        raise UserError(f"groups name the class {unknown[0]}, which is not one of {', '.join(known)}: mend groups")
    return [known.index(name) for name in classes]


def count(found: scores.VideoScores, classes: Sequence[str]) -> int:
    """Scored videos of some classes."""
    return int(np.isin(found.labels, labels_of(found, classes)).sum())


def coverage(results: Sequence[Result]) -> str:
    """`n/N`: videos scored, of those that the splits list."""
    return f"{sum(len(r.scores.videos) for r in results)}/{sum(int(r.scores.facts['videos']) for r in results)}"


def note(facts: Sequence[Mapping[str, Any]], done: int, wanted: int) -> str:
    """What a reader must know before comparing."""
    parts = [f"{done} of {wanted} splits"] if done < wanted else []
    parts += [
        f"preset {name}" for name in sorted({str(fact["preset"]) for fact in facts if "preset" in fact} - {"paper"})
    ]
    return "; ".join(parts + sorted({fact["deviations"] for fact in facts if fact.get("deviations")}))


def table(
    dataset: str,
    experiments: Sequence[recipes.Experiment],
    splits: Sequence[int],
    root: Path,
    groups: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Every row of every experiment for one data set."""
    facts = read_tsv(PUBLISHED, PUBLISHED_COLUMNS)
    lines: list[dict[str, Any]] = []
    for experiment in experiments:
        for row in experiment.rows:
            paths = {split: score_file(root, split, f"{experiment.name}.{row.get('run')}") for split in splits}
            results = [Result(split, scores.read(path)) for split, path in paths.items() if path.exists()]
            published = published_value(facts, row.get("published"), dataset)
            lines += rows_of(row, experiment.name, dataset, published, results, splits, groups)
    return pd.DataFrame([[cells.get(name, "") for name in COLUMNS] for cells in lines], columns=list(COLUMNS))


def show(path: Path) -> str:
    """A table as aligned text, without the columns that need much room."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return frame.drop(columns=["paper", "dataset", "protocol", "seeds", "note"], errors="ignore").to_string(index=False)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="write a data set's table")
    make.add_argument("--dataset", required=True)
    make.add_argument("--experiments", nargs="+", required=True, type=Path, help="files of experiments/")
    make.add_argument("--preset", default="paper")
    make.add_argument("--splits", nargs="+", type=int, default=[1])
    make.add_argument(
        "--runs", required=True, type=Path, help="folder of the data set's runs, with splitN/<run>/ in it"
    )
    make.add_argument("--groups", default="{}", help="JSON: name of a group -> its classes, for rows of their own")
    make.add_argument("--out", required=True, type=Path)
    shown = commands.add_parser("show", help="print a table")
    shown.add_argument("table", type=Path)
    a = parser.parse_args(argv)
    if a.command == "show":
        print(show(a.table))
        return
    experiments = [recipes.load(path, a.preset) for path in a.experiments]
    frame = table(a.dataset, experiments, a.splits, a.runs, json.loads(a.groups))
    with whole_file(a.out) as scratch:
        frame.to_csv(scratch, index=False, lineterminator="\n")
    cli.say(f"{a.out}: {len(frame)} rows")


if __name__ == "__main__":
    cli.run(main)
