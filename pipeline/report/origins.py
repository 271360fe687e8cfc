"""Versions and hashes behind a data set's results: commit, locked versions, data, weights, machines and times.

They are read from the metadata of the score files, from Snakemake's records of the jobs and from their benchmarks; what
none of them has is shown as unknown.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common import cli, log
from pipeline.common.errors import UserError
from pipeline.common.files import read_tsv
from pipeline.jobs import records
from pipeline.jobs.metadata import DIGITS, read_metadata, short_sha256
from pipeline.jobs.records import benchmark_row, logged_environment, wall_seconds
from pipeline.report import pages, stages

UNKNOWN = "unknown"
SCORE_COLUMNS = ("run", "split", "seed", "recipe", "data", "weights", "scores", "commit", "training, s", "scoring, s")
ENVIRONMENT_KEYS = ("commit", "dirty", "lock", "not_as_locked", "python", "torch", "gpu", "driver")


class Job(NamedTuple):
    """A job behind the table: its rule, the rules whose outputs it read, its time and its peak memory."""

    rule: str
    sources: frozenset[str]
    seconds: float | None
    megabytes: float | None


def jobs_behind(folder: Path, output: str) -> Iterator[Job]:
    """Every job that `output` depends on, each once; files without a record were not made by the workflow."""
    queue, queued, yielded = [output], {output}, set()
    while queue:
        record = records.read(folder, queue.pop())
        if record is None:
            continue
        new = [path for path in dict.fromkeys(record.inputs) if path not in queued]
        queued.update(new)
        queue += new
        job = (record.rule, *record.logs)
        if job in yielded:
            continue
        yielded.add(job)
        sources = (records.read(folder, path) for path in record.inputs)
        yield Job(record.rule, frozenset(source.rule for source in sources if source), *_cost(folder, record))


def score_rows(folder: Path, scores: Iterable[Path]) -> Iterator[list[str]]:
    """A row for each score file, under SCORE_COLUMNS."""
    for path in scores:
        metadata, record = read_metadata(folder / path), records.read(folder, path.as_posix())
        weights = path.with_name("weights.safetensors")
        training = records.read(folder, weights.as_posix())
        times = [f"{wall_seconds(folder, job) or 0:.0f}" if job else UNKNOWN for job in (training, record)]
        yield [
            path.parent.name, path.parts[-4].removeprefix("split"), path.parts[-3].removeprefix("seed"),
            str(metadata.get("recipe_hash") or "-"), str(metadata.get("fingerprint") or UNKNOWN),
            digest(folder / weights), digest(folder / path),
            str((environment(folder, path) or {}).get("commit") or UNKNOWN), times[0] if training else "-", times[1],
        ]  # fmt: skip


def environment(folder: Path, path: Path) -> dict[str, Any]:
    """The environment of the job that made a file, from the file's metadata or the job's log; empty if in neither."""
    metadata, record = read_metadata(folder / path), records.read(folder, path.as_posix())
    return metadata.get("environment") or logged_environment(folder, record)


def environments(folder: Path, scores: Sequence[Path]) -> Iterator[list[str]]:
    """A row for every environment: the number of results that were made in it, and its ENVIRONMENT_KEYS."""
    texts = [json.dumps(environment(folder, path), sort_keys=True) for path in scores]
    for text in dict.fromkeys(texts):
        values = json.loads(text)
        yield [str(texts.count(text)), *(_as_text(name, values) for name in ENVIRONMENT_KEYS)]


def data_rows(folder: Path, dataset: str) -> Iterator[list[str]]:
    """A row for each archive with its hash, and one for each modality's shards with their settings."""
    fetched = folder / "data" / "raw" / dataset / "fetched.tsv"
    for line in read_tsv(fetched) if fetched.exists() else []:
        yield ["archive", line["file"], line["sha256"][:DIGITS], f"{int(line['bytes']):,} bytes, {line['source']}"]
    for shards in sorted((folder / "data" / dataset / "shards").glob("*/")):
        metadata = read_metadata(shards)
        settings = "; ".join(f"{name} {value}" for name, value in sorted(metadata.get("settings", {}).items()))
        yield ["shards", shards.name, str(metadata.get("shards_tsv", UNKNOWN)), settings]


