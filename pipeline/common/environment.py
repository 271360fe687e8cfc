"""What a job runs in: commit, locked versions, Python, torch, GPU and driver; the facts that results keep about it.

No stage's result depends on this module: code_hash leaves it out.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from pipeline.common.paths import ROOT

LOCK = ROOT / "requirements.lock"
SECONDS = 20  # that git or nvidia-smi may take
MARK = "ran in: "  # begins the line that says all this in a job's log


def environment() -> dict[str, Any]:
    """Plain values, ready for JSON; what cannot be known is None."""
    return {**commit(), **versions(), **gpus()}


def line() -> str:
    """The same as a line for a log."""
    return MARK + json.dumps(environment(), sort_keys=True)


def of_log(text: str) -> dict[str, Any]:
    """The environment that a log's last such line tells; empty without one."""
    found = re.findall(rf"^{MARK}(\{{.*\}})$", text, re.M)
    try:
        return json.loads(found[-1]) if found else {}
    except json.JSONDecodeError:
        return {}


def commit() -> dict[str, Any]:
    """The repository's commit, and whether tracked files differ from it; in an image, what it was built from."""
    if built_from := os.environ.get("ACTIONBENCH_COMMIT"):
        return {"commit": built_from[:12], "dirty": None}
    if (said := _output("git", "-C", str(ROOT), "rev-parse", "--show-toplevel", "HEAD")) is None:
        return {"commit": None, "dirty": None}
    top, head = said.splitlines()
    if Path(top).resolve() != ROOT.resolve():  # unpacked inside another repository
        return {"commit": None, "dirty": None}
    changes = _output("git", "-C", str(ROOT), "--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    return {"commit": head[:12], "dirty": None if changes is None else bool(changes)}


def versions() -> dict[str, Any]:
    """The lock's hash, the packages whose installed version is another one, Python's and torch's version."""
    text = LOCK.read_text("utf-8") if LOCK.exists() else ""
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.M))
    installed = {name: _version(name) for name in pins}
    differing = {name: version for name, version in installed.items() if version and version != pins[name]}
    return {
        "lock": hashlib.sha256(text.encode()).hexdigest()[:12] if text else None,
        "not_as_locked": differing,  # not installed at all is no difference: a conda environment holds a stage's share
        "python": platform.python_version(),
        "torch": installed.get("torch") or _version("torch"),
    }


def gpus() -> dict[str, Any]:
    """Names of the GPUs that this process may use, one each, and their driver; empty without one."""
    columns = "index,uuid,driver_version,name"
    said = _output("nvidia-smi", f"--query-gpu={columns}", "--format=csv,noheader") or ""
    rows = [tuple(cell.strip() for cell in line.split(",", 3)) for line in said.splitlines() if line.count(",") >= 3]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        wanted = [name.strip() for name in visible.split(",") if name.strip()]
        rows = [row for row in rows if any(name == row[0] or row[1].startswith(name) for name in wanted)]
    return {"gpu": [row[3] for row in rows], "driver": rows[0][2] if rows else None}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name).split("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


def _output(*command: str) -> str | None:
    """What a tool prints; None where it is not there, fails or hangs."""
    if not shutil.which(command[0]):
        return None
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    return run.stdout.strip() if run.returncode == 0 else None
