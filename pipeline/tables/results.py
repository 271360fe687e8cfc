"""A results table's lines: published beside reproduced, each with what a reader must know before comparing."""

import csv
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import UserError
from pipeline.formats import class_counts
from pipeline.formats.class_counts import ClassCounts
from pipeline.formats.scores import score_file
from pipeline.score.evaluate import interval
from pipeline.tables.entries import Choice, Missing, Row, asked, missing
from pipeline.tables.published import Cell

MEAN = "mean"
PAPERS_SPLITS = 3  # the papers' means are over three splits, whatever config.yaml asks for
KINETICS_SPLITS = {"1": "validation", "2": "test"}
COLUMNS = (
    "paper", "method", "dataset", "split", "classes", "metric", "published", "reproduced", "difference", "low", "high",
    "videos", "splits", "seeds", "spread", "protocol", "run", "tables", "status", "note",
)  # fmt: skip
Line = dict[str, str]


def read(path: Path | str) -> list[Line]:
    """Every line of results/tables/<data set>.csv; another file is a UserError."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            found = list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a results table ({error}): make it first") from error
    if absent := [name for name in COLUMNS if name not in (reader.fieldnames or [])]:
        raise UserError(f"{path} has no column {absent[0]}, so it is no data set's results table: make it again")
    return found


class Score(NamedTuple):
    """The hits of one run on one split with one seed."""

    split: int
    seed: int
    hits: ClassCounts


class Ask(NamedTuple):
    """What a line is about: a split's name or `mean`, a metric, a group of classes, the splits that it takes."""

    split: str
    needed: int
    metric: str = "top1"
    group: str = "all"
    classes: Sequence[str] | None = None


def found(root: Path, dataset: str, row: Row, choice: Choice) -> list[Score]:
    """A row's scores that are there."""
    places = [(split, seed) for split in asked(row, choice) for seed in choice.seeds]
    paths = {place: score_file(root / dataset, *place, row.run) for place in places}
    return [Score(*place, class_counts.read_or_count(path)) for place, path in paths.items() if path.exists()]


def of_row(row: Row, dataset: str, choice: Choice, root: Path) -> Iterator[Line]:
    """Every line of one row for one data set: its splits, their mean, each with its published values."""
    base = {"paper": row.paper, "method": row.method, "dataset": dataset, "run": row.run}
    cells = [cell for cell in row.cells if cell.dataset == dataset]
    if reason := missing(row, choice):
        yield from (base | bare for bare in unrun(cells, reason))
        if not cells and reason.needed:
            about = {"split": MEAN, "classes": "all", "metric": "top1"}
            yield base | about | {"status": reason.status, "note": reason.note}
        return
    for made in run_lines(row, dataset, choice, cells, found(root, dataset, row, choice)):
        yield base | made | {"note": "; ".join(filter(None, [row.note, made["note"]]))}


def run_lines(row: Row, dataset: str, choice: Choice, cells: Sequence[Cell], scores: Sequence[Score]) -> Iterator[Line]:
    """The lines of a row whose run is asked for: by split, and by group of classes."""
    for ask in asks(row, dataset, choice, cells):
        chosen = [score for score in scores if ask.split in (MEAN, split_name(dataset, score.split))]
        for same in values([cell for cell in cells if (cell.split, cell.metric) == (ask.split, ask.metric)]):
            yield line(ask, same, chosen, choice.seeds)
    yield from _elsewhere(cells, dataset, scores, asked(row, choice), choice.seeds)
    for group, classes in choice.groups.items():
        yield line(Ask(MEAN, len(asked(row, choice)), group=group, classes=classes), [], scores, choice.seeds)


def asks(row: Row, dataset: str, choice: Choice, cells: Sequence[Cell]) -> list[Ask]:
    """The splits that a row has lines for, and their mean, by every metric that the paper prints there."""
    splits = asked(row, choice)
    lines = [Ask(split_name(dataset, split), 1) for split in splits]
    if not dataset.startswith("kinetics") and not row.splits:
        published = any(cell.split == MEAN for cell in cells)
        lines.append(Ask(MEAN, max(len(splits), PAPERS_SPLITS) if published else len(splits)))
    fives = {cell.split for cell in cells if cell.metric == "top5"}
    ones = {cell.split for cell in cells if cell.metric == "top1"}
    by_five = [ask._replace(metric="top5") for ask in lines if ask.split in fives]
    return [ask for ask in lines if ask.split not in fives - ones] + by_five


def line(ask: Ask, cells: Sequence[Cell], scores: Sequence[Score], seeds: Sequence[int]) -> Line:
    """One line's cells; `cells` are published with one value, `scores` are those of the line's splits."""
    value = cells[0].value if cells else ""
    base = {"split": ask.split, "classes": ask.group, "metric": ask.metric, "published": value,
            "tables": " ".join(cell.table for cell in cells)}  # fmt: skip
    done = sorted({score.split for score in scores})
    if not scores:
        return base | {"splits": f"0/{ask.needed}", "status": "not run", "note": "no score file"}
    whole = len(done) >= ask.needed and len(scores) >= len(done) * len(seeds)
    return {
        **base,
        **measured(ask, scores, value),
        "splits": f"{len(done)}/{ask.needed}",
        "seeds": " ".join(str(seed) for seed in sorted({score.seed for score in scores})),
        "protocol": " | ".join(sorted({str(score.hits.metadata.get("protocol", "")) for score in scores})),
        "status": "partial" if not whole else "reproduced" if value else "measured",
        "note": note(scores, len(done), ask.needed, seeds),
    }


