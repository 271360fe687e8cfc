"""One training on several GPUs: the command that starts a process a GPU, on one machine or on a Slurm job's nodes."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.common.errors import UserError

PORTS = (20_000, 40_000)  # where the processes of different jobs meet, told apart by the job's number


class Allocation(NamedTuple):
    """A Slurm job's nodes by the addresses that Slurm has for them, and the CPUs that it has on each."""

    nodes: list[str]
    cpus: int


def spread(command: Sequence[str], gpus: int, environ: Mapping[str, str]) -> list[str]:
    """`python -m MODULE ...` as torchrun starts it on `gpus` GPUs, which are all of the job's; for one, as it is."""
    if gpus <= 1:
        return list(command)
    if list(command[1:2]) != ["-m"]:
        raise UserError(f"only python -m MODULE can be spread over {gpus} GPUs, not {' '.join(command)}: give that")
    job = environ.get("SLURM_JOB_ID", "")
    found = allocation(job) if job else Allocation([""], 0)
    if gpus % len(found.nodes):
        raise UserError(f"{gpus} GPUs do not spread evenly over {len(found.nodes)} nodes: ask for a multiple")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(gpus // len(found.nodes))]
    module = ["-m", "--", *command[2:]]  # without the -- torchrun takes the module's --run for its own --run-path
    if len(found.nodes) == 1:
        return [*launcher, "--standalone", *module]
    if "SLURM_STEP_ID" in environ:
        raise UserError(
            f"the job has {len(found.nodes)} nodes but runs in a step on one of them: set mpi: \"'srun'\" and"
            " tasks_per_node for its rule in the profile"
        )
    return [*step(found), *launcher, *meeting(job, found), *module]


def step(found: Allocation) -> list[str]:
    """One task a node, with all that the job has there."""
    count = str(len(found.nodes))
    return ["srun", "--nodes", count, "--ntasks", count, "--ntasks-per-node", "1", "--cpus-per-task", str(found.cpus)]


def meeting(job: str, found: Allocation) -> list[str]:
    """Where the processes of all nodes find each other: on the first."""
    port = PORTS[0] + int(job) % (PORTS[1] - PORTS[0])
    options = ["--nnodes", str(len(found.nodes)), "--rdzv-id", job, "--rdzv-backend", "c10d"]
    return [*options, "--rdzv-endpoint", f"{found.nodes[0]}:{port}"]


def allocation(job: str) -> Allocation:
    """A Slurm job's, from Slurm: Snakemake's executor takes away the variables that would say it."""
    if not shutil.which("squeue"):
        return Allocation([""], 0)
    said = _output("squeue", "--noheader", "--jobs", job, "--format", "%C %N")
    cpus, _, names = said.partition(" ")
    nodes = re.findall(r"NodeAddr=(\S+)", _output("scontrol", "show", "node", names)) if names else []
    return Allocation(nodes, int(cpus) // len(nodes)) if nodes else Allocation([""], 0)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
