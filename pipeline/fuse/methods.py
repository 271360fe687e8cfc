"""The fusion methods as functions of arrays; pipeline/config/fusion_methods.py says what each takes and gives.

The signature of a method's function follows from its entry there:

    method(stack)                       the scores of several runs, (runs, videos, classes)
    method(stack, weights)              `weighted`: weights (runs,)
    method(train, labels, test, seed)   `fitted`: two stacks, and labels (videos,) of the first
    method(p, video, clip, seed)        `of_views`: probabilities (views, classes), numbers of video and clip

and each returns (videos, classes).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from pipeline.config.fusion_methods import FUSION_METHODS, FusionMethod
from pipeline.formats.scores import add_rows

Stack = np.ndarray  # float (runs, videos, classes)
Function = Callable[..., np.ndarray]
BLOCK = 4096  # views that SCI weighs at a time


class Method(NamedTuple):
    """A fusion method: its function, and what it takes and gives."""

    function: Function
    takes: FusionMethod


METHODS: dict[str, Method] = {}


def register(name: str) -> Callable[[Function], Function]:
    """Decorator that enters a function into METHODS as the fusion method `name`."""

    def decorate(function: Function) -> Function:
        METHODS[name] = Method(function, FUSION_METHODS[name])
        return function

    return decorate


@register("average")
def average(stack: Stack) -> np.ndarray:
    """The mean of the runs."""
    return stack.mean(0)


@register("weighted")
def weighted_average(stack: Stack, weights: np.ndarray) -> np.ndarray:
    """The mean of the runs, weighted by weights (runs,), which need not sum to 1."""
    return np.tensordot(weights / weights.sum(), stack, 1)


@register("max")
def maximum(stack: Stack) -> np.ndarray:
    """The largest score among the runs, class by class."""
    return stack.max(0)


@register("product")
def geometric_mean(stack: Stack) -> np.ndarray:
    """The geometric mean of the runs, which ranks the classes as their product does."""
    return np.exp(np.log(np.maximum(stack, 1e-12)).mean(0))


@register("svm")
def svm(train: Stack, labels: np.ndarray, test: Stack, seed: int) -> np.ndarray:
    """Multi-class linear SVM, one against the rest, on stacked L2-normalised softmax scores (Two-Stream, section 4)."""
    return classify(LinearSVC(random_state=seed), train, labels, test)


@register("logistic")
def logistic_regression(train: Stack, labels: np.ndarray, test: Stack, seed: int) -> np.ndarray:
    """Multinomial logistic regression on the stacked scores; its solver draws nothing from the seed."""
    return classify(LogisticRegression(max_iter=1000), train, labels, test)


def classify(classifier: Any, train: Stack, labels: np.ndarray, test: Stack) -> np.ndarray:
    """Decision values (videos, classes) of a fitted classifier; classes without a training video get the lowest."""
    classifier.fit(features(train), labels)
    decisions = classifier.decision_function(features(test))
    if decisions.ndim == 1:  # with two classes scikit-learn returns one margin, that of the second class
        decisions = np.stack([-decisions, decisions], 1)
    values = np.full((len(decisions), test.shape[2]), decisions.min() - 1)
    values[:, classifier.classes_] = decisions
    return values


def features(stack: Stack) -> np.ndarray:
    """The scores of all runs side by side: (runs, videos, classes) -> (videos, runs x classes)."""
    return stack.transpose(1, 0, 2).reshape(stack.shape[1], -1)


@register("sci")
def sci(p: np.ndarray, video: np.ndarray, clip: np.ndarray, seed: int = 0) -> np.ndarray:
    """FstCN's SCI fusion of the views' probabilities p (views, classes) -> (videos, classes).

    The score of a clip is the mean of its crops, weighted by their SCI; the score of a video is the largest among its
    clips, class by class. A clip whose crops all have an SCI of zero takes their plain mean.
    """
    clips, clip_index = np.unique(np.stack([video, clip], 1), axis=0, return_inverse=True)
    clip_index = clip_index.reshape(-1)
    weights = concentration(p).clip(0, None)
    totals = np.bincount(clip_index, weights)
    weights = np.where(totals[clip_index] > 0, weights, 1)
    means = np.zeros((len(clips), p.shape[1]))
    for begin in range(0, len(p), BLOCK):
        block = slice(begin, begin + BLOCK)
        add_rows(means, clip_index[block], p[block] * weights[block, None])
    means /= np.bincount(clip_index, weights)[:, None]
    return np.maximum.reduceat(means, np.flatnonzero(np.diff(clips[:, 0], prepend=-1)), axis=0)


def concentration(p: np.ndarray) -> np.ndarray:
    """Sparsity concentration index of probabilities (views, N) -> (views,): 1 for a single class, 0 for a flat score.

    SCI(p) = (N max_j p_j / sum_j p_j - 1) / (N - 1) (FstCN, SCI fusion)
    """
    classes = p.shape[1]
    return (classes * p.max(1) / p.sum(1) - 1) / (classes - 1)


@register("single")
def single_clip(p: np.ndarray, video: np.ndarray, clip: np.ndarray, seed: int) -> np.ndarray:
    """The mean of the views of one clip of each video, drawn at random (FstCN, Table 2).

    p (views, classes) -> (videos, classes); the draw depends on the seed and on the number of the video.
    """
    clips, clip_index = np.unique(np.stack([video, clip], 1), axis=0, return_inverse=True)
    first, counts = np.unique(clips[:, 0], return_index=True, return_counts=True)[1:]
    chosen = first + np.random.default_rng(seed).integers(counts)
    keep = np.isin(clip_index.reshape(-1), chosen)
    means = np.zeros((len(chosen), p.shape[1]))
    rows = np.unique(video[keep], return_inverse=True)[1].reshape(-1)
    add_rows(means, rows, p[keep])
    return means / np.bincount(rows)[:, None]


def l2_normalise(values: np.ndarray) -> np.ndarray:
    """Scores (videos, classes) with each video's divided by their Euclidean length; zeros stay zeros."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(length > 0, length, 1)
