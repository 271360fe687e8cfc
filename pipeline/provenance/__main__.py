"""All files that a result was made from, as a tree: settings, code, hashes, commit, machine and time of each.

`python -m pipeline.provenance results/tables/ucf101.csv` reads the metadata inside the files, Snakemake's records of
the jobs and their benchmarks. Nothing is guessed: what is not recorded is listed as unknown at the end.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.common.errors import UserError
from pipeline.common.files import whole_file
from pipeline.jobs import records
from pipeline.provenance.tree import Walk, tree


def main(argv: Sequence[str]) -> None:
    """Print the tree, and write it to --out if that is given."""
    parser = cli.parser(__doc__)
    parser.add_argument("result", type=Path, help="a table, a score file, weights, shards: anything the workflow made")
    parser.add_argument("--out", type=Path, help="also write the tree to this file")
    args = parser.parse_args(argv)
    if not args.result.exists():
        raise UserError(f"{args.result} does not exist: make it first, or correct the path")
    folder, walk = records.workflow_folder(args.result), Walk(set(), {})
    lines = list(tree(folder, args.result.absolute().relative_to(folder).as_posix(), walk))
    lines += [f"unknown: {name}, of {count} files" for name, count in walk.unknown.items()]
    print("\n".join(lines))
    if args.out:
        with whole_file(args.out) as scratch:
            scratch.write_text("\n".join([*lines, ""]), "utf-8")


if __name__ == "__main__":
    cli.run(main)
