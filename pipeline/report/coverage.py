"""Coverage of a data set: how many of the videos that its splits list are used, and why each other one is left out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes

from pipeline.common import cli, log
from pipeline.formats import quarantine
from pipeline.formats.manifest import SPLIT_COLUMNS, read_parquet
from pipeline.formats.quarantine import QuarantineRow
from pipeline.report import pages, style

NAMED = 2000  # files of the quarantine that the page names
MEANING = {
    "missing": "listed, but no file was found",
    "bad": "left out: it does not decode whole",
    "ignored": "a file that is no video of the data set",
    "kept": "used, though there is a doubt",
}


class ClassCoverage(NamedTuple):
    """A class with the number of its videos that are used (found and decoded whole), and that the splits list."""

    name: str
    used: int
    listed: int


def count_videos(splits: Path, rows: Sequence[QuarantineRow]) -> list[ClassCoverage]:
    """The coverage of every class, in the order of the labels; `rows` are the quarantine."""
    table, _ = read_parquet(splits, SPLIT_COLUMNS)
    videos = table.drop_duplicates("video_id").sort_values("label", kind="stable")
    bad = {row.video_id for row in rows if row.verdict == "bad"}
    used = videos[videos["present"] & ~videos["video_id"].isin(bad)]["class"].value_counts()
    listed = videos["class"].value_counts()
    return [ClassCoverage(name, int(used.get(name, 0)), int(listed[name])) for name in videos["class"].unique()]


def draw(classes: Sequence[ClassCoverage], title: str, out: Path) -> None:
    """Plot a bar for each class: an outline of the length of the listed videos, filled up to the used ones."""
    too_many = len(classes) > style.BARS
    shown = sorted(classes, key=lambda one: one.used / one.listed)[: style.BARS] if too_many else classes
    if not shown:
        style.message(out, title, "The splits list no video.")
        return
    figure, panels = style.panels(len(shown), 4.6, 0.25)
    for axes, classes_of_panel in panels:
        _bars(axes, shown[classes_of_panel], max(one.listed for one in shown))
    used, listed = totals(classes)
    selection = f"; the {style.BARS} most incomplete classes of {len(classes)}" if too_many else ""
    style.title(figure, f"{title}: {used:,} of {listed:,} videos{selection}")
    figure.supxlabel("videos: filled are used, hatched outlines are listed and not there or not whole", fontsize=10)
    gaps = "; ".join(f"{one.name} {one.used} of {one.listed}" for one in classes if one.used < one.listed)
    style.save(figure, out, title, f"{used} of {listed} listed videos are used. {gaps or 'No class lacks a video'}.")


def totals(classes: Sequence[ClassCoverage]) -> tuple[int, int]:
    """The used and the listed videos of all classes."""
    return sum(one.used for one in classes), sum(one.listed for one in classes)


def _bars(axes: Axes, classes: Sequence[ClassCoverage], largest: int) -> None:
    y = range(len(classes))
    axes.barh(y, [one.listed for one in classes], color="white", edgecolor=style.ACCENT, hatch="xxx")
    axes.barh(y, [one.used for one in classes], color=style.LIGHT, edgecolor=style.DARK)
    for row, one in enumerate(classes):
        weight = "bold" if one.used < one.listed else "normal"
        axes.annotate(f"{one.used}/{one.listed}", (one.listed, row), (4, 0), textcoords="offset points",
                      va="center", fontsize=8, weight=weight)  # fmt: skip
    axes.set_yticks(y, [style.shorten(one.name, 26) for one in classes], fontsize=9)
    axes.set_xlim(0, 1.2 * largest)
    axes.grid(axis="y", visible=False)


def body(classes: Sequence[ClassCoverage], rows: Sequence[QuarantineRow]) -> Iterator[str]:
    """The page as HTML: how many videos are used, how many files are in quarantine for which reason, then each."""
    used, listed = totals(classes)
    yield pages.paragraph(
        f"{used:,} of the {listed:,} videos that the splits list are used, of {len(classes)} classes."
    )
    if not rows:
        yield pages.paragraph(
            "Nothing is in quarantine: every listed video was found and decoded whole, and no other file lay there.",
            "strong",
        )
        return
    counts = Counter((row.verdict, row.stage) for row in rows).most_common()
    table = [(verdict, stage, f"{count:,}", MEANING.get(verdict, "")) for (verdict, stage), count in counts]
    yield pages.table(("verdict", "stage", "files", "meaning"), table, ("files",))
    yield pages.heading("Every one of them" if len(rows) <= NAMED else f"The first {NAMED:,} of {len(rows):,}")
    if len(rows) > NAMED:
        yield pages.paragraph("The data set's quarantine.tsv, beside its manifest, names the others.")
    yield pages.table(QuarantineRow._fields, rows[:NAMED])


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--quarantine", required=True, type=Path, help="quarantine.tsv of the whole data set")
    parser.add_argument("--dataset", required=True, help="what it is called")
    parser.add_argument("--plot", required=True, type=Path, help="an SVG")
    parser.add_argument("--page", required=True, type=Path, help="an HTML page")
    args = parser.parse_args(argv)
    rows = quarantine.read([args.quarantine])
    classes = count_videos(args.splits, rows)
    draw(classes, f"{args.dataset}: coverage", args.plot)
    pages.write(args.page, f"{args.dataset}: videos that were left out, and why", *body(classes, rows))
    log.say(f"{args.page}: {len(rows)} files in quarantine, {len(classes)} classes")


if __name__ == "__main__":
    cli.run(main)
