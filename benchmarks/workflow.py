"""What Snakemake costs: beside the same jobs started by a plain scheduler, and for planning every table of the papers.

    python -m benchmarks.workflow --out benchmarks/results/workflow.json

`overhead`: a target from nothing by Snakemake, then its very shell commands by a scheduler that only keeps the order
and counts cores, in one run; how much of the jobs' time is the start of interpreters and imports is measured by itself.
`plan`: a dry run of every table of UCF-101, HMDB51 and Kinetics-400 with all runs, first with nothing there, then with
everything there, as empty files with Snakemake's records. `tables`: all those tables made from score files of full
size, in which random logits stand and beside which, as always, their hits lie. --only picks some of the three.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import host, placeholders, plain
from pipeline.common import cli
from pipeline.common.errors import UserError
from pipeline.common.log import say
from pipeline.formats import class_counts
from pipeline.jobs import dry_run

ROOT = Path(__file__).parents[1]
BARS = {"overhead_share": 0.2, "plan_seconds": 20, "plan_gib": 1, "tables_seconds": 60}
PARTS = ("overhead", "plan", "tables")
POLL = 0.1


class Taken(NamedTuple):
    """Seconds by the clock and by the processor, largest size in MiB, what it said; Snakemake's own, not its jobs'."""

    wall: float
    cpu: float
    mib: float
    said: str

    def facts(self) -> dict[str, float]:
        return {"seconds": round(self.wall, 2), "cpu_seconds": round(self.cpu, 2), "mib": round(self.mib, 1)}


def snakemake(folder: Path, *arguments: str, configs: Sequence[Path] = (), cores: int = 2) -> Taken:
    """Run Snakemake in a folder and look on; a run that fails is a UserError with the end of what it said."""
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder),
        "--configfile", str(ROOT / "config.yaml"), *map(str, configs), "--cores", str(cores), *arguments,
    ]  # fmt: skip
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with tempfile.TemporaryFile("w+") as log:
        start = time.perf_counter()
        running = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
        cpu, mib = 0.0, 0.0
        while running.poll() is None:
            cpu, mib = sizes(running.pid) or (cpu, mib)
            time.sleep(POLL)
        wall = time.perf_counter() - start
        log.seek(0)
        said = log.read()
    if running.returncode:
        raise UserError(f"Snakemake failed in {folder}: {said[-2000:]}")
    return Taken(wall, cpu, mib, said)


def sizes(pid: int) -> tuple[float, float] | None:
    """Processor seconds of a process alone, without its children's, and its largest size so far in MiB."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        size = host.largest(pid)
    except OSError:  # it has just ended
        return None
    return sum(map(int, words[11:13])) / os.sysconf("SC_CLK_TCK"), size


def overhead(folder: Path, target: str, cores: int, rounds: int) -> dict[str, Any]:
    """One target from nothing by Snakemake and plainly, by turns."""
    (folder / "plan").mkdir()
    said = snakemake(folder / "plan", "-n", "--printshellcmds", "--", target, cores=cores).said
    jobs = plain.planned(said)
    environ = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["PATH"] = environ  # the plain jobs' python is this one too
    rows, seconds = [], []
    for number in range(rounds):
        ways = [folder / f"{name}{number}" for name in ("snakemake", "plain")]
        [way.mkdir() for way in ways]
        taken = snakemake(ways[0], "--", target, cores=cores)
        wall, seconds = plain.run(jobs, ways[1], cores)
        rows.append({"snakemake": taken.facts(), "plain_seconds": round(wall, 1), "share": 1 - wall / taken.wall})
        say(f"round {number + 1}: {json.dumps(rows[-1])}")
    starts = imports([name for each in jobs for name in plain.modules(each)])
    return {
        "target": target, "jobs": len(jobs), "cores": cores, "rounds": rows,
        "overhead_share": round(statistics.median(row["share"] for row in rows), 3),
        "jobs_seconds": round(sum(seconds), 1), "imports_seconds": round(starts, 1),
        "imports_share_of_jobs": round(starts / sum(seconds), 3),
    }  # fmt: skip


