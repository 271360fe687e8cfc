"""Reserve GPUs with lock files on a machine without a scheduler."""

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

LOCKS = "/tmp/actionbench-gpus"  # noqa: S108 (one folder for all users and jobs of a machine, whatever their TMPDIR)
SCHEDULERS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")  # not Kubernetes: a pod sees only its own GPUs
POLL_SECONDS = 0.2

Environment = Mapping[str, str]


def installed_gpus(environ: Environment) -> list[str]:
    """Names of this machine's GPUs in PCI bus order, or those of ACTIONBENCH_GPUS."""
    listed = environ.get("ACTIONBENCH_GPUS")
    if listed is not None:
        return [str(number) for number in range(int(listed))] if listed.strip().isdigit() else _device_names(listed)
    if not shutil.which("nvidia-smi"):
        return [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]
    process = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return re.findall(r"^GPU (\d+):", process.stdout, re.M)


def available_gpus(environ: Environment) -> list[str]:
    """The GPUs of CUDA_VISIBLE_DEVICES if it is set, else all; none in a scheduler's job without assigned GPUs."""
    assigned = environ.get("CUDA_VISIBLE_DEVICES")
    if assigned is not None:
        return _device_names(assigned)
    return [] if any(name in environ for name in SCHEDULERS) else installed_gpus(environ)


def reserve(count: int, environ: Environment) -> dict[str, str]:
    """Wait until `count` GPUs are locked; returns the environment variables to set.

    This process holds the locks, and keeps them across exec. The result is empty where nothing has to be reserved.
    """
    available = available_gpus(environ)
    if count == 0:
        return {"CUDA_VISIBLE_DEVICES": ""}
    if not available or ("CUDA_VISIBLE_DEVICES" in environ and count >= len(available)):
        return {}
    if count > len(available):
        raise UserError(f"the job asks for {count} GPUs but the machine has {len(available)}: lower its resource gpu")
    names = lock_gpus(available, count, jobs_per_gpu(environ), lock_folder(environ))
    order = {} if "CUDA_VISIBLE_DEVICES" in environ else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}  # as nvidia-smi numbers
    return {**order, "CUDA_VISIBLE_DEVICES": ",".join(names)}


def lock_gpus(names: Sequence[str], count: int, shared: int, locks: Path) -> list[str]:
    """Lock `count` of the GPUs, waiting as long as necessary.

    A queue lock lets one job at a time collect GPUs, so that a job of several GPUs is not overtaken for ever.
    """
    message = f"waiting for {count} of the GPUs {', '.join(names)}: other jobs use them"
    queue = _try_lock_file(locks / "queue", fcntl.LOCK_EX)
    if queue is None:
        log.say(message)
        queue = _open(locks / "queue")
        fcntl.flock(queue, fcntl.LOCK_EX)
    locked = lock_free_gpus(names, count, shared, locks, [])
    if len(locked) < count:
        log.say(message)
    while len(locked) < count:
        time.sleep(POLL_SECONDS)
        locked = lock_free_gpus(names, count, shared, locks, locked)
    os.close(queue)
    return sorted(locked, key=list(names).index)


def lock_free_gpus(names: Sequence[str], count: int, shared: int, locks: Path, locked: Sequence[str]) -> list[str]:
    """`locked` and further free GPUs, up to `count`; GPUs without any job come before those that are shared."""
    locked = list(locked)
    for slot, name in itertools.product(range(shared), names):
        if len(locked) < count and name not in locked and try_lock(locks, name.replace("/", "_"), slot, shared):
            locked.append(name)
    return locked


def try_lock(locks: Path, name: str, slot: int, shared: int) -> bool:
    """Lock a GPU exclusively, or with `shared` > 1 one of its numbered slots; False if another job holds it."""
    gpu = _try_lock_file(locks / name, fcntl.LOCK_EX if shared == 1 else fcntl.LOCK_SH)
    if gpu is None or shared == 1:
        return gpu is not None
    if _try_lock_file(locks / f"{name}.{slot}", fcntl.LOCK_EX) is None:
        os.close(gpu)
        return False
    return True


def jobs_per_gpu(environ: Environment) -> int:
    """ACTIONBENCH_GPU_SHARE, 1 by default."""
    text = environ.get("ACTIONBENCH_GPU_SHARE", "1")
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"ACTIONBENCH_GPU_SHARE is {text!r} but must be a number of jobs, 1 or more: change it")
    return int(text)


def lock_folder(environ: Environment) -> Path:
    """The folder of lock files. A scheduler's job has its own, since its GPUs may be numbered from 0 in every job."""
    root = Path(environ.get("ACTIONBENCH_GPU_LOCKS", LOCKS))
    job = next((re.sub(r"[^\w.-]", "_", f"{name}-{environ[name]}") for name in SCHEDULERS if name in environ), "")
    try:
        with contextlib.suppress(FileExistsError):
            root.mkdir(parents=True)
            root.chmod(0o1777)
        (root / job).mkdir(exist_ok=True)
    except OSError as error:
        raise _unusable(root / job, error) from error
    return root / job


def _try_lock_file(path: Path, mode: int) -> int | None:
    """The descriptor of the locked file, which child processes inherit; None if another process holds the lock."""
    handle = _open(path)
    try:
        fcntl.flock(handle, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    os.set_inheritable(handle, True)
    return handle


def _open(path: Path) -> int:
    """Open a lock file, created if missing. It is opened read-only, so that another user's file serves too."""
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


def _device_names(text: str) -> list[str]:
    """The GPUs of a CUDA_VISIBLE_DEVICES value, of which CUDA ignores everything from -1 on."""
    return list(itertools.takewhile(lambda name: name != "-1", filter(None, map(str.strip, text.split(",")))))
