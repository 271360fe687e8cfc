"""Improved dense trajectories, from slices of frames to scores: sample, vocabulary, encode, classify; keep and draw."""

import importlib
import sys
from collections.abc import Sequence

from pipeline import cli
from pipeline.errors import UserError

COMMANDS = ("sample", "vocabulary", "encode", "classify", "keep", "draw")


def main(argv: Sequence[str]) -> None:
    """One command, which alone is imported: fitting needs no OpenCV, following tracks no scikit-learn."""
    if not argv or argv[0] not in COMMANDS:
        if argv and argv[0] in ("-h", "--help"):
            print(f"usage: python -m pipeline.idt COMMAND ...\n\n{__doc__}\nEach has its own --help.")
            return
        raise UserError(f"pipeline.idt was given {argv[0] if argv else 'nothing'}: give one of {', '.join(COMMANDS)}")
    module = importlib.import_module(f"{__package__}.{argv[0]}")
    parser = cli.parser(module.__doc__)
    parser.prog = f"python -m pipeline.idt {argv[0]}"
    module.options(parser)
    module.run(parser.parse_args(argv[1:]))


if __name__ == "__main__":
    cli.run(lambda _: main(sys.argv[1:]))
