"""Snakemake's dry run: the jobs that it would run for some targets, parsed from its output. Nothing is run."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.paths import ROOT

JOB = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):\n((?: {4}.*\n)+)", re.M)


class Job(NamedTuple):
    """A job of a dry run. A job without outputs stands for a target rule such as `all`."""

    rule: str
    inputs: list[str]
    outputs: list[str]
    reason: str
    wildcards: Mapping[str, str] = {}
    benchmark: str = ""
    threads: int = 1
    gpus: int = 0


def dry_run(targets: Sequence[str], options: Sequence[str], cores: int = 1) -> str:
    """The output of `snakemake -n` with further `options`; raises UserError if Snakemake rejects config or targets."""
    command = [sys.executable, "-m", "snakemake", "-n", "--nocolor", "--cores", str(cores)]
    snakefile = [] if {"--snakefile", "-s"} & set(options) else ["--snakefile", str(ROOT / "Snakefile")]
    command += [*snakefile, *options, "--", *targets]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    output = process.stdout + process.stderr
    if process.returncode:
        output = re.sub(r"^Using .*profile.*\n", "", output, flags=re.M)
        before_message = r"^(?:WorkflowError|\w+Exception)\b.*:\n|^Building DAG of jobs...\n"
        message = re.split(before_message, output, flags=re.M)[-1]
        raise UserError(f"Snakemake cannot plan {' '.join(targets)}: {' '.join(message.split())}")
    return output


def parse_jobs(output: str) -> list[Job]:
    """The jobs of a dry run's output, in its order."""
    return [_job(rule, dict(re.findall(r"^ {4}(\w+): (.*)$", block, re.M))) for rule, block in JOB.findall(output)]


def _job(rule: str, lines: Mapping[str, str]) -> Job:
    """A job from the `key: value` lines of its block."""
    inputs, outputs, wildcards, resources = (
        list(filter(None, lines.get(name, "").split(", "))) for name in ("input", "output", "wildcards", "resources")
    )
    gpus = int(_assignments(resources).get("gpu", "0"))
    return Job(
        rule, inputs, outputs, lines.get("reason", ""), _assignments(wildcards), lines.get("benchmark", ""),
        int(lines.get("threads", 1)), gpus,
    )  # fmt: skip


def _assignments(texts: Sequence[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in texts if "=" in text)
