"""The first page of a data set's report: what was reproduced, on how much data and how far off, in sentences."""

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.common import cli, log
from pipeline.formats import quarantine
from pipeline.report import coverage, pages
from pipeline.tables.result_rows import (
    ResultRow,
    group_accuracies,
    group_names,
    method_key,
    method_rows,
    read_results,
    row_title,
)

REASONS = 12  # reasons that are listed; the rows of the others are counted
FURTHEST = 8  # rows in the table of the largest differences
FURTHEST_COLUMNS = ("paper", "method", "published", "reproduced", "difference", "videos", "status")
PRESET = re.compile(r"\bpreset (\w+)")
SMALL_PRESETS = {
    "demo": "networks of minutes on small pictures, which show that the code does what the papers describe and say"
    " nothing of how good the papers' networks are",
    "quick": "the papers' networks, trained for less than the papers trained them",
}
OTHER_PAGES = (
    "Published and reproduced: every row with its interval, status and note, and the same as a plot.",
    "Runs: of each, its training curves, its confusion matrix, its accuracy by class and its most confused pairs.",
    "Inside the networks: what the trained networks have learned, where a paper shows it.",
    "Data: frames and flow as the networks see them, how many videos of each class are there, and each one left out.",
    "Versions and hashes: what made all this, and how long it took.",
)


def plural(count: int, noun: str) -> str:
    """A count with its noun: `1 row`, `2 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def data_sentences(splits: Path | None, quarantine_file: Path | None) -> Iterator[str]:
    """How many of the listed videos are used, where the data set itself is here."""
    if not (splits and quarantine_file):
        yield "The data set itself is not here: what was scored elsewhere is all there is of it."
        return
    classes = coverage.count_videos(splits, quarantine.read([quarantine_file]))
    used, listed = coverage.totals(classes)
    lost = f"{plural(listed - used, 'video')} missing or not decoded whole" if used < listed else "none is missing"
    yield f"The data set has {len(classes)} classes, and {used:,} of {listed:,} videos in its splits are used: {lost}."


def coverage_sentences(rows: Sequence[ResultRow]) -> Iterator[str]:
    """How many rows were measured, and on which share of the splits and videos."""
    measured = [row for row in rows if row["reproduced"]]
    partial = [row for row in measured if row["status"] == "partial"]
    share = "all" if len(measured) == len(rows) else f"{len(measured)}"
    rest = f", {len(rows) - len(measured)} not, for the reasons below" if len(measured) < len(rows) else ""
    yield f"The table has {plural(len(rows), 'row')}, of which {share} have been measured here{rest}."
    if partial:
        yield f"Of the measured ones {len(partial)} are partial: fewer splits or seeds than asked, as their notes say."
    incomplete = [row for row in measured if _share(row["videos"]) != 1]
    if measured and not incomplete:
        yield "Each was scored on all test videos of its splits."
    elif incomplete:
        worst = min(incomplete, key=lambda row: _share(row["videos"]))
        lack = "lacks" if len(incomplete) == 1 else "lack"
        count = plural(len(incomplete), "row")
        yield f"{count} {lack} test videos, most {row_title(worst)}, which has {worst['videos']}."


def difference_sentences(rows: Sequence[ResultRow]) -> Iterator[str]:
    """The differences in points, and how many intervals contain the published value."""
    both = [row for row in rows if row["reproduced"] and row["published"]]
    if not any(row["published"] for row in rows):
        yield "No paper has values for this data set, so nothing can be compared: the rows stand for themselves."
    elif not both:
        yield "No row with a published value has been measured yet, so nothing can be compared."
    else:
        inside = [row for row in both if float(row["low"]) <= float(row["published"]) <= float(row["high"])]
        differences = [float(row["difference"]) for row in both]
        yield (
            f"Beside {plural(len(both), 'published value')} stand measured ones; {len(inside)} of them"
            f" lie in the measured 95 % interval. Reproduced minus published runs from {min(differences):+.1f} to"
            f" {max(differences):+.1f} points, and half of the differences are smaller than"
            f" {statistics.median(map(abs, differences)):.1f}."
        )


def preset_sentences(rows: Sequence[ResultRow]) -> Iterator[str]:
    """How many rows come from each preset that is smaller than the paper's recipe."""
    counts = Counter(preset for row in rows if row["reproduced"] for preset in PRESET.findall(row["note"]))
    for preset, count in counts.items():
        about = f": {SMALL_PRESETS[preset]}" if preset in SMALL_PRESETS else ""
        yield f"{plural(count, 'row')} {'comes' if count == 1 else 'come'} from the preset {preset}{about}."


