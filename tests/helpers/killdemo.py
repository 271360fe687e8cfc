"""Kill the workflow at random moments and run it again, until its target is there: what an undisturbed run makes.

    python -m tests.helpers.killdemo --moments 20 --seed 0 --directory /tmp/killed

runs the target once undisturbed, then elsewhere with SIGKILL to Snakemake and all its children at moments drawn from
the undisturbed run's duration, one in each equal part of it: as long after the same job's start as there. After every
kill, each declared output that Snakemake takes for whole must be what the undisturbed run made, and every training must
be at its last checkpoint or beyond; only one that ended in the moment before Snakemake would have noted it is trained
again, as the table says. At the end all results are the same, nothing is left to do and nothing left over. Exits with
status 1 where anything differs. Checkpoints are written every 20 steps here.
"""

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.common import cli
from pipeline.common.errors import UserError
from pipeline.common.log import say
from tests.helpers import killchecks
from tests.helpers.killing import Moment, Workflow


def moments(whole: Path, begun: float, count: int, seed: int) -> list[Moment]:
    """One in each equal part of the undisturbed run, from its launch to the end of its last job.

    The first that falls after trainings have begun is moved to when one of them has its first checkpoint.
    """
    records = [record for record in killchecks.recorded(whole).values() if record.logs]
    jobs = {record.logs[0]: (record.start_time - begun, record.end_time - begun) for record in records}
    order = sorted(jobs, key=lambda log: jobs[log])
    lasts, generator = max(end for _, end in jobs.values()), random.Random(seed)
    found = []
    for number in range(count):
        at = lasts * (number + generator.random()) / count
        before = [log for log in order if jobs[log][0] <= at]
        since = jobs[before[-1]][0] if before else 0.0
        found.append(Moment(at, at - since, tuple(order[len(before) - 1 :]) if before else ()))
    trained = [jobs[log][0] for log in order if log.startswith("logs/train/")]
    if late := [number for number, moment in enumerate(found) if trained and moment.at > trained[0]]:
        found[late[0]] = Moment(found[late[0]].at, 0.0, checkpoint=True)
    return found


def disturbed(whole: Workflow, killed: Workflow, plan: Sequence[Moment]) -> tuple[list[list[str]], list[str]]:
    """Kill at every moment, then run to the end: a row of the table a kill, and whatever is not as it must be."""
    table, wrong, best = [], [], {}
    for moment in plan:
        if (found := in_time(killed, moment)) is None:
            return table, [*wrong, f"a run failed by itself: see {killed.said}"]
        hit, logs = found
        wrong += killchecks.restarted(killed.folder, best, logs)
        shown, unlike, best = examined(whole.folder, killed.folder, best)
        wrong += unlike
        jobs = ", ".join(sorted(log.removeprefix("logs/").removesuffix(".log") for log in hit)) or "Snakemake alone"
        table.append([f"{moment.at:.1f}", jobs, *shown])
        say(" | ".join(table[-1]))
    before = killed.logs()
    if not killed.finish():
        return table, [*wrong, f"the last run failed: see {killed.said}"]
    wrong += killchecks.restarted(killed.folder, best, killed.written(before))
    return table, wrong + killchecks.unlike(whole.folder, killed.folder) + left_to_do(killed)


def in_time(killed: Workflow, moment: Moment) -> tuple[set[str], set[str]] | None:
    """`Workflow.killed`; a run sooner done than the undisturbed one makes its target again. None: it failed."""
    while (found := killed.killed(moment)) is None and (killed.folder / killed.target).exists():
        (killed.folder / killed.target).unlink()
        moment = moment._replace(offset=moment.offset / 2, checkpoint=False)
    return found


def examined(whole: Path, killed: Path, best: dict[str, int]) -> tuple[list[str], list[str], dict[str, int]]:
    """What a kill has left: two cells of the table, what is wrong, every training's best checkpoint so far."""
    outputs = list(killchecks.recorded(whole))
    there, steps = killchecks.taken_for_whole(killed, outputs), killchecks.checkpoints(killed)
    words = [f"{Path(run).name} {step}" for run, step in steps.items()]
    shown = [f"{len(there)} of {len(outputs)}", ", ".join(words) or "none"]
    return shown, killchecks.differing(whole, killed, there), best | steps


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
    say(f"undisturbed: {time.time() - begun:.0f} s")
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
