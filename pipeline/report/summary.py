"""A report's first page: what was reproduced, on how much data and how far off, in sentences made from the table."""

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.common import cli, log
from pipeline.formats import quarantine
from pipeline.report import coverage, pages, results
from pipeline.report.results import ALL, heads, name
from pipeline.tables.results import MEAN, Line, read

REASONS = 12  # reasons that are named; the others are counted
FURTHEST = 8  # rows in the table of those furthest from the paper
FAR = ("paper", "method", "published", "reproduced", "difference", "videos", "status")
PRESET = re.compile(r"\bpreset (\w+)")
SMALL = {
    "demo": "networks of minutes on small pictures, which show that the code does what the papers describe and say"
    " nothing of how good the papers' networks are",
    "quick": "the papers' networks, trained for less than the papers trained them",
}
ELSEWHERE = (
    "Published and reproduced: every row with its interval, status and note, and the same as a plot.",
    "Runs: of each, its training curves, its confusion matrix, its accuracy by class and its most confused pairs.",
    "Inside the networks: what the trained networks have learned, where a paper shows it.",
    "Data: frames and flow as the networks see them, how many videos of each class are there, and each one left out.",
    "Versions and hashes: what made all this, and how long it took.",
)


def several(count: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def of_data(splits: Path | None, left_out: Path | None) -> Iterator[str]:
    """How much data there is, where the data set itself is here."""
    if not (splits and left_out):
        yield "The data set itself is not here: what was scored elsewhere is all there is of it."
        return
    found = coverage.shares(splits, quarantine.read([left_out]))
    used, listed = sum(share.used for share in found), sum(share.listed for share in found)
    lost = f"{several(listed - used, 'video')} missing or not decoded whole" if used < listed else "none is missing"
    yield f"The data set has {len(found)} classes, and {used:,} of {listed:,} videos in its splits are used: {lost}."


def of_rows(lines: Sequence[Line]) -> Iterator[str]:
    """What was measured, on which share of the splits and videos."""
    done = [line for line in lines if line["reproduced"]]
    partial = [line for line in done if line["status"] == "partial"]
    share = "all" if len(done) == len(lines) else f"{len(done)}"
    rest = f", {len(lines) - len(done)} not, for the reasons below" if len(done) < len(lines) else ""
    yield f"The table has {several(len(lines), 'row')}, of which {share} have been measured here{rest}."
    if partial:
        yield f"Of the measured ones {len(partial)} are partial: fewer splits or seeds than asked, as their notes say."
    short = [line for line in done if not _whole(line["videos"])]
    if done and not short:
        yield "Each was scored on all test videos of its splits."
    elif short:
        worst = min(short, key=lambda line: _share(line["videos"]))
        lack = "lacks" if len(short) == 1 else "lack"
        yield f"{several(len(short), 'row')} {lack} test videos, most {name(worst)}, which has {worst['videos']}."


def of_differences(lines: Sequence[Line]) -> Iterator[str]:
    """How far off: signed differences in points, and whether the interval holds the published value."""
    both = [line for line in lines if line["reproduced"] and line["published"]]
    if not any(line["published"] for line in lines):
        yield "No paper has values for this data set, so nothing can be compared: the rows stand for themselves."
    elif not both:
        yield "No row with a published value has been measured yet, so nothing can be compared."
    else:
        inside = [line for line in both if _within(line)]
        sizes = [float(line["difference"]) for line in both]
        yield (
            f"Beside {several(len(both), 'published value')} stand measured ones; {len(inside)} of them"
            f" lie in the measured 95 % interval. Reproduced minus published runs from {min(sizes):+.1f} to"
            f" {max(sizes):+.1f} points, and half of the differences are smaller than"
            f" {statistics.median(map(abs, sizes)):.1f}."
        )


def of_presets(lines: Sequence[Line]) -> Iterator[str]:
    """Which rows come from something smaller than the paper's recipe."""
    found = Counter(preset for line in lines if line["reproduced"] for preset in PRESET.findall(line["note"]))
    for preset, count in found.items():
        about = f": {SMALL[preset]}" if preset in SMALL else ""
        yield f"{several(count, 'row')} {'comes' if count == 1 else 'come'} from the preset {preset}{about}."


def reasons(lines: Sequence[Line]) -> list[str]:
    """Why rows have no value, most frequent first."""
    found = Counter((line["status"], line["note"]) for line in lines if not line["reproduced"]).most_common()
    named = [f"{several(count, 'row')}: {status}{f' ({note})' if note else ''}" for (status, note), count in found]
    rest = sum(count for _, count in found[REASONS:])
    return named[:REASONS] + ([f"{several(rest, 'row')}: other reasons, in the table"] if rest else [])


def furthest(lines: Sequence[Line]) -> list[list[str]]:
    """Rows of the table of largest differences."""
    both = [line for line in lines if line["reproduced"] and line["published"]]
    both.sort(key=lambda line: -abs(float(line["difference"])))
    return [[line["paper"], name(line), *(line[column] for column in FAR[2:])] for line in both[:FURTHEST]]


def measured(lines: Sequence[Line]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: every method's mean, or its split, over all classes and over each group of them."""
    groups = list(dict.fromkeys(line["classes"] for line in lines if line["classes"] != ALL))
    of_group = {(*results.key(line), line["classes"]): line["reproduced"] for line in lines if line["split"] == MEAN}
    done = [line for line in heads(lines) if line["reproduced"]]
    rows = [[line["paper"], name(line), line["reproduced"], f"{line['low']} to {line['high']}", line["videos"],
             *(of_group.get((*results.key(line), group), "") for group in groups)] for line in done]  # fmt: skip
    return ["paper", "method", "accuracy, %", "95 % interval", "videos", *groups], rows


def body(lines: Sequence[Line], plot: Path, splits: Path | None, left_out: Path | None) -> Iterator[str]:
    """The page's parts."""
    shown = heads(lines)
    for sentences in (of_data(splits, left_out), of_rows(shown), of_differences(shown), of_presets(shown)):
        yield pages.paragraph(" ".join(sentences))
    alt = "Measured accuracies with their 95 % intervals, and published ones; the tables say the same."
    yield pages.picture(plot, alt)
    if far := furthest(shown):
        yield pages.heading("Furthest from the papers")
        yield pages.table(FAR, far, FAR[2:6])
    header, rows = measured(lines)
    if rows:
        yield pages.heading("What was measured")
        yield pages.table(header, rows, header[2:])
    if missing := reasons(shown):
        yield pages.heading("What was not measured")
        yield pages.bullets(missing)
    yield pages.heading("Where to look next")
    yield pages.bullets(ELSEWHERE)
    yield pages.paragraph("No number here was typed: all are made from the table and the files behind it.", "faint")


def _whole(videos: str) -> bool:
    return _share(videos) == 1


def _share(videos: str) -> float:
    done, _, listed = videos.partition("/")
    return int(done) / int(listed) if listed and int(listed) else 0.0


def _within(line: Line) -> bool:
    return float(line["low"]) <= float(line["published"]) <= float(line["high"])


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("table", type=Path, help="results/tables/<data set>.csv")
    parser.add_argument("--plot", required=True, type=Path, help="the SVG of pipeline.report.compared")
    parser.add_argument("--splits", type=Path, help="splits.parquet, where the data set is here")
    parser.add_argument("--quarantine", type=Path, help="quarantine.tsv, where the data set is here")
    parser.add_argument("--out", required=True, type=Path, help="an HTML page")
    a = parser.parse_args(argv)
    lines = read(a.table)
    pages.write(a.out, f"{a.table.stem}: what was reproduced", *body(lines, a.plot, a.splits, a.quarantine))
    log.say(f"{a.out}: {len(lines)} lines of the table")


if __name__ == "__main__":
    cli.run(main)
