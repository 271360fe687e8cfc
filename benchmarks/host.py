"""The machine that a benchmark runs on, as its results tell it, and where results are kept."""

import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.common.files import whole_file


def facts() -> dict[str, Any]:
    """Processor, cores, how busy others kept it, torch, the day."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 1),
        "torch": importlib.metadata.version("torch"),
        "date": time.strftime("%Y-%m-%d"),
    }


def processor() -> str:
    """The processor's name as the system gives it."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def largest(pid: int | str = "self") -> float:
    """A process's largest size so far in MiB; OSError once it has ended.

    Not getrusage's: that begins with the size of the process that started it, however small the new program is.
    """
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    if not found:  # ended, and not yet waited for
        raise ProcessLookupError(pid)
    return found[0]


def keep(out: Path | None, result: Mapping[str, Any]) -> None:
    """Write a result as JSON where one asked for it."""
    if out:
        with whole_file(out) as scratch:
            scratch.write_text(json.dumps(result, indent=1) + "\n")
