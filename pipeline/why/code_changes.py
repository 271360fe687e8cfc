"""The modules whose code has changed since a job ran: this checkout compared with the commit of the job."""

import subprocess
from datetime import datetime
from pathlib import Path

from pipeline.common import code_hash
from pipeline.common.paths import ROOT
from pipeline.jobs.metadata import read_metadata
from pipeline.models import registry
from pipeline.workflow import stage_settings

RULE_STAGES = {"table": "tables", "demo_archives": "demo", "demo_pretrain_archives": "demo"}  # where names differ


def code_change(rule: str, output: Path, start_time: float | None) -> str:
    """A clause that names the modules of a rule that changed since the job that made `output` began.

    The job's commit is the one in the output's metadata, else the last one before `start_time`; changes that were not
    committed when the job ran are invisible. Without git, the modules whose files are newer than the job are named.
    """
    modules = sorted(code_hash.reachable(*stage_modules(rule), *network_modules(rule, output)))
    commit = job_commit(output, start_time)
    if commit:
        changed = [name for name in modules if _hashed(_source_at(commit, name)) != _hashed(_current_source(name))]
        if changed:
            return f"code has changed since commit {commit[:8]}: {', '.join(map(_display_path, changed))}"
    edited = [
        name for name in modules if start_time and (path := _module_path(name)) and path.stat().st_mtime > start_time
    ]
    if edited:
        return f"code has changed, perhaps of {', '.join(map(_display_path, edited))}, edited since"
    return f"code has changed, in one of the {len(modules)} modules that it runs"


def stage_modules(rule: str) -> list[str]:
    """The modules whose hash is among a rule's settings; most rules have the name of their stage."""
    return [f"pipeline.{name}" for name in code_hash.STAGES[RULE_STAGES.get(rule, rule)]]


def network_modules(rule: str, output: Path) -> list[str]:
    """The module of the network that a training or scoring job used, by the metadata of the weights beside `output`."""
    metadata = read_metadata(output.with_name("weights.safetensors")) if rule in stage_settings.NETWORK_STAGES else {}
    name = (metadata.get("recipe") or {}).get("net")
    return [registry.module_of(name)] if name in registry.entries() else []


def job_commit(output: Path, start_time: float | None) -> str | None:
    """The commit of the checkout that the job ran with; None if it is unknown."""
    environment = (read_metadata(output) if output.exists() else {}).get("environment") or {}
    if environment.get("commit"):
        return str(environment["commit"])
    if start_time is None:
        return None
    time = datetime.fromtimestamp(start_time).astimezone().isoformat()
    commit = _git("rev-list", "-1", f"--before={time}", "HEAD")
    return commit.strip() if commit else None


def _source_at(commit: str, module: str) -> str | None:
    path = _module_path(module)
    return _git("show", f"{commit}:{path.relative_to(ROOT).as_posix()}") if path else None


def _current_source(module: str) -> str | None:
    path = _module_path(module)
    return path.read_text("utf-8") if path else None


def _hashed(source: str | None) -> str | None:
    """The part of a source that the code hash covers."""
    try:
        return None if source is None else code_hash.hashed_source(source)
    except SyntaxError:
        return source


def _module_path(module: str) -> Path | None:
    stem = ROOT.joinpath(*module.split("."))
    return next((path for path in (stem / "__init__.py", stem.with_suffix(".py")) if path.is_file()), None)


def _display_path(module: str) -> str:
    path = _module_path(module)
    return path.relative_to(ROOT).as_posix() if path else module


def _git(*command: str) -> str | None:
    try:
        process = subprocess.run(["git", "-C", str(ROOT), *command], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return process.stdout if process.returncode == 0 else None