def rule_rows(jobs: Sequence[Job]) -> Iterator[list[str]]:
    """A row for each rule: the number of its jobs, their total time, and the largest peak memory among them."""
    for rule in stages.order(edges(jobs)):
        of_rule = [job for job in jobs if job.rule == rule]
        times = [job.seconds for job in of_rule if job.seconds is not None]
        peaks = [job.megabytes for job in of_rule if job.megabytes is not None]
        yield [rule, str(len(of_rule)), f"{sum(times):,.0f}" if times else UNKNOWN,
               f"{max(peaks):,.0f}" if peaks else UNKNOWN]  # fmt: skip


def edges(jobs: Iterable[Job]) -> dict[str, set[str]]:
    """Rule -> the rules whose outputs its jobs read."""
    sources: dict[str, set[str]] = {}
    for job in jobs:
        sources.setdefault(job.rule, set()).update(job.sources - {job.rule})
    return sources


def digest(path: Path) -> str:
    """The file's short_sha256; `-` for a missing file."""
    return short_sha256(path) if path.exists() else "-"


def body(folder: Path, dataset: str, scores: Sequence[Path], jobs: Sequence[Job]) -> Iterator[str]:
    """The parts of the page as HTML."""
    yield pages.paragraph("Hashes are the first 12 digits of SHA-256; whoever has the same ones has the same thing.")
    yield pages.heading("What the results ran in")
    head = ("results", "commit", "uncommitted changes", "lock", "not as locked", "Python", "torch", "GPU", "driver")
    yield pages.table(head, environments(folder, scores))
    yield pages.heading("The results")
    caption = "recipe: what decides the weights; data: every video by name, class and size; weights and scores: files."
    yield pages.table(SCORE_COLUMNS, score_rows(folder, scores), ("split", "seed", *SCORE_COLUMNS[-2:]), caption)
    yield pages.heading("The data")
    rows = list(data_rows(folder, dataset))
    yield pages.table(("what", "name", "hash", "of"), rows) if rows else pages.paragraph("No archive or shard is here.")
    yield pages.heading("The work")
    names = ("stage", "jobs", "seconds, one after the other", "most memory of a job, MB")
    yield pages.table(names, rule_rows(jobs), names[1:])
    yield pages.paragraph(
        f"python -m pipeline.provenance results/tables/{dataset}.csv prints every file's own account."
    )


def relative_path(folder: Path, path: Path) -> Path:
    """A path relative to `folder`, the working directory of Snakemake, as its rules name it."""
    if not path.absolute().is_relative_to(folder):
        raise UserError(f"{path} is not in {folder}, where the table was made: give that table's own scores")
    return path.absolute().relative_to(folder)


def _cost(folder: Path, record: records.Record) -> tuple[float | None, float | None]:
    peak = benchmark_row(folder, record).get("max_rss", "")
    megabytes = float(peak) if peak.replace(".", "", 1).isdigit() else 0.0
    return wall_seconds(folder, record), megabytes or None  # a short job ends before its memory is measured


def _as_text(name: str, environment: dict[str, Any]) -> str:
    value = environment.get(name)
    if name == "gpu" and environment:
        return ", ".join(value or ["none"])
    if value in (None, {}, []):
        return "-" if environment else UNKNOWN
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("table", type=Path, help="results/tables/<data set>.csv, where the workflow made it")
    parser.add_argument("--scores", nargs="*", default=[], type=Path, help="the score files that it shows")
    parser.add_argument("--plot", required=True, type=Path, help="an SVG of the stages")
    parser.add_argument("--page", required=True, type=Path, help="an HTML page")
    args = parser.parse_args(argv)
    folder, dataset = records.workflow_folder(args.table), args.table.stem
    table, *scores = (relative_path(folder, path) for path in (args.table, *args.scores))
    jobs = list(jobs_behind(folder, table.as_posix()))
    costs = {row[0]: row[1:] for row in rule_rows(jobs)}
    stages.draw(edges(jobs), costs, f"{dataset}: what made its table", args.plot)
    pages.write(args.page, f"{dataset}: versions and hashes", *body(folder, dataset, scores, jobs))
    log.say(f"{args.page}: {len(jobs)} jobs, {len(scores)} score files")


if __name__ == "__main__":
    cli.run(main)
