"""The rows of a data set's results table: published beside reproduced, with what a reader must know to compare them."""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.formats import class_counts
from pipeline.formats.class_counts import ClassCounts
from pipeline.formats.scores import score_file
from pipeline.score.evaluate import wilson_interval
from pipeline.tables.entries import Choice, MissingReason, TableEntry, requested_splits, why_missing
from pipeline.tables.published import Cell
from pipeline.tables.result_rows import ALL_CLASSES, MEAN, ResultRow

PAPERS_SPLITS = 3  # the papers' means are over three splits, whatever config.yaml asks for
KINETICS_SPLITS = {"1": "validation", "2": "test"}


class RunCounts(NamedTuple):
    """The class counts of one run on one split with one seed."""

    split: int
    seed: int
    counts: ClassCounts


class Request(NamedTuple):
    """What a row is to show: a split's name or `mean`, the number of splits, a metric, and a group of classes."""

    split: str
    needed: int
    metric: str = "top1"
    group: str = ALL_CLASSES
    classes: Sequence[str] | None = None


def entry_results(entry: TableEntry, dataset: str, choice: Choice, root: Path) -> Iterator[ResultRow]:
    """Every row of one entry for one data set: its splits, their mean and its groups of classes.

    Score files are those that are in `root`/<data set>/splitN/seedN/<run>/.
    """
    base = {"paper": entry.paper, "method": entry.method, "dataset": dataset, "run": entry.run}
    cells = [cell for cell in entry.cells if cell.dataset == dataset]
    if reason := why_missing(entry, choice):
        yield from (base | row for row in published_rows(cells, reason))
        if not cells and reason.needed:
            about = {"split": MEAN, "classes": ALL_CLASSES, "metric": "top1"}
            yield base | about | {"status": reason.status, "note": reason.note}
        return
    for row in run_results(entry, dataset, choice, cells, read_counts(entry, dataset, choice, root)):
        yield base | row | {"note": "; ".join(filter(None, [entry.note, row["note"]]))}


def read_counts(entry: TableEntry, dataset: str, choice: Choice, root: Path) -> list[RunCounts]:
    """The class counts of the entry's score files that exist."""
    pairs = [(split, seed) for split in requested_splits(entry, choice) for seed in choice.seeds]
    paths = {pair: score_file(root / dataset, *pair, entry.run) for pair in pairs}
    return [RunCounts(*pair, class_counts.read_or_count(path)) for pair, path in paths.items() if path.exists()]


def run_results(
    entry: TableEntry, dataset: str, choice: Choice, cells: Sequence[Cell], counts: Sequence[RunCounts]
) -> Iterator[ResultRow]:
    """The rows of an entry that has a run: by split and metric, then by group of classes."""
    splits = requested_splits(entry, choice)
    for request in split_requests(entry, dataset, splits, cells):
        chosen = [one for one in counts if request.split in (MEAN, split_name(dataset, one.split))]
        here = [cell for cell in cells if (cell.split, cell.metric) == (request.split, request.metric)]
        for same_value in group_by_value(here):
            yield result_row(request, same_value, chosen, choice.seeds)
    yield from _on_other_splits(cells, dataset, counts, splits, choice.seeds)
    for group, classes in choice.groups.items():
        yield result_row(Request(MEAN, len(splits), group=group, classes=classes), [], counts, choice.seeds)


def split_requests(entry: TableEntry, dataset: str, splits: Sequence[int], cells: Sequence[Cell]) -> list[Request]:
    """The splits that an entry has rows for, and their mean, by every metric that the paper prints for them."""
    requests = [Request(split_name(dataset, split), 1) for split in splits]
    if not dataset.startswith("kinetics") and not entry.splits:
        published = any(cell.split == MEAN for cell in cells)
        requests.append(Request(MEAN, max(len(splits), PAPERS_SPLITS) if published else len(splits)))
    with_top5 = {cell.split for cell in cells if cell.metric == "top5"}
    with_top1 = {cell.split for cell in cells if cell.metric == "top1"}
    top5 = [request._replace(metric="top5") for request in requests if request.split in with_top5]
    return [request for request in requests if request.split not in with_top5 - with_top1] + top5


def result_row(request: Request, cells: Sequence[Cell], counts: Sequence[RunCounts], seeds: Sequence[int]) -> ResultRow:
    """One row; `cells` are published with one and the same value, `counts` are those of the request's splits."""
    published = cells[0].value if cells else ""
    base = {"split": request.split, "classes": request.group, "metric": request.metric, "published": published,
            "tables": " ".join(cell.table for cell in cells)}  # fmt: skip
    splits = {one.split for one in counts}
    if not counts:
        return base | {"splits": f"0/{request.needed}", "status": "not run", "note": "no score file"}
    complete = len(splits) >= request.needed and len(counts) >= len(splits) * len(seeds)
    return {
        **base,
        **accuracy_cells(request, counts, published),
        "splits": f"{len(splits)}/{request.needed}",
        "seeds": " ".join(str(seed) for seed in sorted({one.seed for one in counts})),
        "protocol": " | ".join(sorted({str(one.counts.metadata.get("protocol", "")) for one in counts})),
        "status": "partial" if not complete else "reproduced" if published else "measured",
        "note": note(counts, len(splits), request.needed, seeds),
    }


