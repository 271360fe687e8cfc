"""Fuse the score files of several runs on the same videos into the scores of one file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.common.code_hash import stage_hash
from pipeline.common.errors import UserError
from pipeline.formats import scores
from pipeline.formats.scores import VideoScores, Views
from pipeline.fuse import compatible
from pipeline.fuse.methods import METHODS, l2_normalise


def fuse(
    paths: Sequence[Path],
    train_paths: Sequence[Path],
    method: str,
    input_kind: str,
    weights: Sequence[float],
    seed: int,
) -> VideoScores:
    """The fused scores, with the metadata of the fused file; what does not belong together is a UserError."""
    check_options(paths, train_paths, method, input_kind, weights)
    takes = METHODS[method].takes
    if takes.of_views:
        fused, parts = fuse_views(paths, method, seed)
    elif takes.fitted:
        fused, parts = fuse_fitted(paths, train_paths, method, input_kind, seed)
    else:
        fused, parts = fuse_runs(paths, method, input_kind, weights)
    if not np.isfinite(fused.values).all():
        raise UserError(
            f"--method {method} --input {input_kind} gives scores that are not finite: fuse probabilities or l2"
        )
    fusion = {"method": method, "on": input_kind, "weights": list(weights)}
    return fused._replace(metadata=fused_metadata(parts, fused.kind, fusion))


def check_options(
    paths: Sequence[Path], train: Sequence[Path], method: str, input_kind: str, weights: Sequence[float]
) -> None:
    """Raise a UserError for options that the method does not take."""
    takes = METHODS[method].takes
    if takes.fitted and len(train) != len(paths):
        raise UserError(f"{method} takes {len(paths)} --train-scores, one a score file, but got {len(train)}")
    if train and not takes.fitted:
        raise UserError(f"--train-scores are given, but {method} is not fitted: leave them out, or choose svm")
    if weights and not takes.weighted:
        raise UserError(f"--weights are given, but {method} takes none: leave them out, or choose --method weighted")
    if takes.weighted and (len(weights) != len(paths) or not sum(weights) > 0 or not np.isfinite(weights).all()):
        raise UserError(
            f"--weights are {list(weights)} for {len(paths)} score files: give one each, with a positive sum"
        )
    if takes.nonnegative and input_kind == "logits":
        raise UserError(
            f"{method} takes scores that are never negative, but --input is {input_kind}: choose probabilities or l2"
        )
    if takes.of_views and input_kind != "probabilities":
        raise UserError(
            f"{method} fuses the probabilities of views, but --input is {input_kind}: choose --input probabilities"
        )


def fuse_runs(
    paths: Sequence[Path], method: str, input_kind: str, weights: Sequence[float]
) -> tuple[VideoScores, list[dict[str, Any]]]:
    """The runs' scores of each video combined, and the metadata of each run."""
    function, takes = METHODS[method]
    runs = read_runs(paths, input_kind)
    stack = np.stack([run.values for run in runs])
    if takes.nonnegative and stack.min() < 0:
        raise UserError(
            f"{method} takes scores that are never negative, but those of {paths[0]} or another are: average"
        )
    values = function(stack, np.array(weights)) if takes.weighted else function(stack)
    kind = takes.output or ("decisions" if input_kind == "l2" else input_kind)
    return runs[0]._replace(values=values, kind=kind), [run.metadata for run in runs]


def fuse_fitted(
    paths: Sequence[Path], train_paths: Sequence[Path], method: str, input_kind: str, seed: int
) -> tuple[VideoScores, list[dict[str, Any]]]:
    """The decisions of a classifier that is fitted to the training videos' scores, and the metadata of each run."""
    function, takes = METHODS[method]
    runs, train = read_runs(paths, input_kind), read_runs(train_paths, input_kind)
    compatible.check_training_scores(train_paths, train, paths, runs)
    stacks = [np.stack([run.values for run in part]) for part in (train, runs)]
    values = function(stacks[0], train[0].labels, stacks[1], seed)
    return runs[0]._replace(values=values, kind=takes.output), [run.metadata for run in runs]


def fuse_views(paths: Sequence[Path], method: str, seed: int) -> tuple[VideoScores, list[dict[str, Any]]]:
    """The views' probabilities fused into scores of videos, and the metadata of each run.

    The views of several runs are first averaged one by one, and so must be the same views.
    """
    function, takes = METHODS[method]
    views, parts = average_views(paths)
    videos, video = scores.factorize(views.table["video_id"])
    labels = views.table["label"].to_numpy()[np.unique(video, return_index=True)[1]]
    values = function(views.values, video, views.table["clip"].to_numpy(), seed)
    return VideoScores(videos, labels, values, takes.output, views.metadata), parts


def average_views(paths: Sequence[Path]) -> tuple[Views, list[dict[str, Any]]]:
    """The mean of the runs' probabilities, view by view, and the metadata of each run."""
    first = scores.read_views(paths[0], "probabilities")
    if len(first.metadata["classes"]) < 2:
        raise UserError(f"{paths[0]} has one class, for which SCI is not defined: use --method average")
    parts, total = [first.metadata], first.values
    for path in paths[1:]:
        other = scores.read_views(path, "probabilities")
        compatible.check_same_data(paths[0], first.metadata, path, other.metadata)
        compatible.check_same_views(paths[0], first, path, other)
        total += other.values
        parts.append(other.metadata)
    total /= len(paths)
    return first._replace(values=total), parts


def read_runs(paths: Sequence[Path], input_kind: str) -> list[VideoScores]:
    """The runs' scores, all in the video order of the first file; a UserError names the first difference in videos.

    Videos are matched by name, or by name without folder and suffix where that is unambiguous.
    """
    runs = [scores.read(path, kind_to_read(input_kind, scores.read_metadata(path)["kind"])) for path in paths]
    for index, path in enumerate(paths[1:], 1):
        compatible.check_same_data(paths[0], runs[0].metadata, path, runs[index].metadata)
        runs[index] = compatible.align_videos(paths[0], runs[0], path, runs[index])
    return [run._replace(values=l2_normalise(run.values)) for run in runs] if input_kind == "l2" else runs


def kind_to_read(input_kind: str, stored: str) -> str:
    """The kind of scores to read for the input `input_kind` from a file that holds scores of the kind `stored`."""
    return input_kind if input_kind != "l2" else "decisions" if stored == "decisions" else "probabilities"


def fused_metadata(parts: Sequence[dict[str, Any]], kind: str, fusion: dict[str, Any]) -> dict[str, Any]:
    """The metadata of the fused file: what its parts have in common, and `fusion`, the options."""
    common = {key: value for key, value in parts[0].items() if all(part.get(key) == value for part in parts)}
    for part in parts:  # imported scores may lack what ours state
        common |= {key: part[key] for key in compatible.SHARED if part.get(key) is not None}
    common["videos"] = max(part["videos"] for part in parts)
    names = [run_name(part) for part in parts]
    notes = "; ".join(f"{run_name(part)}: {part['deviations']}" for part in parts if part.get("deviations"))
    kinds = {"kind": kind, "average": kind, "fusion": {**fusion, "of": names}}
    run = f"{fusion['method']}({', '.join(names)})"
    return {**common, **kinds, "run": run, "deviations": notes, "code": stage_hash("fuse")}


def run_name(metadata: dict[str, Any]) -> str:
    """The name of a part: its run, or for fused scores the fusion of theirs."""
    return str(metadata.get("run", "scores without a name"))
