"""Training shards: pack slices, verify shards, export them for other tools, import what other tools made."""

from collections.abc import Sequence

from pipeline import cli
from pipeline.shard_tools import adopt, export, pack, verify

COMMANDS = {"pack": pack, "verify": verify, "export": export, "import": adopt}


def main(argv: Sequence[str]) -> None:
    """`pack`, `verify`, `export` or `import`; each has its own --help."""
    parser = cli.parser(__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or "").splitlines()[0]
        command = commands.add_parser(name, help=summary, description=module.__doc__)
        module.options(command)
        command.set_defaults(run=module.run)
    a = parser.parse_args(argv)
    a.run(a)


if __name__ == "__main__":
    cli.run(main)