def imports(names: Sequence[str]) -> float:
    """Seconds by the clock that it takes to start Python with all these modules, one after the other."""
    counts = Counter(names)
    return sum(count * statistics.median(started(name) for _ in range(3)) for name, count in counts.items())


def started(name: str) -> float:
    """Seconds to start Python and import a module, or a package as `python -m` runs it."""
    path = ROOT.joinpath(*name.split("."))
    module = f"{name}.__main__" if path.is_dir() else name
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, check=True)
    return time.perf_counter() - start


def planning(folder: Path, cores: int, parts: Sequence[str], share: float) -> dict[str, Any]:
    """Dry runs of all tables with nothing and with everything there, then all of them made of scores that are there."""
    config, tables = placeholders.begin(folder, share)
    options: dict[str, Any] = {"configs": [config], "cores": cores}
    nothing = snakemake(folder, "-n", "--", *tables, **options)
    jobs = dry_run.parse_jobs(nothing.said)
    result: dict[str, Any] = {"tables": len(tables), "jobs": len(jobs), "nothing_there": nothing.facts()}
    say(f"nothing there: {json.dumps(result)}")
    snakemake(folder, "--touch", "--", *tables, **options)  # writes the records of files that are not there yet
    placeholders.make(folder, jobs)
    noop = snakemake(folder, "-n", "--", *tables, **options)
    if "Nothing to be done" not in noop.said:
        raise UserError(f"{folder} should be complete, but Snakemake would run jobs: {noop.said[-1000:]}")
    result["everything_there"] = noop.facts()
    say(f"everything there: {json.dumps(noop.facts())}")
    if "tables" not in parts:
        return {"plan": result}
    files = placeholders.fill(folder, placeholders.score_files(folder, jobs), share)
    return {"plan": result, "tables": made(folder, tables, options) | {"score_files": files}}


def made(folder: Path, tables: Sequence[str], options: dict[str, Any]) -> dict[str, Any]:
    """All tables from the score files; and how long one file takes that has no hits beside it."""
    for path in (folder / "results" / "tables").iterdir():
        path.unlink()
    taken = snakemake(folder, "--", *tables, **options)
    start = time.perf_counter()
    class_counts.count(folder / "ucf101.parquet")
    uncounted = time.perf_counter() - start
    rows = sum(len((folder / table).read_text().splitlines()) - 1 for table in tables)
    return {
        "seconds": round(taken.wall, 1), "tables": len(tables), "lines": rows,
        "seconds_a_ucf101_file_without_hits": round(uncounted, 2),
    }  # fmt: skip


def table(result: dict[str, Any]) -> str:
    """A result as Markdown."""
    rows = []
    if found := result.get("overhead"):
        rows.append(("overhead of Snakemake, share of the wall time", BARS["overhead_share"], found["overhead_share"]))
        rows.append(("imports, share of the jobs' time", "", found["imports_share_of_jobs"]))
    if found := result.get("plan"):
        for name in ("nothing_there", "everything_there"):
            words = f"dry run of {found['tables']} tables, {found['jobs']} jobs, {name.replace('_', ' ')}"
            rows.append((f"{words}, s", BARS["plan_seconds"], found[name]["seconds"]))
            rows.append((f"{words}, GiB", BARS["plan_gib"], round(found[name]["mib"] / 1024, 2)))
    if found := result.get("tables"):
        rows.append((f"{found['tables']} tables from scores, s", BARS["tables_seconds"], found["seconds"]))
    return "\n".join(["| | at most | measured |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)])


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--target", default="results/tables/demo.csv", help="of the overhead")
    parser.add_argument("--rounds", type=int, default=1, help="of the overhead")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--share", type=float, default=1.0, help="of the data sets' slices and videos")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    a = parser.parse_args(argv)
    result: dict[str, Any] = {"machine": host.facts(), "bars": BARS}
    with tempfile.TemporaryDirectory() as folder:
        if {"plan", "tables"} & set(a.only):
            (Path(folder) / "papers").mkdir()
            result |= planning(Path(folder) / "papers", a.cores, a.only, a.share)
        if "overhead" in a.only:
            result["overhead"] = overhead(Path(folder), a.target, a.cores, a.rounds)
    print(table(result))
    host.keep(a.out, result)


if __name__ == "__main__":
    cli.run(main)
