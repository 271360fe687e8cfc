"""Fisher vectors (Perronnin, Sanchez & Mensink, ECCV 2010) of a video's descriptors, kind by kind.

A Fisher vector is the gradient of the mean log-likelihood of the video's descriptors under a Gaussian mixture, by the
means and the standard deviations, each divided by the root of its Fisher information. It is a function of three sums
over the descriptors, so that tracks are forgotten as soon as they are added.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from pipeline.idt.parameters import KINDS


class Mixture(NamedTuple):
    """One kind's part of a vocabulary: a projection D -> d and a mixture of K Gaussians with diagonal covariances."""

    centre: np.ndarray  # (D,)
    axes: np.ndarray  # (d, D)
    weights: np.ndarray  # (K,)
    means: np.ndarray  # (K, d)
    variances: np.ndarray  # (K, d)


Vocabulary = dict[str, Mixture]  # by kind


def root(descriptors: np.ndarray) -> np.ndarray:
    """Each kind's descriptors (N, D) divided by their L1 norms, then their signed square roots."""
    norms = np.abs(descriptors).sum(1, keepdims=True)
    return np.sign(descriptors) * np.sqrt(np.abs(descriptors) / np.maximum(norms, 1e-12))


def projected(descriptors: np.ndarray, mixture: Mixture) -> np.ndarray:
    """(N, D) -> (N, d)"""
    return (descriptors - mixture.centre) @ mixture.axes.T


def shares(x: np.ndarray, mixture: Mixture) -> np.ndarray:
    """Which Gaussian each x (N, d) is from, as probabilities (N, K)."""
    precision = 1 / mixture.variances
    constant = np.log(mixture.weights) + 0.5 * np.log(precision).sum(1) - 0.5 * (mixture.means**2 * precision).sum(1)
    return softmax((x @ (mixture.means * precision).T) - 0.5 * (x**2 @ precision.T) + constant, axis=1)


class Sums:
    """What a Fisher vector needs to know of the x (N, d) seen so far."""

    def __init__(self, mixture: Mixture) -> None:
        self._mixture = mixture
        self.count = 0
        self._zeroth = np.zeros(len(mixture.weights))
        self._first, self._second = (np.zeros(mixture.means.shape) for _ in range(2))

    def add(self, x: np.ndarray) -> None:
        """More of them."""
        share = shares(x, self._mixture)
        self.count += len(x)
        self._zeroth += share.sum(0)
        self._first += share.T @ x
        self._second += share.T @ x**2

    def vector(self) -> np.ndarray:
        """(2 K d,): the gradients by the means, then by the deviations; zeros where there was nothing to see."""
        _, _, weights, means, variances = self._mixture
        if not self.count:
            return np.zeros(2 * means.size)
        zeroth = self._zeroth[:, None]
        by_mean = (self._first - zeroth * means) / np.sqrt(variances * weights[:, None])
        spread = self._second - 2 * means * self._first + zeroth * (means**2 - variances)
        by_deviation = spread / (variances * np.sqrt(2 * weights[:, None]))
        return np.concatenate([by_mean.ravel(), by_deviation.ravel()]) / self.count


class Encoder:
    """A video's encoding under one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._sums = {kind: Sums(mixture) for kind, mixture in vocabulary.items()}

    def add(self, rooted: dict[str, np.ndarray]) -> None:
        """More tracks, by kind, already rooted."""
        for kind, mixture in self._vocabulary.items():
            self._sums[kind].add(projected(rooted[kind], mixture))

    def vector(self) -> np.ndarray:
        """Every kind's Fisher vector, power and L2 normalised, end to end."""
        return np.concatenate([normalised(self._sums[kind].vector()) for kind in KINDS])


def normalised(vector: np.ndarray) -> np.ndarray:
    """Signed square roots, then length 1; zeros stay."""
    powered = np.sign(vector) * np.sqrt(np.abs(vector))
    return powered / max(np.linalg.norm(powered), 1e-12)
