"""Kill the workflow at random moments and run it again, until its target is there: what an undisturbed run makes.

    python -m tests.killdemo --moments 20 --seed 0 --directory /tmp/killed

runs the target once undisturbed, then elsewhere with SIGKILL to Snakemake and all its children at moments drawn from
the undisturbed run's duration, one in each equal part of it: as long after the same job's start as there. After every
kill, each declared output that Snakemake takes for whole must be what the undisturbed run made, and every training must
be at its last checkpoint or beyond; at the end all results are the same, nothing is left to do and nothing left over.
Prints a table, and exits with status 1 where anything differs. Checkpoints are written every 20 steps, not once a minute.
"""

import os
import random
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline import cli
from pipeline.errors import UserError
from tests import killchecks
from tests.killing import carrying, kill_all, written_to

ROOT = Path(__file__).parents[1]
POLL = 0.01
SAVE_SECONDS = 0  # between two checkpoints


class Moment(NamedTuple):
    """When to kill: `offset` seconds after the first of some jobs starts, by its log; of none, after the launch."""

    at: float
    offset: float
    jobs: tuple[str, ...] = ()


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
        while moment.jobs and running.poll() is None and not self._written(before) & set(moment.jobs):
            time.sleep(POLL)
        end = time.monotonic() + moment.offset
        while time.monotonic() < end and running.poll() is None:
            time.sleep(POLL)
        hit = written_to(carrying(self.mark), self.folder)
        ended = running.poll() is not None
        kill_all(running, self.mark)
        return None if ended else (hit, self._written(before))

    def _written(self, before: dict[str, int]) -> set[str]:
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


def moments(whole: Path, begun: float, count: int, seed: int) -> list[Moment]:
    """One in each equal part of the undisturbed run, from its launch to the end of its last job."""
    jobs = {r.logs[0]: (r.begun - begun, r.ended - begun) for r in killchecks.recorded(whole).values() if r.logs}
    order = sorted(jobs, key=lambda log: jobs[log])
    lasts, generator = max(end for _, end in jobs.values()), random.Random(seed)
    found = []
    for number in range(count):
        at = lasts * (number + generator.random()) / count
        before = [log for log in order if jobs[log][0] <= at]
        since = jobs[before[-1]][0] if before else 0.0
        found.append(Moment(at, at - since, tuple(order[len(before) - 1 :]) if before else ()))
    return found


def disturbed(whole: Workflow, killed: Workflow, plan: Sequence[Moment]) -> tuple[list[list[str]], list[str]]:
    """Kill at every moment, then run to the end: a row of the table a kill, and whatever is not as it must be."""
    table, wrong, best = [], [], {}
    outputs = list(killchecks.recorded(whole.folder))
    for moment in plan:
        while (found := killed.killed(moment)) is None:  # it was sooner done than the undisturbed one
            if not (killed.folder / killed.target).exists():
                return table, [*wrong, f"a run failed by itself: see {killed.said}"]
            (killed.folder / killed.target).unlink()
            moment = moment._replace(offset=moment.offset / 2)
        hit, logs = found
        there = killchecks.taken_for_whole(killed.folder, outputs)
        wrong += killchecks.differing(whole.folder, killed.folder, there)
        wrong += killchecks.restarted(killed.folder, best, logs)
        best |= killchecks.checkpoints(killed.folder)
        steps = ", ".join(f"{Path(run).name} {step}" for run, step in killchecks.checkpoints(killed.folder).items())
        jobs = ", ".join(sorted(log.removeprefix("logs/").removesuffix(".log") for log in hit)) or "Snakemake alone"
        table.append([f"{moment.at:.1f}", jobs, f"{len(there)} of {len(outputs)}", steps or "none"])
        cli.say(" | ".join(table[-1]))
    before = killed.logs()
    if not killed.finish():
        return table, [*wrong, f"the last run failed: see {killed.said}"]
    wrong += killchecks.restarted(killed.folder, best, killed._written(before))
    return table, wrong + killchecks.unlike(whole.folder, killed.folder) + left_to_do(killed)


def left_to_do(workflow: Workflow) -> list[str]:
    """A sentence where Snakemake would still run a job."""
    start = workflow.said.stat().st_size
    said = workflow.finish("--dry-run") and workflow.said.read_bytes()[start:].decode()
    return [] if said and "Nothing to be done" in said else [f"there is still something to do: see {workflow.said}"]


def trial(folder: Path, count: int, seed: int, **workflow) -> tuple[list[list[str]], list[str]]:
    """An undisturbed run and a disturbed one below `folder`, compared; see `disturbed`."""
    whole, killed = (Workflow(folder / name, **workflow) for name in ("undisturbed", "killed"))
    if any(killed.folder.glob("results")) or any(whole.folder.glob("results")):
        raise UserError(f"{folder} holds results of an earlier trial: give an empty folder")
    begun = time.time()
    if not whole.finish():
        raise UserError(f"the undisturbed run failed: see {whole.said}")
    cli.say(f"undisturbed: {time.time() - begun:.0f} s")
    return disturbed(whole, killed, moments(whole.folder, begun, count, seed))


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--moments", type=int, default=20, help="how often to kill")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--directory", type=Path, required=True, help="an empty folder for both runs, about 1 GB")
    parser.add_argument("--target", default="results/tables/demo.csv")
    parser.add_argument("--configfile", nargs="*", type=Path, default=[], help="differences from config.yaml")
    parser.add_argument("--cores", type=int, default=2)
    a = parser.parse_args(argv)
    configs = [path.absolute() for path in a.configfile]
    table, wrong = trial(a.directory, a.moments, a.seed, target=a.target, configs=configs, cores=a.cores)
    print("| at, s of the undisturbed run | jobs hit | outputs taken for whole, all of them so | checkpoints |")
    print("|---|---|---|---|")
    print("\n".join(f"| {' | '.join(row)} |" for row in table))
    stages = sorted({job.split("/")[0] for row in table for job in row[1].split(", ")})
    print(f"{len(table)} kills hit {', '.join(stages)}")
    print("\n".join(wrong) or "No difference from the undisturbed run, nothing left to do, nothing left over.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    cli.run(main)
