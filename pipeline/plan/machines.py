"""The machine that a plan is for: cores and GPUs, found or stated, and what GPUs compute at the most."""

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
    """Dense operations a second at the most: bf16 and fp16, and fp32, with TF32 products where the GPU has them."""

    half: float
    single: float


class Machine(NamedTuple):
    """`own` is the machine that this runs on as it is, so that what was measured here holds for its GPUs, too."""

    cores: int
    gpus: int
    gpu: str
    peaks: Peaks | None
    own: bool

    def __str__(self) -> str:
        gpus = f"{self.gpus} x {self.gpu}" if self.gpus else "no GPU"
        return f"{self.cores} core{'s' * (self.cores > 1)}, {gpus}"


@functools.cache
def table() -> dict[str, Peaks]:
    """The known GPUs, by part of their devices' names; the more special part stands first."""
    return {
        row["gpu"]: Peaks(float(row["half"]) * 1e12, float(row["single"]) * 1e12) for row in read_tsv(TABLE, COLUMNS)
    }


def peaks(device: str) -> Peaks | None:
    """Those of the device with that name; None where they are not known."""
    if "Laptop" in device:
        return None
    return next((found for part, found in table().items() if re.search(rf"\b{part}\b", device)), None)


def machine(cores: int | None, gpus: int | None, gpu: str | None, environ: Mapping[str, str] = os.environ) -> Machine:
    """This one, but for what is stated. A stated GPU must be one of machines.tsv, as it cannot be asked."""
    _refuse_odd(cores, gpus)
    mine, name = len(slots.installed_gpus(environ)), ""
    if gpus is None:
        gpus = mine or int(gpu is not None)
    if gpus and not gpu:
        name = _name() if mine else ""
        if not name:
            raise UserError(f"--gpus is {gpus} but this machine has none to look at: add --gpu {_known()}")
    if gpu and peaks(gpu) is None:
        raise UserError(f"--gpu is {gpu}, which machines.tsv does not have: choose {_known()}, or add a row of yours")
    here = len(os.sched_getaffinity(0))
    stated = cores not in (None, here) or gpu is not None or gpus != mine
    return Machine(cores or here, gpus, gpu or name, peaks(gpu or name) if gpus else None, not stated)


def _refuse_odd(cores: int | None, gpus: int | None) -> None:
    for name, value, least in (("cores", cores, 1), ("gpus", gpus, 0)):
        if value is not None and value < least:
            raise UserError(f"--{name} is {value} but at least {least} is needed: give more")


def _name() -> str:
    if not shutil.which("nvidia-smi"):
        return ""
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.partition("\n")[0].strip()


def _known() -> str:
    return " or ".join(f"'{name}'" if " " in name else name for name in table())