def measured(ask: Ask, scores: Sequence[Score], published: str) -> Line:
    """Accuracy in per cent, mean of the splits, then of the seeds; the 95 % interval of all the splits' videos."""
    right = [
        class_counts.sum_over_classes(score.hits, getattr(score.hits, ask.metric), ask.classes) for score in scores
    ]
    shown = [class_counts.sum_over_classes(score.hits, score.hits.scored, ask.classes) for score in scores]
    if not all(shown):
        return {"videos": "0"}
    seeds = sorted({score.seed for score in scores})
    accuracies = [
        statistics.fmean(100 * r / n for score, r, n in zip(scores, right, shown, strict=True) if score.seed == seed)
        for seed in seeds
    ]
    low, high = interval(sum(right) / len(seeds), round(sum(shown) / len(seeds)))
    spread = f"{statistics.stdev(accuracies):.1f}" if len(seeds) > 1 else ""
    certainty = {"low": f"{100 * low:.1f}", "high": f"{100 * high:.1f}", "spread": spread}
    return compared(statistics.fmean(accuracies), published) | certainty | videos(ask, scores, shown)


def compared(accuracy: float, published: str) -> Line:
    """Reproduced and difference, with the paper's decimals, one at least."""
    digits = max(1, len(published.partition(".")[2]))
    shown = round(accuracy, digits)
    difference = f"{shown - float(published):+.{digits}f}" if published else ""
    return {"reproduced": f"{shown:.{digits}f}", "difference": difference}


def videos(ask: Ask, scores: Sequence[Score], shown: Sequence[int]) -> Line:
    """`n/N`: videos scored of those that the splits list, of one seed; of a group of classes n alone."""
    once = {score.split: (n, score.hits.videos) for score, n in zip(scores, shown, strict=True)}
    scored, listed = (sum(numbers) for numbers in zip(*once.values(), strict=True))
    return {"videos": str(scored) if ask.classes is not None else f"{scored}/{listed}"}


def note(scores: Sequence[Score], done: int, needed: int, seeds: Sequence[int]) -> str:
    """What a reader must know before comparing."""
    facts = [score.hits.metadata for score in scores]
    presets = sorted({str(fact["preset"]) for fact in facts if "preset" in fact} - {"paper"})
    parts = [f"{done} of {needed} splits"] if done < needed else []
    parts += [f"{len(scores)} of {done * len(seeds)} seeds"] if len(scores) < done * len(seeds) else []
    parts += [f"preset {name}" for name in presets]
    return "; ".join(parts + sorted({fact["deviations"] for fact in facts if fact.get("deviations")}))


def values(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Cells grouped by their value: papers print one result with more or fewer decimals. One empty group of none."""
    different = dict.fromkeys(cell.value for cell in cells)
    return [[cell for cell in cells if cell.value == value] for value in different] or [[]]


def split_name(dataset: str, split: int) -> str:
    """A split as the tables name it; Kinetics has validation clips and test clips."""
    return KINETICS_SPLITS.get(str(split), str(split)) if dataset.startswith("kinetics") else str(split)


def unrun(cells: Sequence[Cell], reason: Missing) -> Iterator[Line]:
    """Lines of published values that nothing is measured beside, with the reason."""
    for split, metric in dict.fromkeys((cell.split, cell.metric) for cell in cells):
        for same in values([cell for cell in cells if (cell.split, cell.metric) == (split, metric)]):
            yield {
                "split": split, "classes": "all", "metric": metric, "published": same[0].value,
                "tables": " ".join(cell.table for cell in same), "status": reason.status, "note": reason.note,
            }  # fmt: skip


def _elsewhere(
    cells: Sequence[Cell], dataset: str, scores: Sequence[Score], splits: Sequence[int], seeds: Sequence[int]
) -> Iterator[Line]:
    """Values published on a split that config.yaml does not ask for: beside Kinetics' validation clips, or alone."""
    names = {split_name(dataset, split) for split in splits}
    others = [cell for cell in cells if cell.split not in {*names, MEAN}]
    on_validation = [score for score in scores if split_name(dataset, score.split) == "validation"]
    for bare in unrun(others, Missing("not run", "published on a split that config.yaml does not ask for")):
        if bare["split"] != "test" or not on_validation:
            yield bare
            continue
        same = [cell for cell in others if (cell.metric, cell.value) == (bare["metric"], bare["published"])]
        made = line(Ask("test", 1, bare["metric"]), same, on_validation, seeds)
        reason = "published on the held-out test clips (split 2), measured on the validation clips"
        yield made | {"status": "partial", "note": "; ".join(filter(None, [reason, made["note"]]))}