def accuracy_cells(request: Request, counts: Sequence[RunCounts], published: str) -> ResultRow:
    """Accuracy in per cent, averaged over splits and then over seeds; its 95 % interval over all splits' videos."""
    right, scored = ([one.counts.total(name, request.classes) for one in counts] for name in (request.metric, "scored"))
    if not all(scored):
        return {"videos": "0"}
    seeds = sorted({one.seed for one in counts})
    accuracies = [
        statistics.fmean(100 * r / n for one, r, n in zip(counts, right, scored, strict=True) if one.seed == seed)
        for seed in seeds
    ]
    low, high = wilson_interval(sum(right) / len(seeds), round(sum(scored) / len(seeds)))
    std = f"{statistics.stdev(accuracies):.1f}" if len(seeds) > 1 else ""
    uncertainty = {"low": f"{100 * low:.1f}", "high": f"{100 * high:.1f}", "std": std}
    return difference_cells(statistics.fmean(accuracies), published) | uncertainty | n_of_n(request, counts, scored)


def difference_cells(accuracy: float, published: str) -> ResultRow:
    """`reproduced` and `difference`, with as many decimals as the paper prints, but at least one."""
    digits = max(1, len(published.partition(".")[2]))
    shown = round(accuracy, digits)
    difference = f"{shown - float(published):+.{digits}f}" if published else ""
    return {"reproduced": f"{shown:.{digits}f}", "difference": difference}


def n_of_n(request: Request, counts: Sequence[RunCounts], scored: Sequence[int]) -> ResultRow:
    """`n/N`: videos scored / listed, summed over splits, one seed; class groups show n alone."""
    of_split = {one.split: (n, one.counts.videos) for one, n in zip(counts, scored, strict=True)}
    n, listed = (sum(numbers) for numbers in zip(*of_split.values(), strict=True))
    return {"videos": str(n) if request.classes is not None else f"{n}/{listed}"}


def note(counts: Sequence[RunCounts], splits: int, needed: int, seeds: Sequence[int]) -> str:
    """What a reader must know before comparing: missing splits and seeds, presets, deviations from the paper."""
    metadata = [one.counts.metadata for one in counts]
    presets = sorted({str(one["preset"]) for one in metadata if "preset" in one} - {"paper"})
    parts = [f"{splits} of {needed} splits"] if splits < needed else []
    parts += [f"{len(counts)} of {splits * len(seeds)} seeds"] if len(counts) < splits * len(seeds) else []
    parts += [f"preset {name}" for name in presets]
    return "; ".join(parts + sorted({one["deviations"] for one in metadata if one.get("deviations")}))


def group_by_value(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Cells grouped by value, as papers print a result with more or fewer decimals; of no cells one empty group."""
    values = dict.fromkeys(cell.value for cell in cells)
    return [[cell for cell in cells if cell.value == value] for value in values] or [[]]


def split_name(dataset: str, split: int) -> str:
    """A split as the tables name it; those of Kinetics are its validation and its test clips."""
    return KINETICS_SPLITS.get(str(split), str(split)) if dataset.startswith("kinetics") else str(split)


def published_rows(cells: Sequence[Cell], reason: MissingReason) -> Iterator[ResultRow]:
    """Rows of published values that nothing is measured beside, with the reason."""
    for split, metric in dict.fromkeys((cell.split, cell.metric) for cell in cells):
        for same_value in group_by_value([cell for cell in cells if (cell.split, cell.metric) == (split, metric)]):
            yield {
                "split": split, "classes": ALL_CLASSES, "metric": metric, "published": same_value[0].value,
                "tables": " ".join(cell.table for cell in same_value), "status": reason.status, "note": reason.note,
            }  # fmt: skip


def _on_other_splits(
    cells: Sequence[Cell], dataset: str, counts: Sequence[RunCounts], splits: Sequence[int], seeds: Sequence[int]
) -> Iterator[ResultRow]:
    """Values published on a split that config.yaml does not ask for: beside Kinetics' validation clips, or alone."""
    names = {split_name(dataset, split) for split in splits}
    others = [cell for cell in cells if cell.split not in {*names, MEAN}]
    on_validation = [one for one in counts if split_name(dataset, one.split) == "validation"]
    reason = MissingReason("not run", "published on a split that config.yaml does not ask for")
    for published in published_rows(others, reason):
        if published["split"] != "test" or not on_validation:
            yield published
            continue
        value = (published["metric"], published["published"])
        same_value = [cell for cell in others if (cell.metric, cell.value) == value]
        row = result_row(Request("test", 1, published["metric"]), same_value, on_validation, seeds)
        held_out = "published on the held-out test clips (split 2), measured on the validation clips"
        yield row | {"status": "partial", "note": "; ".join(filter(None, [held_out, row["note"]]))}
