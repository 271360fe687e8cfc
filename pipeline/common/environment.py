"""A description of a job's environment: commit, locked versions, Python, torch, GPUs and driver.

It is stored with results and in logs. No result depends on this module, so code_hash leaves it out.
"""

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from pipeline.common.files import short_hash
from pipeline.common.paths import ROOT

LOCK = ROOT / "requirements.lock"
TIMEOUT = 20  # seconds, for git and nvidia-smi
LOG_PREFIX = "ran in: "  # begins the log line with the environment


def environment() -> dict[str, Any]:
    """The environment as values that JSON can hold; a value is None if it cannot be determined."""
    return {**commit(), **versions(), **gpus()}


def log_line() -> str:
    """The environment as a line for a job's log."""
    return LOG_PREFIX + json.dumps(environment(), sort_keys=True)


def read_log(text: str) -> dict[str, Any]:
    """The environment in the last `log_line` of a log; empty if the log has none."""
    lines = re.findall(rf"^{LOG_PREFIX}(\{{.*\}})$", text, re.M)
    try:
        return json.loads(lines[-1]) if lines else {}
    except json.JSONDecodeError:
        return {}


def commit() -> dict[str, Any]:
    """The repository's commit and whether tracked files differ from it; in a container, the commit of its image."""
    if built_from := os.environ.get("ACTIONBENCH_COMMIT"):
        return {"commit": built_from[:12], "dirty": None}
    output = _output("git", "-C", str(ROOT), "rev-parse", "--show-toplevel", "HEAD")
    if output is None:
        return {"commit": None, "dirty": None}
    top, head = output.splitlines()
    if Path(top).resolve() != ROOT.resolve():  # the package was unpacked inside another repository
        return {"commit": None, "dirty": None}
    changes = _output("git", "-C", str(ROOT), "--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    return {"commit": head[:12], "dirty": None if changes is None else bool(changes)}


def versions() -> dict[str, Any]:
    """The hash of requirements.lock, the installed packages that differ from it, the versions of Python and torch."""
    text = LOCK.read_text("utf-8") if LOCK.exists() else ""
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.M))
    installed = {name: _version(name) for name in pins}
    differing = {name: version for name, version in installed.items() if version and version != pins[name]}
    return {
        "lock": short_hash(text) if text else None,
        "not_as_locked": differing,  # without absent packages: a conda environment holds those of one stage
        "python": platform.python_version(),
        "torch": installed.get("torch") or _version("torch"),
    }


def gpus() -> dict[str, Any]:
    """The names of the GPUs that this process may use, and their driver's version; [] and None without a GPU."""
    columns = "index,uuid,driver_version,name"
    output = _output("nvidia-smi", f"--query-gpu={columns}", "--format=csv,noheader") or ""
    rows = [tuple(cell.strip() for cell in line.split(",", 3)) for line in output.splitlines() if line.count(",") >= 3]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        selected = [name.strip() for name in visible.split(",") if name.strip()]
        rows = [row for row in rows if any(name == row[0] or row[1].startswith(name) for name in selected)]
    return {"gpu": [row[3] for row in rows], "driver": rows[0][2] if rows else None}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name).split("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def _output(*command: str) -> str | None:
    """A command's stdout, or None if it is not installed, fails or exceeds TIMEOUT."""
    if not shutil.which(command[0]):
        return None
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return None
    return run.stdout.strip() if run.returncode == 0 else None
