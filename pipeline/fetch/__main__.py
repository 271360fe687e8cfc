"""Fetch a data set: get its archives, verify them, and unpack them into OUT/videos and OUT/lists.

An archive that is already in the --archives folder, or in OUT/archives, is used after checking; the others are
downloaded. A killed or failed run goes on where it stopped. OUT/fetched.tsv is written last: it says what came from
where, and that everything is there. Beside it lie archives/ (downloads), checksums.tsv (recorded at the first download,
checked ever after) and receipts/ (which files each archive brought).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.fetch.archives.shelf import Shelf
from pipeline.fetch.dataset import Fetch
from pipeline.fetch.download import Patience
from pipeline.fetch.sources import TABLE, sources


def main(argv: Sequence[str]) -> None:
    """The command line of the stage."""
    parser = cli.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="a data set that the sources list")
    parser.add_argument("--out", required=True, type=Path, help="folder to fill, say data/raw/NAME")
    parser.add_argument("--archives", type=Path, help="folder in which archives may lie already")
    parser.add_argument("--sources", type=Path, default=TABLE, help="table of files and addresses")
    parser.add_argument(
        "--keep-archives",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep downloaded archives once they are unpacked",
    )
    parser.add_argument("--attempts", type=int, default=Patience.attempts, help="fruitless attempts at one address")
    parser.add_argument("--connect-timeout", type=float, default=Patience.connect, help="seconds")
    parser.add_argument("--read-timeout", type=float, default=Patience.read, help="seconds without a byte")
    parser.add_argument("--first-wait", type=float, default=Patience.first_wait, help="seconds; doubles each time")
    given = parser.parse_args(argv)
    patience = Patience(given.connect_timeout, given.read_timeout, given.attempts, given.first_wait)
    wanted = sources(given.dataset, given.sources)
    Fetch(given.out, Shelf(given.out, given.archives, patience), given.keep_archives).run(wanted)


if __name__ == "__main__":
    cli.run(main)
