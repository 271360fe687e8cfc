"""Fetch a data set: get its archives, verify them, and unpack them into OUT/videos and OUT/lists.

An archive that is already in the --archives folder or in OUT/archives is verified and used; the others are downloaded.
A killed or failed run continues where it stopped. OUT/fetched.tsv is written last: it lists the archives and their
sources, and exists only when the data set is complete. Beside it are archives/ (downloads), checksums.tsv (recorded at
the first download and checked at every later one) and receipts/ (the files of each archive).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.fetch.archives.store import ArchiveStore
from pipeline.fetch.dataset import DatasetFetch
from pipeline.fetch.download import RetryPolicy
from pipeline.fetch.sources import TABLE, sources


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="a data set of the table of sources")
    parser.add_argument("--out", required=True, type=Path, help="folder to fill, such as data/raw/NAME")
    parser.add_argument("--archives", type=Path, help="folder of archives that were downloaded before")
    parser.add_argument("--sources", type=Path, default=TABLE, help="table of files and URLs")
    parser.add_argument(
        "--keep-archives",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep downloaded archives once they are unpacked",
    )
    parser.add_argument(
        "--attempts", type=int, default=RetryPolicy.attempts, help="failed attempts in a row before a URL is given up"
    )
    parser.add_argument("--connect-timeout", type=float, default=RetryPolicy.connect, help="seconds")
    parser.add_argument("--read-timeout", type=float, default=RetryPolicy.read, help="seconds without a byte")
    parser.add_argument(
        "--first-wait", type=float, default=RetryPolicy.first_wait, help="seconds between attempts; doubles each time"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    """Run the command line of the fetch stage."""
    args = arguments(argv)
    retries = RetryPolicy(args.connect_timeout, args.read_timeout, args.attempts, args.first_wait)
    store = ArchiveStore(args.out, args.archives, retries)
    DatasetFetch(args.out, store, args.keep_archives).run(sources(args.dataset, args.sources))


if __name__ == "__main__":
    cli.run(main)
