"""Where a result comes from: every file that it was made of, with settings, code, hashes, commit, machine and time.

`python -m pipeline.provenance results/tables/ucf101.csv` reads what the files themselves keep, Snakemake's records of
the jobs and their benchmarks. Nothing is guessed: what is recorded nowhere is said to be unknown, at the end.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.common.errors import UserError
from pipeline.common.files import whole_file
from pipeline.jobs import records
from pipeline.provenance.tree import Seen, tree


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("result", type=Path, help="a table, a score file, weights, shards: anything the workflow made")
    parser.add_argument("--out", type=Path, help="also write it to this file")
    a = parser.parse_args(argv)
    if not a.result.exists():
        raise UserError(f"{a.result} does not exist: make it first, or mend the path")
    folder, seen = records.home(a.result), Seen(set(), {})
    lines = list(tree(folder, a.result.absolute().relative_to(folder).as_posix(), seen))
    lines += [f"unknown: {what}, of {count} files" for what, count in seen.unknown.items()]
    print("\n".join(lines))
    if a.out:
        with whole_file(a.out) as scratch:
            scratch.write_text("\n".join([*lines, ""]), "utf-8")


if __name__ == "__main__":
    cli.run(main)
