"""Kill a stage at a chosen change to the disk, or a command and all that it started; what lies there afterwards."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")


def killed_at(number: int, main: Callable[[Sequence[str]], None], arguments: Sequence[str]) -> bool:
    """Run `main` in a child that kills itself before its `number`-th change to the disk; whether it came to that."""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, given: tuple) -> None:
            nonlocal seen
            writes = event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
            if event in CHANGES or writes:
                seen += 1
                if seen == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            main(arguments)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def tree(folder: Path) -> dict[str, bytes]:
    """Every file's bytes and every folder, by path."""
    paths = sorted(folder.rglob("*"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"/" for path in paths}


def carrying(mark: str) -> list[int]:
    """Processes in whose environment `mark`, as `NAME=value`, is: a command begun with it, and all that it started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def kill_all(begun: subprocess.Popen, mark: str) -> None:
    """SIGKILL at once to the session of a command that was begun with `mark`, then to whoever of it is elsewhere."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(begun.pid, signal.SIGKILL)
    begun.wait()
    while left := carrying(mark):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def written_to(processes: Sequence[int], folder: Path) -> set[str]:
    """The logs below `folder` that these processes write their output to, by path below it."""
    found = set()
    for pid in processes:
        with contextlib.suppress(OSError, ValueError):
            found.add(Path(f"/proc/{pid}/fd/1").readlink().relative_to(folder).as_posix())
    return {path for path in found if path.startswith("logs/")}
