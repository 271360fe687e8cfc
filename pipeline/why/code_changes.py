"""Which modules' code has changed since a job ran: this checkout beside the commit that the job ran at."""

import subprocess
from datetime import datetime
from pathlib import Path

from pipeline.common import code_hash
from pipeline.common.paths import ROOT
from pipeline.jobs.metadata import own_facts
from pipeline.models import registry
from pipeline.workflow import targets


def code_change(rule: str, output: Path, begun: float | None) -> str:
    """A clause for `pipeline.why`: the modules of a stage that differ from those at the time that its job began.

    The commit is the one that the output names, else the last before that time; neither tells of uncommitted changes
    that the job ran with. Where git does not know, the files' times say what may have changed.
    """
    names = sorted(code_hash.reachable(*modules_of(rule), *nets_of(rule, output)))
    commit = commit_at(output, begun)
    if commit and (changed := [name for name in names if _essence(_old(commit, name)) != _essence(_now(name))]):
        return f"code has changed since commit {commit[:8]}: {', '.join(map(_shown, changed))}"
    edited = [name for name in names if begun and (path := _path(name)) and path.stat().st_mtime > begun]
    if edited:
        return f"code has changed, perhaps of {', '.join(map(_shown, edited))}, edited since"
    return f"code has changed, in one of the {len(names)} modules that it runs"


def modules_of(rule: str) -> list[str]:
    """The modules whose hash a rule's settings hold; rules are named after stages, but for a few."""
    stage = {"table": "tables", "demo_archives": "demo", "demo_pretrain_archives": "demo"}.get(rule, rule)
    return [f"pipeline.{name}" for name in code_hash.STAGES[stage]]


def nets_of(rule: str, output: Path) -> list[str]:
    """The module of the network that a training or scoring is of, as the weights in the same folder tell."""
    facts = own_facts(output.with_name("weights.safetensors")) if rule in targets.NETWORK_STAGES else {}
    name = (facts.get("recipe") or {}).get("net")
    return [registry.module_of(name)] if name in registry.nets() else []


def commit_at(output: Path, begun: float | None) -> str | None:
    """The commit that a job ran at, as far as it is known."""
    said = (own_facts(output) if output.exists() else {}).get("environment") or {}
    if said.get("commit"):
        return str(said["commit"])
    if begun is None:
        return None
    found = _git("rev-list", "-1", f"--before={datetime.fromtimestamp(begun).astimezone().isoformat()}", "HEAD")
    return found.strip() if found else None


def _old(commit: str, name: str) -> str | None:
    path = _path(name)
    return _git("show", f"{commit}:{path.relative_to(ROOT).as_posix()}") if path else None


def _now(name: str) -> str | None:
    path = _path(name)
    return path.read_text("utf-8") if path else None


def _essence(source: str | None) -> str | None:
    try:
        return None if source is None else code_hash.hashed_source(source)
    except SyntaxError:
        return source


def _path(name: str) -> Path | None:
    stem = ROOT.joinpath(*name.split("."))
    return next((path for path in (stem / "__init__.py", stem.with_suffix(".py")) if path.is_file()), None)


def _shown(name: str) -> str:
    path = _path(name)
    return path.relative_to(ROOT).as_posix() if path else name


def _git(*command: str) -> str | None:
    try:
        run = subprocess.run(["git", "-C", str(ROOT), *command], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return run.stdout if run.returncode == 0 else None
