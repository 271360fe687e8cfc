"""What a target would cost, before a week of compute: `python -m pipeline.plan results/tables/ucf101.csv`.

A line a stage: jobs left and done, GPU and core hours, how long this machine, or one that is stated, needs at the
least, disk and files, each as likely (low - high), and what the figures stand on: jobs that ran here, a benchmark's
result, or reckoning. Options beyond its own go to Snakemake. Runs nothing.
"""

import contextlib
import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.jobs.dry_run import ROOT
from pipeline.plan import formats, machines
from pipeline.plan.estimate import configuration, jobs_of, planned


def arguments(argv: Sequence[str]) -> tuple[Namespace, list[str]]:
    """The command line, parsed, and what goes to Snakemake as it stands."""
    parser = cli.parser(__doc__)
    parser.add_argument("target", nargs="+", help="a file that the workflow makes, or a rule's name")
    parser.add_argument(
        "--directory", "-d", type=Path, default=Path(), help="where the workflow keeps data and results"
    )
    parser.add_argument("--snakefile", "-s", type=Path, default=ROOT / "Snakefile", help="the workflow")
    parser.add_argument("--configfile", "--configfiles", nargs="+", type=Path, default=[], help="as Snakemake's")
    parser.add_argument("--config", "-C", nargs="*", default=[], metavar="KEY=VALUE", help="as Snakemake's")
    parser.add_argument("--cores", type=int, help="of the machine; this one's unless given")
    parser.add_argument("--gpus", type=int, help="of the machine; this one's unless given")
    parser.add_argument("--gpu", metavar="NAME", help="which, by machines.tsv, such as A100")
    parser.add_argument("--format", choices=formats.FORMATS, default="text")
    a, more = parser.parse_known_args(argv)
    if a.directory.exists() and not a.directory.is_dir():
        raise UserError(f"--directory is {a.directory}, which is a file: give a folder")
    if not a.snakefile.is_file():
        raise UserError(f"--snakefile is {a.snakefile}, which is no file: leave it out for {ROOT / 'Snakefile'}")
    return a, more


def handed_on(a: Namespace, more: Sequence[str]) -> list[str]:
    """The options of Snakemake's dry run."""
    options = [*more, "--snakefile", str(a.snakefile), "--directory", str(a.directory)]
    options += ["--configfile", *map(str, a.configfile)] if a.configfile else []
    return options + (["--config", *a.config] if a.config else [])


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    a, more = arguments(argv)
    machine = machines.machine(a.cores, a.gpus, a.gpu, os.environ)
    config = configuration(a.configfile, a.config, a.snakefile.with_name("config.yaml"))
    left, every = jobs_of(a.target, handed_on(a, more), machine.cores, a.directory)
    with contextlib.chdir(a.directory if a.directory.is_dir() else Path()):
        found = planned(left, every, config, machine)
    print(formats.FORMATS[a.format](found))
    if a.format == "csv":
        for note in found.notes:
            log.say(note)


if __name__ == "__main__":
    cli.run(main)
