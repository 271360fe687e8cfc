"""What Snakemake would do: its dry run asked for, and read.

Options are handed on to Snakemake, such as --configfile mine.yaml. Nothing is run.
"""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.paths import ROOT

JOB = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):\n((?: {4}.*\n)+)", re.M)


class Job(NamedTuple):
    """A job that a dry run lists; one without outputs is a target's name, such as `all`."""

    rule: str
    inputs: list[str]
    outputs: list[str]
    reason: str
    wildcards: Mapping[str, str] = {}
    benchmark: str = ""
    threads: int = 1
    gpus: int = 0


def parse(text: str) -> list[Job]:
    """The jobs of a dry run's output, in its order."""
    return [_job(rule, dict(re.findall(r"^ {4}(\w+): (.*)$", block, re.M))) for rule, block in JOB.findall(text)]


def _job(rule: str, lines: Mapping[str, str]) -> Job:
    inputs, outputs, wildcards, resources = (
        list(filter(None, lines.get(name, "").split(", "))) for name in ("input", "output", "wildcards", "resources")
    )
    gpus = dict(each.split("=", 1) for each in resources if "=" in each).get("gpu", "0")
    return Job(
        rule, inputs, outputs, lines.get("reason", ""), dict(each.split("=", 1) for each in wildcards if "=" in each),
        lines.get("benchmark", ""), int(lines.get("threads", 1)), int(gpus),
    )  # fmt: skip


def dry_run(targets: Sequence[str], options: Sequence[str], cores: int = 1) -> str:
    """What `snakemake -n` prints; a config or target that it refuses is the user's error."""
    command = [sys.executable, "-m", "snakemake", "-n", "--nocolor", "--cores", str(cores)]
    own = [] if {"--snakefile", "-s"} & set(options) else ["--snakefile", str(ROOT / "Snakefile")]
    run = subprocess.run([*command, *own, *options, "--", *targets], capture_output=True, text=True, check=False)
    said = run.stdout + run.stderr
    if run.returncode:
        said = re.sub(r"^Using .*profile.*\n", "", said, flags=re.M)
        words = re.split(r"^(?:WorkflowError|\w+Exception)\b.*:\n|^Building DAG of jobs...\n", said, flags=re.M)[-1]
        raise UserError(f"Snakemake cannot plan {' '.join(targets)}: {' '.join(words.split())}")
    return said
