"""Where a data set's results come from: commit, locked versions, data, weights and machine of each; what ran how long.

Reads what the score files keep of themselves, Snakemake's records of the jobs, and their benchmarks. What is recorded
nowhere is said to be unknown.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv, sha256
from pipeline.jobs import records
from pipeline.jobs.metadata import DIGITS, read_metadata
from pipeline.jobs.records import benchmark_row, logged_environment, wall_seconds
from pipeline.report import pages, stages

HASHED = 1 << 30  # bytes up to which a file is hashed
UNKNOWN = "unknown"
SCORES = ("run", "split", "seed", "recipe", "data", "weights", "scores", "commit", "training, s", "scoring, s")
ENVIRONMENT = ("commit", "dirty", "lock", "not_as_locked", "python", "torch", "gpu", "driver")


class Job(NamedTuple):
    """A job that made files the table hangs on: its rule, the rules whose files it read, its time, its memory."""

    rule: str
    before: frozenset[str]
    seconds: float | None
    megabytes: float | None


def jobs(folder: Path, output: str) -> Iterator[Job]:
    """Every job behind `output`, each once; files without a record are somebody's own."""
    waiting, seen, done = [output], {output}, set()
    while waiting:
        record = records.read(folder, waiting.pop())
        if record is None:
            continue
        new = [path for path in dict.fromkeys(record.inputs) if path not in seen]
        seen.update(new)
        waiting += new
        identity = (record.rule, *record.logs)
        if identity in done:
            continue
        done.add(identity)
        before = (records.read(folder, path) for path in record.inputs)
        yield Job(record.rule, frozenset(found.rule for found in before if found), *_cost(folder, record))


def score_rows(folder: Path, scores: Iterable[Path]) -> Iterator[list[str]]:
    """A row a score file: run, split, seed, recipe, data, its own and its weights' hash, when and how long."""
    for path in scores:
        facts, record = read_metadata(folder / path), records.read(folder, path.as_posix())
        weights = path.with_name("weights.safetensors")
        trained = records.read(folder, weights.as_posix())
        spent = [f"{wall_seconds(folder, each) or 0:.0f}" if each else UNKNOWN for each in (trained, record)]
        yield [
            path.parent.name, path.parts[-4].removeprefix("split"), path.parts[-3].removeprefix("seed"),
            str(facts.get("recipe_hash") or "-"), str(facts.get("fingerprint") or UNKNOWN), digest(folder / weights),
            digest(folder / path), str((environment(folder, path) or {}).get("commit") or UNKNOWN),
            spent[0] if trained else "-", spent[1],
        ]  # fmt: skip


def environment(folder: Path, path: Path) -> dict[str, Any]:
    """What the job that made a file ran in, by the file itself or by the job's log; empty where neither tells."""
    metadata, record = read_metadata(folder / path), records.read(folder, path.as_posix())
    return metadata.get("environment") or logged_environment(folder, record)


def environments(folder: Path, scores: Sequence[Path]) -> Iterator[list[str]]:
    """A row for every environment that results were made in, and how many of them."""
    found = [json.dumps(environment(folder, path), sort_keys=True) for path in scores]
    for text in dict.fromkeys(found):
        facts = json.loads(text)
        yield [str(found.count(text)), *(_plain(name, facts) for name in ENVIRONMENT)]


def data_rows(folder: Path, dataset: str) -> Iterator[list[str]]:
    """A row an archive by its hash, and one a kind of shards by what they were made with."""
    fetched = folder / "data" / "raw" / dataset / "fetched.tsv"
    for line in read_tsv(fetched) if fetched.exists() else []:
        yield ["archive", line["file"], line["sha256"][:DIGITS], f"{int(line['bytes']):,} bytes, {line['source']}"]
    for shards in sorted((folder / "data" / dataset / "shards").glob("*/")):
        facts = read_metadata(shards)
        settings = "; ".join(f"{name} {value}" for name, value in sorted(facts.get("settings", {}).items()))
        yield ["shards", shards.name, str(facts.get("shards_tsv", UNKNOWN)), settings]


