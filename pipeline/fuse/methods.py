"""The rules of fusion as arithmetic on arrays, and what each takes."""

from collections.abc import Callable

import numpy as np

from pipeline.formats.scores import add_runs

Stack = np.ndarray  # float (runs, videos, classes)

FITTED = ("svm", "logistic")  # methods fitted to the scores of the training videos
OF_VIEWS = ("sci", "single")  # methods that need every view, and so fuse one run too
COMBINE: dict[str, Callable[[Stack, np.ndarray], np.ndarray]] = {
    "average": lambda stack, weights: stack.mean(0),
    "weighted": lambda stack, weights: np.tensordot(weights / weights.sum(), stack, 1),
    "max": lambda stack, weights: stack.max(0),
    "product": lambda stack, weights: np.exp(np.log(np.maximum(stack, 1e-12)).mean(0)),
}
METHODS = (*COMBINE, *FITTED, *OF_VIEWS)
ON = ("logits", "probabilities", "l2")


def unit(values: np.ndarray) -> np.ndarray:
    """Scores (N, K), each video's of Euclidean length 1; zeros stay zeros."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(length > 0, length, 1)


def concentration(p: np.ndarray) -> np.ndarray:
    """Sparsity concentration index of probabilities (rows, N) -> (rows,): 1 for one sure class, 0 for all alike.

    SCI(p) = (N max_j p_j / sum_j p_j - 1) / (N - 1) (FstCN, SCI fusion)
    """
    classes = p.shape[1]
    return (classes * p.max(1) / p.sum(1) - 1) / (classes - 1)


def sci(p: np.ndarray, video: np.ndarray, clip: np.ndarray) -> np.ndarray:
    """FstCN's fusion of the views' probabilities p (rows, N) -> (videos, N); `video` and `clip` (rows,) are numbers.

    A clip's score is the mean of its crops, each weighted with its SCI; a video's, the largest over clips, class by
    class. Crops that are all flat have no SCI to weigh with and count alike.
    """
    pairs, place = np.unique(np.stack([video, clip], 1), axis=0, return_inverse=True)
    place = place.reshape(-1)
    weights = concentration(p).clip(0, None)
    totals = np.bincount(place, weights)
    weights = np.where(totals[place] > 0, weights, 1)
    means = np.zeros((len(pairs), p.shape[1]))
    for begin in range(0, len(p), 4096):
        part = slice(begin, begin + 4096)
        add_runs(means, place[part], p[part] * weights[part, None])
    means /= np.bincount(place, weights)[:, None]
    return np.maximum.reduceat(means, np.flatnonzero(np.diff(pairs[:, 0], prepend=-1)), axis=0)


def single(p: np.ndarray, video: np.ndarray, clip: np.ndarray, seed: int) -> np.ndarray:
    """A randomly selected clip of each video (FstCN, Table 2): the mean of its views' p. (rows, N) -> (videos, N)

    Which one is a function of the seed and the video's number; `video` and `clip` (rows,) are numbers.
    """
    pairs, place = np.unique(np.stack([video, clip], 1), axis=0, return_inverse=True)
    first, counts = np.unique(pairs[:, 0], return_index=True, return_counts=True)[1:]
    chosen = first + np.random.default_rng(seed).integers(counts)
    keep = np.isin(place.reshape(-1), chosen)
    means = np.zeros((len(chosen), p.shape[1]))
    rows = np.unique(video[keep], return_inverse=True)[1].reshape(-1)
    add_runs(means, rows, p[keep])
    return means / np.bincount(rows)[:, None]
