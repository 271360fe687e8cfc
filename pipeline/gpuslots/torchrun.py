"""The torchrun command of a training job on several GPUs, on one machine or on the nodes of a Slurm job."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.common.errors import UserError

PORTS = (20_000, 40_000)  # range of rendezvous ports; a job's port depends on its number


class Allocation(NamedTuple):
    """The nodes of a Slurm job, by address, and the CPUs that the job has on each."""

    nodes: list[str]
    cpus: int


def torchrun_command(command: Sequence[str], gpus: int, environ: Mapping[str, str]) -> list[str]:
    """The command that runs `python -m MODULE ...` as one process per GPU; for one GPU, `command` unchanged.

    `gpus` counts all GPUs of the job, over all its nodes.
    """
    if gpus <= 1:
        return list(command)
    if list(command[1:2]) != ["-m"]:
        raise UserError(
            f"only python -m MODULE can run on {gpus} GPUs with --torchrun, not {' '.join(command)}: use that form"
        )
    job = environ.get("SLURM_JOB_ID", "")
    nodes, cpus = slurm_allocation(job) if job else Allocation([""], 0)
    if gpus % len(nodes):
        raise UserError(
            f"{gpus} GPUs cannot be divided evenly among {len(nodes)} nodes: ask for a multiple of {len(nodes)}"
        )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(gpus // len(nodes))]
    module = ["-m", "--", *command[2:]]  # without the -- torchrun would read the module's --run as its own --run-path
    if len(nodes) == 1:
        return [*launcher, "--standalone", *module]
    if "SLURM_STEP_ID" in environ:
        raise UserError(
            f"the job has {len(nodes)} nodes but runs in a step on one of them: set mpi: \"'srun'\" and"
            " tasks_per_node for its rule in the profile"
        )
    return [*srun_command(len(nodes), cpus), *launcher, *rendezvous_options(job, nodes), *module]


def srun_command(nodes: int, cpus: int) -> list[str]:
    """srun with one task per node, which has all the CPUs that the job has there."""
    count = str(nodes)
    return ["srun", "--nodes", count, "--ntasks", count, "--ntasks-per-node", "1", "--cpus-per-task", str(cpus)]


def rendezvous_options(job: str, nodes: Sequence[str]) -> list[str]:
    """torchrun's options for a rendezvous on the first node."""
    port = PORTS[0] + int(job) % (PORTS[1] - PORTS[0])
    options = ["--nnodes", str(len(nodes)), "--rdzv-id", job, "--rdzv-backend", "c10d"]
    return [*options, "--rdzv-endpoint", f"{nodes[0]}:{port}"]


def slurm_allocation(job: str) -> Allocation:
    """The job's allocation, read from squeue and scontrol: Snakemake's executor unsets the variables that hold it."""
    if not shutil.which("squeue"):
        return Allocation([""], 0)
    line = _output("squeue", "--noheader", "--jobs", job, "--format", "%C %N")
    cpus, _, names = line.partition(" ")
    nodes = re.findall(r"NodeAddr=(\S+)", _output("scontrol", "show", "node", names)) if names else []
    return Allocation(nodes, int(cpus) // len(nodes)) if nodes else Allocation([""], 0)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
