"""The machine of a plan: its cores and GPUs, detected or given, and the peak performance of its GPUs."""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv
from pipeline.gpuslots import slots

TABLE = Path(__file__).with_name("machines.tsv")
COLUMNS = ("gpu", "half", "single", "source")


class Peaks(NamedTuple):
    """Peak dense operations per second: bf16 and fp16 (`half`), and fp32 (`single`; TF32 where the GPU has it)."""

    half: float
    single: float


class Machine(NamedTuple):
    """`is_local` says that this is the present machine with all its GPUs, so that times measured here apply to it."""

    cores: int
    gpus: int
    gpu: str
    peaks: Peaks | None
    is_local: bool

    def __str__(self) -> str:
        gpus = f"{self.gpus} x {self.gpu}" if self.gpus else "no GPU"
        return f"{self.cores} core{'s' * (self.cores > 1)}, {gpus}"


@functools.cache
def table() -> dict[str, Peaks]:
    """GPU name -> peaks. A name is part of the device's name; more specific names come first."""
    return {
        row["gpu"]: Peaks(float(row["half"]) * 1e12, float(row["single"]) * 1e12) for row in read_tsv(TABLE, COLUMNS)
    }


def find_peaks(device: str) -> Peaks | None:
    """The peaks of a device by its name; None if machines.tsv does not list it."""
    if "Laptop" in device:
        return None
    return next((peaks for name, peaks in table().items() if re.search(rf"\b{name}\b", device)), None)


def choose_machine(
    cores: int | None, gpus: int | None, gpu: str | None, environ: Mapping[str, str] = os.environ
) -> Machine:
    """The present machine, with the values that are given in place of its own. `gpu` must be in machines.tsv."""
    _check_counts(cores, gpus)
    local_gpus, name = len(slots.installed_gpus(environ)), ""
    if gpus is None:
        gpus = local_gpus or int(gpu is not None)
    if gpus and not gpu:
        name = _local_gpu_name() if local_gpus else ""
        if not name:
            raise UserError(f"--gpus is {gpus} but this machine has none to look at: add --gpu {_gpu_names()}")
    if gpu and find_peaks(gpu) is None:
        raise UserError(
            f"--gpu is {gpu}, which machines.tsv does not have: choose {_gpu_names()}, or add a row of yours"
        )
    local_cores = len(os.sched_getaffinity(0))
    is_local = cores in (None, local_cores) and gpu is None and gpus == local_gpus
    return Machine(cores or local_cores, gpus, gpu or name, find_peaks(gpu or name) if gpus else None, is_local)


def _check_counts(cores: int | None, gpus: int | None) -> None:
    for name, value, least in (("cores", cores, 1), ("gpus", gpus, 0)):
        if value is not None and value < least:
            raise UserError(f"--{name} is {value} but at least {least} is needed: give more")


def _local_gpu_name() -> str:
    if not shutil.which("nvidia-smi"):
        return ""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.partition("\n")[0].strip()


def _gpu_names() -> str:
    return " or ".join(f"'{name}'" if " " in name else name for name in table())
