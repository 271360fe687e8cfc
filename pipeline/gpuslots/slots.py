"""Locks that give a job GPUs of its own on a machine without a scheduler."""

import contextlib
import fcntl
import itertools
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.common import log
from pipeline.common.errors import UserError

LOCKS = "/tmp/actionbench-gpus"  # noqa: S108 (one folder for every user and job of a machine, whatever their TMPDIR)
SCHEDULED = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")  # a pod shows its own GPUs alone, which are picked from
POLL = 0.2  # seconds between looks at taken GPUs

Environment = Mapping[str, str]


def installed(environ: Environment) -> list[str]:
    """Names of this machine's GPUs in the order of the PCI bus, or what ACTIONBENCH_GPUS says instead."""
    said = environ.get("ACTIONBENCH_GPUS")
    if said is not None:
        return _listed(said)
    if not shutil.which("nvidia-smi"):
        return _listed(str(len(list(Path("/dev").glob("nvidia[0-9]*")))))
    run = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return re.findall(r"^GPU (\d+):", run.stdout, re.M)


def pool(environ: Environment) -> list[str]:
    """The GPUs that a job may pick from: those already assigned, else all; none where a scheduler assigned none."""
    assigned = environ.get("CUDA_VISIBLE_DEVICES")
    if assigned is not None:
        return _names(assigned)
    return [] if any(name in environ for name in SCHEDULED) else installed(environ)


def settle(gpus: int, environ: Environment) -> dict[str, str]:
    """Wait for `gpus` GPUs; returns the variables to set. The locks stay with this process and what it becomes."""
    found = pool(environ)
    if gpus == 0:
        return {"CUDA_VISIBLE_DEVICES": ""}
    if not found or ("CUDA_VISIBLE_DEVICES" in environ and gpus >= len(found)):
        return {}
    if gpus > len(found):
        raise UserError(f"the job asks for {gpus} GPUs but the machine has {len(found)}: lower its resource gpu")
    taken = take(found, gpus, share(environ), folder(environ))
    order = {} if "CUDA_VISIBLE_DEVICES" in environ else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # nvidia-smi's numbers
    return {**order, "CUDA_VISIBLE_DEVICES": ",".join(taken)}


def take(names: Sequence[str], gpus: int, shared: int, locks: Path) -> list[str]:
    """Lock `gpus` of the GPUs, waiting as long as it takes; one job at a time gathers, so that none waits for ever."""
    waiting = f"waiting for {gpus} of the GPUs {', '.join(names)}: jobs are on them"
    queue = _locked(locks / "queue", fcntl.LOCK_EX)
    if queue is None:
        log.say(waiting)
        queue = _open(locks / "queue")
        fcntl.flock(queue, fcntl.LOCK_EX)
    held = gather(names, gpus, shared, locks, [])
    if len(held) < gpus:
        log.say(waiting)
    while len(held) < gpus:
        time.sleep(POLL)
        held = gather(names, gpus, shared, locks, held)
    os.close(queue)
    return sorted(held, key=list(names).index)


def gather(names: Sequence[str], gpus: int, shared: int, locks: Path, held: Sequence[str]) -> list[str]:
    """`held`, and what is free besides, up to `gpus`: every GPU's first place before any GPU's second."""
    held = list(held)
    for rank, name in itertools.product(range(shared), names):
        if len(held) < gpus and name not in held and lock(locks, name.replace("/", "_"), rank, shared):
            held.append(name)
    return held


def lock(locks: Path, name: str, rank: int, shared: int) -> bool:
    """Whether the GPU is now ours: alone, or with `shared` > 1 its place number `rank` among jobs that share too."""
    whole = _locked(locks / name, fcntl.LOCK_EX if shared == 1 else fcntl.LOCK_SH)
    if whole is None or shared == 1:
        return whole is not None
    if _locked(locks / f"{name}.{rank}", fcntl.LOCK_EX) is None:
        os.close(whole)
        return False
    return True


def share(environ: Environment) -> int:
    """How many jobs may share a GPU."""
    said = environ.get("ACTIONBENCH_GPU_SHARE", "1")
    if not said.isdigit() or int(said) < 1:
        raise UserError(f"ACTIONBENCH_GPU_SHARE is {said!r} but must be a number of jobs, 1 or more: change it")
    return int(said)


def folder(environ: Environment) -> Path:
    """The folder of lock files; a scheduler's job has its own, since its GPUs may be numbered from 0 in each job."""
    root = Path(environ.get("ACTIONBENCH_GPU_LOCKS", LOCKS))
    job = next((re.sub(r"[^\w.-]", "_", f"{name}-{environ[name]}") for name in SCHEDULED if name in environ), "")
    try:
        with contextlib.suppress(FileExistsError):
            root.mkdir(parents=True)
            root.chmod(0o1777)
        (root / job).mkdir(exist_ok=True)
    except OSError as error:
        raise _unusable(root / job, error) from error
    return root / job


def _locked(path: Path, how: int) -> int | None:
    handle = _open(path)
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    os.set_inheritable(handle, True)
    return handle


def _open(path: Path) -> int:
    """A lock needs no right to write, so that another user's file serves too."""
    try:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDONLY, 0o644))
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"the GPU lock {path} cannot be used ({error.strerror}): point ACTIONBENCH_GPU_LOCKS to another folder"
    )


def _listed(said: str) -> list[str]:
    return [str(number) for number in range(int(said))] if said.strip().isdigit() else _names(said)


def _names(said: str) -> list[str]:
    """The names of a CUDA_VISIBLE_DEVICES: CUDA reads as far as a -1."""
    return list(itertools.takewhile(lambda name: name != "-1", filter(None, map(str.strip, said.split(",")))))
