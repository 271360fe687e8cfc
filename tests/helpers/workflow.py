"""Run the workflow from a test, in a folder of its own, as a user does from a shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"


def snakemake(folder, *arguments, config=None, cores=None, sources=ROOT):
    """The finished process; `config` differs from config.yaml as a file of the user's own would."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [str(sources / "config.yaml")]
    if config is not None:
        (folder / "mine.yaml").write_text(yaml.safe_dump(config))
        files.append(str(folder / "mine.yaml"))
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(sources / "Snakefile"), "--directory", str(folder),
        "--configfile", *files, "--cores", str(cores or os.cpu_count()), *arguments,
    ]  # fmt: skip
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False)


def jobs(folder, target, **options):
    """Rule -> number of jobs that a dry run lists."""
    run = snakemake(folder, "-n", target, **options)
    assert run.returncode == 0, run.stdout + run.stderr
    table = re.search(r"^job +count\n[- ]+\n(.*?)\n\n", run.stdout + run.stderr, re.S | re.M)
    return {line.split()[0]: int(line.split()[1]) for line in table[1].splitlines()} if table else {}
