"""Which jobs would run again for a target, and why: `python -m pipeline.why results/tables/ucf101.csv`.

Runs Snakemake's dry run and explains its reasons with its records of the finished jobs: which settings changed and
how, which module's code changed, which input is newer. Other options, such as --configfile mine.yaml, are passed to
Snakemake. No job is run.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.jobs.dry_run import dry_run, parse_jobs
from pipeline.why.explain import count_jobs, explain


def main(argv: Sequence[str]) -> None:
    """Print the number of jobs that would run, then a line per rule and set of reasons."""
    parser = cli.parser(__doc__)
    parser.add_argument("target", nargs="+", help="a file that the workflow makes, or a rule's name")
    parser.add_argument(
        "--directory", "-d", type=Path, default=Path(), help="where the workflow keeps data and results"
    )
    args, options = parser.parse_known_args(argv)
    jobs = parse_jobs(dry_run(args.target, [*options, "--directory", str(args.directory)]))
    jobs = [job for job in jobs if job.outputs]
    lines = list(explain(jobs, args.directory))
    print(f"{' '.join(args.target)}: {f'{count_jobs(jobs)} would run' if jobs else 'nothing would run'}")
    print("\n".join(lines), end="\n" * bool(lines))


if __name__ == "__main__":
    cli.run(main)
