"""Fuse the scores of several runs on the same videos into one score file.

average, weighted, max and product combine what `--on` names: logits, probabilities, or L2-normalised probabilities.
svm and logistic are fitted to the training videos' scores (`--train-scores`) and judge the test videos' stacked ones.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from pipeline import cli, scores
from pipeline.codehash import code_hash
from pipeline.errors import UserError
from pipeline.fusions import FITTED
from pipeline.scores import VideoScores

Stack = np.ndarray  # float (runs, videos, classes)

COMBINE: dict[str, Callable[[Stack, np.ndarray], np.ndarray]] = {
    "average": lambda stack, weights: stack.mean(0),
    "weighted": lambda stack, weights: np.tensordot(weights / weights.sum(), stack, 1),
    "max": lambda stack, weights: stack.max(0),
    "product": lambda stack, weights: np.exp(np.log(np.maximum(stack, 1e-12)).mean(0)),
}
ON = {"logits": "logits", "probabilities": "probabilities", "l2": "probabilities"}


def read_all(paths: Sequence[Path], on: str) -> list[VideoScores]:
    """The runs' scores on the same videos in the same order; anything that differs is a UserError naming the first."""
    runs = [scores.read(path, ON[on]) for path in paths]
    for path, run in zip(paths[1:], runs[1:], strict=True):
        _refuse_unlike(paths[0], runs[0], path, run)
    return [_normalised(run) if on == "l2" else run for run in runs]


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
) -> tuple[VideoScores, str]:
    """The fused scores and their kind."""
    runs = read_all(paths, on)
    if method in FITTED:
        if len(train_paths) != len(paths):
            raise UserError(f"{method} takes {len(paths)} --train-scores, one a score file, but got {len(train_paths)}")
        train = read_all(train_paths, on)
        _refuse_overlap(train[0], runs[0])
        values = fitted(method, stack_of(train), train[0].labels, stack_of(runs), seed)
        return runs[0]._replace(values=values), "decisions"
    given = np.array(weights or [1.0] * len(runs))
    if len(given) != len(runs) or given.sum() <= 0:
        raise UserError(
            f"--weights are {list(weights)} for {len(runs)} score files: give one each, with a positive sum"
        )
    return runs[0]._replace(values=COMBINE[method](stack_of(runs), given)), ON[on] if on != "l2" else "decisions"


def about(fused: VideoScores, paths: Sequence[Path], kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """The fused file's metadata: those of its parts that they share, and what was done."""
    parts = [scores.read(path).facts for path in paths]
    shared = {key: value for key, value in parts[0].items() if all(part.get(key) == value for part in parts)}
    notes = "; ".join(f"{part['run']}: {part['deviations']}" for part in parts if part.get("deviations"))
    fusion = {"kind": kind, "average": kind, "fusion": {**options, "of": [part["run"] for part in parts]}}
    return {**shared, **fusion, "deviations": notes, "code": code_hash("pipeline.fuse")}


def _normalised(run: VideoScores) -> VideoScores:
    return run._replace(values=run.values / np.linalg.norm(run.values, axis=1, keepdims=True))


def _refuse_unlike(first: Path, a: VideoScores, second: Path, b: VideoScores) -> None:
    for name in ("classes", "split", "subset", "fingerprint", "videos"):
        if a.facts.get(name) != b.facts.get(name):
            difference = _difference(a.facts.get(name), b.facts.get(name))
            raise UserError(f"{first} and {second} do not fuse: their {name} are {difference}")
    if a.videos != b.videos:
        raise UserError(f"{first} and {second} do not fuse: their videos are {_difference(a.videos, b.videos)}")


def _refuse_overlap(train: VideoScores, test: VideoScores) -> None:
    if both := sorted(set(train.videos) & set(test.videos)):
        raise UserError(
            f"{both[0]} is in the training scores and in the test scores: fit on other videos than are judged"
        )


def _difference(a: Any, b: Any) -> str:
    if isinstance(a, list) and isinstance(b, list):
        number = next((n for n, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), min(len(a), len(b)))
        a, b = (values[number] if number < len(values) else "nothing" for values in (a, b))
        return f"{a} and {b} at number {number + 1}"
    return f"{a} and {b}"


def main(argv: Sequence[str]) -> None:
    """See the module's docstring."""
    parser = cli.parser(__doc__)
    parser.add_argument("--scores", nargs="+", required=True, type=Path, help="score files of the same videos")
    parser.add_argument("--method", choices=[*COMBINE, *FITTED], default="average")
    parser.add_argument("--on", choices=list(ON), default="probabilities", help="what is combined")
    parser.add_argument("--weights", nargs="+", type=float, default=[], help="for weighted, one a score file")
    parser.add_argument(
        "--train-scores", nargs="+", type=Path, default=[], help="for svm and logistic, in the same order"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, type=Path, help="the Parquet file to write")
    a = parser.parse_args(argv)
    fused, kind = fuse(a.scores, a.train_scores, a.method, a.on, a.weights, a.seed)
    count = len(fused.videos)
    columns: dict[str, Sequence[Any]] = {
        "video_id": fused.videos, "label": fused.labels.tolist(), "clip": [0] * count, "crop": [0] * count,
        "flip": [False] * count, "start": [0] * count, "scores": list(fused.values.astype(np.float32)),
    }  # fmt: skip
    scores.write(a.out, columns, about(fused, a.scores, kind, {"method": a.method, "on": a.on, "weights": a.weights}))
    cli.say(f"{a.out}: {count} of {fused.facts['videos']} videos, top-1 {100 * scores.top1(fused):.1f} %")


if __name__ == "__main__":
    cli.run(main)