def reasons(rows: Sequence[ResultRow]) -> list[str]:
    """Why rows have no value, most frequent first."""
    counts = Counter((row["status"], row["note"]) for row in rows if not row["reproduced"]).most_common()
    listed = [f"{plural(count, 'row')}: {status}{f' ({note})' if note else ''}" for (status, note), count in counts]
    rest = sum(count for _, count in counts[REASONS:])
    return listed[:REASONS] + ([f"{plural(rest, 'row')}: other reasons, in the table"] if rest else [])


def furthest(rows: Sequence[ResultRow]) -> list[list[str]]:
    """The rows with the largest differences, under FURTHEST_COLUMNS."""
    both = [row for row in rows if row["reproduced"] and row["published"]]
    both.sort(key=lambda row: -abs(float(row["difference"])))
    return [[row["paper"], row_title(row), *(row[name] for name in FURTHEST_COLUMNS[2:])] for row in both[:FURTHEST]]


def measured_table(rows: Sequence[ResultRow]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: each method's mean, or its split, over all classes and over each group of classes."""
    groups, accuracies = group_names(rows), group_accuracies(rows)
    measured = [row for row in method_rows(rows) if row["reproduced"]]
    table = [[row["paper"], row_title(row), row["reproduced"], f"{row['low']} to {row['high']}", row["videos"],
              *(accuracies.get((*method_key(row), group), "") for group in groups)] for row in measured]  # fmt: skip
    return ["paper", "method", "accuracy, %", "95 % interval", "videos", *groups], table


def body(rows: Sequence[ResultRow], plot: Path, splits: Path | None, quarantine_file: Path | None) -> Iterator[str]:
    """The parts of the page as HTML."""
    shown = method_rows(rows)
    yield pages.paragraph(" ".join(data_sentences(splits, quarantine_file)))
    for sentences in (coverage_sentences, difference_sentences, preset_sentences):
        yield pages.paragraph(" ".join(sentences(shown)))
    alt = "Measured accuracies with their 95 % intervals, and published ones; the tables say the same."
    yield pages.picture(plot, alt)
    if largest := furthest(shown):
        yield pages.heading("Furthest from the papers")
        yield pages.table(FURTHEST_COLUMNS, largest, FURTHEST_COLUMNS[2:6])
    header, table = measured_table(rows)
    if table:
        yield pages.heading("What was measured")
        yield pages.table(header, table, header[2:])
    if missing := reasons(shown):
        yield pages.heading("What was not measured")
        yield pages.bullet_list(missing)
    yield pages.heading("Where to look next")
    yield pages.bullet_list(OTHER_PAGES)
    yield pages.paragraph("No number here was typed: all are made from the table and the files behind it.", "faint")


def _share(videos: str) -> float:
    """The share of a cell `n/N`."""
    scored, _, listed = videos.partition("/")
    return int(scored) / int(listed) if listed and int(listed) else 0.0


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("table", type=Path, help="results/tables/<data set>.csv")
    parser.add_argument("--plot", required=True, type=Path, help="the SVG of pipeline.report.compared")
    parser.add_argument("--splits", type=Path, help="splits.parquet, where the data set is here")
    parser.add_argument("--quarantine", type=Path, help="quarantine.tsv, where the data set is here")
    parser.add_argument("--out", required=True, type=Path, help="an HTML page")
    args = parser.parse_args(argv)
    rows = read_results(args.table)
    title = f"{args.table.stem}: what was reproduced"
    pages.write(args.out, title, *body(rows, args.plot, args.splits, args.quarantine))
    log.say(f"{args.out}: {len(rows)} rows of the table")


if __name__ == "__main__":
    cli.run(main)
