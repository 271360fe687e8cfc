"""Index a data set: its videos, classes, splits and slices, from the official lists or from a folder of class folders.

`manifest` writes manifest.parquet, `splits` splits.parquet, `coverage` coverage.tsv (n of N videos per class) and
index.quarantine.tsv with what does not fit. Each is a job of its own, since different things are made of them: of
another split file no shards, of a stray file nothing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.index import annotations
from pipeline.index.annotations import Entry
from pipeline.index.build import PARTS, build, write
from pipeline.index.membership import LAYOUTS


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("part", choices=PARTS, help="what to write")
    parser.add_argument("--dataset", required=True, help="the data set's name")
    parser.add_argument("--videos", required=True, type=Path, help="folder of videos, in class folders or as fetched")
    parser.add_argument("--layout", choices=[*LAYOUTS, "folder"], default="folder", help="how to know the splits")
    parser.add_argument("--lists", help="folder of the official lists; otherwise they lie in the videos' folder")
    parser.add_argument("--split-file", help="table with the columns video, split, role; otherwise splits are drawn")
    parser.add_argument("--label-map", help="file with a class name a line, in label order")
    parser.add_argument(
        "--draw", type=int, default=annotations.DRAWN, help="how many splits to draw where no list has them"
    )
    parser.add_argument("--test-share", type=float, default=0.3, help="share of each class that tests, when drawn")
    parser.add_argument("--slices", type=int, default=4, help="number of slices")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, type=Path, help="folder for the results")
    a = parser.parse_args(argv)

    def draw(classes: Mapping[str, str]) -> list[Entry]:
        if a.split_file:
            return annotations.split_file(a.split_file)
        return annotations.stratified(classes, range(1, a.draw + 1), a.test_share, a.seed)

    built = build(a.videos, draw, a.layout, a.lists, a.slices, a.seed, a.label_map)
    write(a.out, a.dataset, built, a.slices, a.part)


if __name__ == "__main__":
    cli.run(main)
