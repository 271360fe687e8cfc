"""Index a data set: its videos, classes, splits and slices, from the official lists or from a folder of class folders.

`manifest` writes manifest.parquet, `splits` writes splits.parquet, and `coverage` writes coverage.tsv (how many of the
listed videos are present, per class) and index.quarantine.tsv (missing and ignored files). Each part is a separate job,
so that another split file does not re-run the jobs on frames and flow, and an unrelated file re-runs nothing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.index import annotations, own_tables
from pipeline.index.annotations import SplitEntry
from pipeline.index.build import PARTS, build_tables, write_part
from pipeline.index.membership import LAYOUTS


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("part", choices=PARTS, help="what to write")
    parser.add_argument("--dataset", required=True, help="name of the data set")
    parser.add_argument("--videos", required=True, type=Path, help="folder of videos, in class folders or as fetched")
    parser.add_argument(
        "--layout", choices=[*LAYOUTS, "folder"], default="folder", help="format of the lists; folder: class folders"
    )
    parser.add_argument("--lists", help="folder of the official lists (default: the folder of the videos)")
    parser.add_argument(
        "--split-file",
        help="table with the columns video, split, role (default: folders train, val and test, or drawn)",
    )
    parser.add_argument("--label-map", help="file with one class name per line, in label order")
    parser.add_argument(
        "--draw", type=int, default=annotations.MIN_DRAWN_SPLITS, help="number of splits to draw if no list has them"
    )
    parser.add_argument("--test-share", type=float, default=0.3, help="share of each class in the test part, if drawn")
    parser.add_argument("--slices", type=int, default=4, help="number of slices")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, type=Path, help="folder for the results")
    args = parser.parse_args(argv)

    def make_splits(classes: Mapping[str, str], folder_entries: list[SplitEntry]) -> list[SplitEntry]:
        if args.split_file:
            return own_tables.read_split_file(args.split_file)
        if folder_entries:
            return folder_entries
        return annotations.stratified_splits(classes, range(1, args.draw + 1), args.test_share, args.seed)

    tables = build_tables(args.videos, make_splits, args.layout, args.lists, args.slices, args.seed, args.label_map)
    write_part(args.out, args.dataset, tables, args.slices, args.part)


if __name__ == "__main__":
    cli.run(main)
