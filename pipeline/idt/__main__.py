"""Improved dense trajectories, from slices of frames to scores: sample, vocabulary, encode, classify; keep and draw."""

from collections.abc import Sequence

from pipeline.common import cli

COMMANDS = {name: name for name in ("sample", "vocabulary", "encode", "classify", "keep", "draw")}


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    cli.run_command("pipeline.idt", COMMANDS, argv, __doc__)


if __name__ == "__main__":
    cli.run(main)
