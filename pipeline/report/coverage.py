"""What of a data set is there: n of the N videos that its splits list, and why each other one is left out."""

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

LISTED = 2000  # videos that the page names
MEANING = {
    "missing": "listed, but no file was found",
    "bad": "left out: it does not decode whole",
    "ignored": "a file that is no video of the data set",
    "kept": "used, though there is a doubt",
}


class Share(NamedTuple):
    """A class's videos that the splits list, and those of them that are there and decode."""

    name: str
    used: int
    listed: int


def shares(splits: Path, rows: Sequence[QuarantineRow]) -> list[Share]:
    """Every class in the order of its label."""
    table, _ = read_parquet(splits, SPLIT_COLUMNS)
    videos = table.drop_duplicates("video_id").sort_values("label", kind="stable")
    bad = {row.video_id for row in rows if row.verdict == "bad"}
    used = videos[videos["present"] & ~videos["video_id"].isin(bad)]["class"].value_counts()
    listed = videos["class"].value_counts()
    return [Share(name, int(used.get(name, 0)), int(listed[name])) for name in videos["class"].unique()]


def draw(found: Sequence[Share], title: str, out: Path) -> None:
    """A bar a class: listed as an outline, used as its filling."""
    some = len(found) > style.BARS
    kept = sorted(found, key=lambda share: share.used / share.listed)[: style.BARS] if some else found
    if not kept:
        style.message(out, title, "The splits list no video.")
        return
    made, parts = style.panels(len(kept), 4.6, 0.25)
    for part, place in parts:
        _bars(part, kept[place], max(share.listed for share in kept))
    used, listed = (sum(getattr(share, name) for share in found) for name in ("used", "listed"))
    which = f"; the {style.BARS} most incomplete classes of {len(found)}" if some else ""
    style.title(made, f"{title}: {used:,} of {listed:,} videos{which}")
    made.supxlabel("videos: filled are used, hatched outlines are listed and not there or not whole", fontsize=10)
    gaps = "; ".join(f"{share.name} {share.used} of {share.listed}" for share in found if share.used < share.listed)
    style.save(made, out, title, f"{used} of {listed} listed videos are used. {gaps or 'No class lacks a video'}.")


def _bars(part: Axes, kept: Sequence[Share], most: int) -> None:
    rows = range(len(kept))
    part.barh(rows, [share.listed for share in kept], color="white", edgecolor=style.ACCENT, hatch="xxx")
    part.barh(rows, [share.used for share in kept], color=style.LIGHT, edgecolor=style.DARK)
    for place, share in enumerate(kept):
        weight = "bold" if share.used < share.listed else "normal"
        part.annotate(f"{share.used}/{share.listed}", (share.listed, place), (4, 0), textcoords="offset points",
                      va="center", fontsize=8, weight=weight)  # fmt: skip
    part.set_yticks(rows, [style.short(share.name, 26) for share in kept], fontsize=9)
    part.set_xlim(0, 1.2 * most)
    part.grid(axis="y", visible=False)


def body(found: Sequence[Share], rows: Sequence[QuarantineRow]) -> Iterator[str]:
    """The page's parts: how many are used, how many rows of what kind, then each."""
    used, listed = (sum(getattr(share, name) for share in found) for name in ("used", "listed"))
    yield pages.paragraph(f"{used:,} of the {listed:,} videos that the splits list are used, of {len(found)} classes.")
    if not rows:
        yield pages.paragraph(
            "Nothing is in quarantine: every listed video was found and decoded whole, and no other file lay there.",
            "strong",
        )
        return
    kinds = Counter((row.verdict, row.stage) for row in rows).most_common()
    counts = [(verdict, stage, f"{count:,}", MEANING.get(verdict, "")) for (verdict, stage), count in kinds]
    yield pages.table(("verdict", "stage", "files", "meaning"), counts, ("files",))
    yield pages.heading("Every one of them" if len(rows) <= LISTED else f"The first {LISTED:,} of {len(rows):,}")
    if len(rows) > LISTED:
        yield pages.paragraph("The data set's quarantine.tsv, beside its manifest, names the others.")
    yield pages.table(QuarantineRow._fields, rows[:LISTED])


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--splits", required=True, type=Path, help="splits.parquet")
    parser.add_argument("--quarantine", required=True, type=Path, help="quarantine.tsv of the whole data set")
    parser.add_argument("--dataset", required=True, help="what it is called")
    parser.add_argument("--plot", required=True, type=Path, help="an SVG")
    parser.add_argument("--page", required=True, type=Path, help="an HTML page")
    a = parser.parse_args(argv)
    rows = quarantine.read([a.quarantine])
    found = shares(a.splits, rows)
    draw(found, f"{a.dataset}: coverage", a.plot)
    pages.write(a.page, f"{a.dataset}: videos that were left out, and why", *body(found, rows))
    log.say(f"{a.page}: {len(rows)} rows, {len(found)} classes")


if __name__ == "__main__":
    cli.run(main)
