"""What would run again for a target, and why, in words: `python -m pipeline.why results/tables/ucf101.csv`.

Asks Snakemake for a dry run and explains its reasons from its records of the jobs that made what is there: which
settings changed from what to what, which module's code, which input is newer. Options beyond its own go to Snakemake,
such as --configfile mine.yaml. Runs nothing.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.jobs.dry_run import dry_run, parse
from pipeline.why.explain import _count, explain


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("target", nargs="+", help="a file that the workflow makes, or a rule's name")
    parser.add_argument(
        "--directory", "-d", type=Path, default=Path(), help="where the workflow keeps data and results"
    )
    a, options = parser.parse_known_args(argv)
    jobs = parse(dry_run(a.target, [*options, "--directory", str(a.directory)]))
    lines = list(explain(jobs, a.directory))
    run = [job for job in jobs if job.outputs]
    print(f"{' '.join(a.target)}: {f'{_count(run)} would run' if run else 'nothing would run'}")
    print("\n".join(lines), end="\n" * bool(lines))


if __name__ == "__main__":
    cli.run(main)
