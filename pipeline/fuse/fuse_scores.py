"""Scores of several runs on the same videos, fused into one score file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from pipeline.common.code_hash import stage_hash
from pipeline.common.errors import UserError
from pipeline.formats import scores
from pipeline.formats.scores import VideoScores
from pipeline.fuse import compatible
from pipeline.fuse.methods import (
    COMBINE,
    FITTED,
    OF_VIEWS,
    Stack,
    sci,
    single,
    unit,
)

PRODUCT_ON = ("probabilities", "l2")


def read_all(paths: Sequence[Path], on: str) -> list[VideoScores]:
    """The runs' scores on the same videos in the first's order; anything that differs is a UserError naming the first.

    Videos are known by their names, or by their names without folder and suffix where those are unambiguous.
    """
    runs = [scores.read(path, kind_of(on, scores.facts(path)["kind"])) for path in paths]
    for number, path in enumerate(paths[1:], 1):
        compatible.refuse_unlike(paths[0], runs[0].facts, path, runs[number].facts)
        runs[number] = compatible.aligned(paths[0], runs[0], path, runs[number])
    return [run._replace(values=unit(run.values)) for run in runs] if on == "l2" else runs


def kind_of(on: str, held: str) -> str:
    """The kind of scores to read for `on` from a file that holds `held`."""
    return on if on != "l2" else "decisions" if held == "decisions" else "probabilities"


def stack_of(runs: Sequence[VideoScores]) -> Stack:
    """(runs, videos, classes)"""
    return np.stack([run.values for run in runs])


def stacked(stack: Stack) -> np.ndarray:
    """(runs, videos, classes) -> (videos, runs x classes): a classifier's features."""
    return stack.transpose(1, 0, 2).reshape(stack.shape[1], -1)


def fitted(method: str, train: Stack, labels: np.ndarray, test: Stack, seed: int) -> np.ndarray:
    """Decision values (videos, classes) of a classifier fitted to stacked scores; classes it never saw get the least.

    svm: multi-class linear SVM, one against the rest, on stacked L2-normalised softmax scores (Two-Stream, section 4).
    """
    model = LinearSVC(random_state=seed) if method == "svm" else LogisticRegression(max_iter=1000)
    model.fit(stacked(train), labels)
    decisions = model.decision_function(stacked(test))
    if decisions.ndim == 1:  # two classes: one margin, for the second
        decisions = np.stack([-decisions, decisions], 1)
    full = np.full((len(decisions), test.shape[2]), decisions.min() - 1)
    full[:, model.classes_] = decisions
    return full


def fuse(
    paths: Sequence[Path], train_paths: Sequence[Path], method: str, on: str, weights: Sequence[float], seed: int
) -> VideoScores:
    """The fused scores, of the kind that they are, with the fused file's metadata."""
    _refuse_options(paths, train_paths, method, on, weights)
    if method in OF_VIEWS:
        return _named(*of_views(paths, method, seed), method, on, weights)
    runs = read_all(paths, on)
    parts = [run.facts for run in runs]
    if method in FITTED:
        train = read_all(train_paths, on)
        compatible.refuse_unfit(train_paths, train, paths, runs)
        values = fitted(method, stack_of(train), train[0].labels, stack_of(runs), seed)
        return _named(runs[0]._replace(values=values, kind="decisions"), parts, method, on, weights)
    stack = stack_of(runs)
    if method == "product" and stack.min() < 0:
        raise UserError(
            f"product takes what is never negative, but {paths[0]} or another has negative decisions: average"
        )
    values = COMBINE[method](stack, np.array(weights or [1.0] * len(runs)))
    kind = "decisions" if on == "l2" else on
    return _named(runs[0]._replace(values=values, kind=kind), parts, method, on, weights)


def of_views(paths: Sequence[Path], method: str, seed: int) -> tuple[VideoScores, list[dict[str, Any]]]:
    """FstCN's fusions over the views; several runs' views are averaged one by one, and so must be the same."""
    first = scores.read_views(paths[0], "probabilities")
    if len(first.facts["classes"]) < 2:
        raise UserError(f"{paths[0]} has one class, for which SCI is not defined: use --method average")
    parts, mean = [first.facts], first.values
    for path in paths[1:]:
        other = scores.read_views(path, "probabilities")
        compatible.refuse_unlike(paths[0], first.facts, path, other.facts)
        compatible.refuse_other_views(paths[0], first, path, other)
        mean += other.values
        parts.append(other.facts)
    mean /= len(paths)
    videos, place = scores.numbered(first.table["video_id"])
    labels = first.table["label"].to_numpy()[np.unique(place, return_index=True)[1]]
    clip = first.table["clip"].to_numpy()
    values = sci(mean, place, clip) if method == "sci" else single(mean, place, clip, seed)
    return VideoScores(videos, labels, values, "probabilities", first.facts), parts


def name_of(facts: dict[str, Any]) -> str:
    """A part's name: its run, or what it was fused of."""
    return str(facts.get("run", "scores without a name"))


def about(parts: Sequence[dict[str, Any]], kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """The fused file's metadata: those of its parts that they share, and what was done."""
    shared = {key: value for key, value in parts[0].items() if all(part.get(key) == value for part in parts)}
    for part in parts:  # imported scores may leave open what ours state
        shared |= {key: part[key] for key in compatible.SHARED if part.get(key) is not None}
    shared["videos"] = max(part["videos"] for part in parts)
    names = [name_of(part) for part in parts]
    notes = "; ".join(f"{name_of(part)}: {part['deviations']}" for part in parts if part.get("deviations"))
    fusion = {"kind": kind, "average": kind, "fusion": {**options, "of": names}}
    run = f"{options['method']}({', '.join(names)})"
    return {**shared, **fusion, "run": run, "deviations": notes, "code": stage_hash("fuse")}


def _named(
    fused: VideoScores, parts: list[dict[str, Any]], method: str, on: str, weights: Sequence[float]
) -> VideoScores:
    options = {"method": method, "on": on, "weights": list(weights)}
    if not np.isfinite(fused.values).all():
        raise UserError(f"--method {method} --on {on} gives scores that are no numbers: fuse probabilities or l2")
    return fused._replace(facts=about(parts, fused.kind, options))


def _refuse_options(
    paths: Sequence[Path], train: Sequence[Path], method: str, on: str, weights: Sequence[float]
) -> None:
    if method in FITTED and len(train) != len(paths):
        raise UserError(f"{method} takes {len(paths)} --train-scores, one a score file, but got {len(train)}")
    if train and method not in FITTED:
        raise UserError(f"--train-scores are given, but {method} is not fitted: leave them out, or choose svm")
    if weights and method != "weighted":
        raise UserError(f"--weights are given, but {method} takes none: leave them out, or choose --method weighted")
    if method == "weighted" and (len(weights) != len(paths) or not sum(weights) > 0 or not np.isfinite(weights).all()):
        raise UserError(
            f"--weights are {list(weights)} for {len(paths)} score files: give one each, with a positive sum"
        )
    if method == "product" and on not in PRODUCT_ON:
        raise UserError(f"product takes what is never negative, but --on is {on}: choose {' or '.join(PRODUCT_ON)}")
    if method in OF_VIEWS and on != "probabilities":
        raise UserError(f"{method} weighs probabilities, but --on is {on}: choose --on probabilities")
