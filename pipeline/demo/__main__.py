"""Writes a demo data set: stick figures acting over textured backgrounds, as UCF-101 or HMDB51 would hand them out."""

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.demo.archives import WRITERS, write


def arguments(argv: Sequence[str]) -> Namespace:
    """The command line, parsed."""
    parser = cli.parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the two archives")
    parser.add_argument(
        "--dataset", choices=WRITERS, default="demo", help="demo is in UCF-101's form, the other in HMDB51's"
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, other clips")
    parser.add_argument("--groups", type=int, default=9, help="groups a class, each with its own actor and background")
    parser.add_argument("--clips", type=int, default=3, help="clips a group")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="clips drawn at a time")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    args = arguments(argv)
    write(args.out, args.seed, args.groups, args.clips, args.threads, args.dataset)


if __name__ == "__main__":
    cli.run(main)
