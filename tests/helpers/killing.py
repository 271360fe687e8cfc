"""Kill a stage at a chosen change to the disk, or the workflow with all that it started at a chosen moment."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.train import checkpoint

ROOT = Path(__file__).parents[2]
POLL = 0.01
SAVE_SECONDS = 0  # between two checkpoints
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


class Moment(NamedTuple):
    """When to kill: `offset` seconds after the first of some jobs starts, by its log; of none, after the launch.

    Or, with `checkpoint`, as soon as some training has one.
    """

    at: float
    offset: float
    jobs: tuple[str, ...] = ()
    checkpoint: bool = False


class Workflow:
    """The workflow in a folder of its own, run as a user does, and all its processes marked."""

    def __init__(self, folder: Path, target: str, source: Path = ROOT, configs: Sequence[Path] = (), cores: int = 2):
        self.folder, self.target = folder.absolute(), target
        self.mark = f"ACTIONBENCH_KILLED={uuid.uuid4()}"
        files = [source / "config.yaml", *configs]
        self.command = [
            sys.executable, "-m", "snakemake", "--snakefile", str(source / "Snakefile"), "--directory", str(folder),
            "--configfile", *map(str, files), "--cores", str(cores), "--",
        ]  # fmt: skip
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        self.said = self.folder.with_suffix(".log")

    def begin(self, *options: str) -> subprocess.Popen:
        """Snakemake, in a session of its own; what it says is appended to a log beside the folder."""
        name, _, value = self.mark.partition("=")
        path = f"{frequent_checkpoints(self.folder.parent)}{os.pathsep}{os.environ['PATH']}"
        environ = {**os.environ, name: value, "PATH": path, "TMPDIR": str(self.folder / "tmp")}
        command = [*self.command[:-1], *options, "--", self.target]
        with open(self.said, "ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environ, start_new_session=True)

    def finish(self, *options: str) -> bool:
        """Run to the end; whether it went well."""
        self.unlock_if_locked()
        return self.begin(*options).wait() == 0

    def unlock_if_locked(self) -> None:
        """What Snakemake asks its user to do after a kill."""
        if any((self.folder / ".snakemake" / "locks").glob("*")):
            self.begin("--unlock").wait()

    def logs(self) -> dict[str, int]:
        """Every job's log, by path, and when it was last written."""
        paths = self.folder.glob("logs/**/*.log")
        return {path.relative_to(self.folder).as_posix(): path.stat().st_mtime_ns for path in paths}

    def killed(self, moment: Moment) -> tuple[set[str], set[str]] | None:
        """Run until the moment: the logs of the jobs that were hit, all logs written to; None if it ended before."""
        self.unlock_if_locked()
        before, running = self.logs(), self.begin()
        while not self._has_come(moment, before) and running.poll() is None:
            time.sleep(POLL)
        end = time.monotonic() + moment.offset
        while time.monotonic() < end and running.poll() is None:
            time.sleep(POLL)
        hit = written_to(carrying(self.mark), self.folder)
        ended = running.poll() is not None
        kill_all(running, self.mark)
        return None if ended else (hit, self.written(before))

    def _has_come(self, moment: Moment, before: dict[str, int]) -> bool:
        if moment.checkpoint:
            return any(self.folder.glob(f"results/runs/**/{checkpoint.RESUME_FILE}"))
        return not moment.jobs or bool(self.written(before) & set(moment.jobs))

    def written(self, before: dict[str, int]) -> set[str]:
        """The logs that have been written to since."""
        return {path for path, at in self.logs().items() if at != before.get(path)}


def frequent_checkpoints(folder: Path) -> Path:
    """A folder for PATH whose python passes pipeline.train another time between checkpoints, and all else as it is."""
    script = folder / "bin" / "python"
    script.parent.mkdir(parents=True, exist_ok=True)
    python = shlex.quote(sys.executable)
    if not script.exists():
        script.write_text(
            f'#!/bin/sh\ncase "$1 $2" in\n"-m pipeline.train") exec {python} "$@" --save-seconds {SAVE_SECONDS};;\n'
            f'*) exec {python} "$@";;\nesac\n'
        )
        script.chmod(0o755)
    return script.parent