def rule_rows(found: Sequence[Job]) -> Iterator[list[str]]:
    """A row a rule: its jobs, the time they took one after the other, the most memory of one."""
    for rule in stages.order(edges(found)):
        mine = [job for job in found if job.rule == rule]
        times = [job.seconds for job in mine if job.seconds is not None]
        peaks = [job.megabytes for job in mine if job.megabytes is not None]
        yield [rule, str(len(mine)), f"{sum(times):,.0f}" if times else UNKNOWN,
               f"{max(peaks):,.0f}" if peaks else UNKNOWN]  # fmt: skip


def edges(found: Iterable[Job]) -> dict[str, set[str]]:
    """Rule -> the rules whose files its jobs read."""
    made: dict[str, set[str]] = {}
    for job in found:
        made.setdefault(job.rule, set()).update(job.before - {job.rule})
    return made


def digest(path: Path) -> str:
    """The beginning of a file's SHA-256; none of a file that is not there or is very large."""
    if not path.exists():
        return "-"
    return sha256(path)[:DIGITS] if path.stat().st_size <= HASHED else "too large"


def body(folder: Path, dataset: str, scores: Sequence[Path], found: Sequence[Job]) -> Iterator[str]:
    """The page's parts."""
    yield pages.paragraph("Hashes are the first 12 digits of SHA-256; whoever has the same ones has the same thing.")
    yield pages.heading("What the results ran in")
    head = ("results", "commit", "uncommitted changes", "lock", "not as locked", "Python", "torch", "GPU", "driver")
    yield pages.table(head, environments(folder, scores))
    yield pages.heading("The results")
    caption = "recipe: what decides the weights; data: every video by name, class and size; weights and scores: files."
    yield pages.table(SCORES, score_rows(folder, scores), ("split", "seed", *SCORES[-2:]), caption)
    yield pages.heading("The data")
    rows = list(data_rows(folder, dataset))
    yield pages.table(("what", "name", "hash", "of"), rows) if rows else pages.paragraph("No archive or shard is here.")
    yield pages.heading("The work")
    names = ("stage", "jobs", "seconds, one after the other", "most memory of a job, MB")
    yield pages.table(names, rule_rows(found), names[1:])
    yield pages.paragraph(
        f"python -m pipeline.provenance results/tables/{dataset}.csv prints every file's own account."
    )


def below(folder: Path, path: Path) -> Path:
    """A path as Snakemake's rules name it, from the folder that it worked in."""
    if not path.absolute().is_relative_to(folder):
        raise UserError(f"{path} does not lie in {folder}, where the table was made: give that table's own scores")
    return path.absolute().relative_to(folder)


def _cost(folder: Path, record: records.Record) -> tuple[float | None, float | None]:
    peak = benchmark_row(folder, record).get("max_rss", "")
    megabytes = float(peak) if peak.replace(".", "", 1).isdigit() else 0.0
    return wall_seconds(folder, record), megabytes or None  # a job of a moment is over before it is measured


def _plain(name: str, facts: dict[str, Any]) -> str:
    value = facts.get(name)
    if name == "gpu" and facts:
        return ", ".join(value or ["none"])
    if value in (None, {}, []):
        return "-" if facts else UNKNOWN
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("table", type=Path, help="results/tables/<data set>.csv, where the workflow made it")
    parser.add_argument("--scores", nargs="*", default=[], type=Path, help="the score files that it shows")
    parser.add_argument("--plot", required=True, type=Path, help="an SVG of the stages")
    parser.add_argument("--page", required=True, type=Path, help="an HTML page")
    a = parser.parse_args(argv)
    folder, dataset = records.workflow_folder(a.table), a.table.stem
    table, *scores = (below(folder, path) for path in (a.table, *a.scores))
    found = list(jobs(folder, table.as_posix()))
    stages.draw(edges(found), {row[0]: row[1:] for row in rule_rows(found)}, f"{dataset}: what made its table", a.plot)
    pages.write(a.page, f"{dataset}: versions and hashes", *body(folder, dataset, scores, found))
    log.say(f"{a.page}: {len(found)} jobs, {len(scores)} score files")


if __name__ == "__main__":
    cli.run(main)
