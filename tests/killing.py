"""Kill a stage at a chosen change to the disk, and compare what lies there afterwards."""

import os
import signal
import sys
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
