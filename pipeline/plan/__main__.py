"""The cost of a target before it is made: `python -m pipeline.plan results/tables/ucf101.csv`.

Prints a line per stage: jobs to run and finished jobs, GPU and core hours, the shortest time on this machine or a given
one, disk space and files, each as likely (low - high), and the basis of the numbers: jobs that ran here, a benchmark,
or an estimate. Other options are passed to Snakemake. No job is run.
"""

import contextlib
import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.common.paths import ROOT
from pipeline.plan.estimate import list_jobs, load_config, make_plan
from pipeline.plan.formats import FORMATS
from pipeline.plan.machines import choose_machine


def arguments(argv: Sequence[str]) -> tuple[Namespace, list[str]]:
    """(parsed command line, further options for Snakemake)."""
    parser = cli.parser(__doc__)
    parser.add_argument("target", nargs="+", help="a file that the workflow makes, or a rule's name")
    parser.add_argument(
        "--directory", "-d", type=Path, default=Path(), help="where the workflow keeps data and results"
    )
    parser.add_argument("--snakefile", "-s", type=Path, default=ROOT / "Snakefile", help="the workflow")
    parser.add_argument("--configfile", "--configfiles", nargs="+", type=Path, default=[], help="as Snakemake's")
    parser.add_argument("--config", "-C", nargs="*", default=[], metavar="KEY=VALUE", help="as Snakemake's")
    parser.add_argument("--cores", type=int, help="cores of the machine; by default those of this machine")
    parser.add_argument("--gpus", type=int, help="GPUs of the machine; by default those of this machine")
    parser.add_argument("--gpu", metavar="NAME", help="the GPUs' name in machines.tsv, such as A100")
    parser.add_argument("--format", choices=FORMATS, default="text")
    args, options = parser.parse_known_args(argv)
    if args.directory.exists() and not args.directory.is_dir():
        raise UserError(f"--directory is {args.directory}, which is a file: give a folder")
    if not args.snakefile.is_file():
        raise UserError(f"--snakefile is {args.snakefile}, which is no file: leave it out for {ROOT / 'Snakefile'}")
    return args, options


def dry_run_options(args: Namespace, options: Sequence[str]) -> list[str]:
    """The options of Snakemake's dry run."""
    options = [*options, "--snakefile", str(args.snakefile), "--directory", str(args.directory)]
    options += ["--configfile", *map(str, args.configfile)] if args.configfile else []
    return options + (["--config", *args.config] if args.config else [])


def main(argv: Sequence[str]) -> None:
    """Print the plan; with CSV the notes go to the log."""
    args, options = arguments(argv)
    machine = choose_machine(args.cores, args.gpus, args.gpu, os.environ)
    config = load_config(args.configfile, args.config, args.snakefile.with_name("config.yaml"))
    jobs, all_jobs = list_jobs(args.target, dry_run_options(args, options), machine.cores, args.directory)
    with contextlib.chdir(args.directory if args.directory.is_dir() else Path()):
        plan = make_plan(jobs, all_jobs, config, machine)
    print(FORMATS[args.format](plan))
    if args.format == "csv":
        for note in plan.notes:
            log.say(note)


if __name__ == "__main__":
    cli.run(main)
