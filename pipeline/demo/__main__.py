"""Write a demo data set: stick figures acting in front of textured backgrounds, in UCF-101's or HMDB51's archives."""

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.demo.archives import WRITERS, write


def arguments(argv: Sequence[str]) -> Namespace:
    """The parsed command line."""
    parser = cli.parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the two archives")
    parser.add_argument(
        "--dataset", choices=WRITERS, default="demo", help="demo has UCF-101's form, demo_pretrain HMDB51's"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random choices")
    parser.add_argument(
        "--groups", type=int, default=9, help="groups per class, each with another actor and background"
    )
    parser.add_argument("--clips", type=int, default=3, help="clips per group")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="clips drawn in parallel")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    """Write the archives of one data set."""
    args = arguments(argv)
    write(args.out, args.seed, args.groups, args.clips, args.threads, args.dataset)


if __name__ == "__main__":
    cli.run(main)
