"""Training shards: pack slices, verify shards, export them for other tools, import pictures from other tools."""

from collections.abc import Sequence

from pipeline.common import cli

COMMANDS = {"pack": "pack", "verify": "verify", "export": "export", "import": "import_pictures"}


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    cli.run_command("pipeline.shard", COMMANDS, argv, __doc__)


if __name__ == "__main__":
    cli.run(main)
