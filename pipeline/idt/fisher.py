"""Fisher vectors (Perronnin, Sanchez & Mensink, ECCV 2010) of a video's descriptors, one for each kind.

A Fisher vector is the gradient of the mean log-likelihood of the video's descriptors under a Gaussian mixture, with
respect to the means and the standard deviations, each divided by the square root of its Fisher information. It is a
function of three sums over the descriptors, so that tracks need not be kept once they are added.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from pipeline.idt.parameters import DESCRIPTOR_LENGTHS


class Mixture(NamedTuple):
    """The vocabulary of one kind: a projection D -> d, and a mixture of K Gaussians with diagonal covariances."""

    centre: np.ndarray  # (D,)
    axes: np.ndarray  # (d, D)
    weights: np.ndarray  # (K,)
    means: np.ndarray  # (K, d)
    variances: np.ndarray  # (K, d)


Vocabulary = dict[str, Mixture]  # by kind


def root_normalise(descriptors: np.ndarray) -> np.ndarray:
    """Signed square roots of the L1-normalised descriptors (N, D) of one kind."""
    norms = np.abs(descriptors).sum(1, keepdims=True)
    return np.sign(descriptors) * np.sqrt(np.abs(descriptors) / np.maximum(norms, 1e-12))


def project(descriptors: np.ndarray, mixture: Mixture) -> np.ndarray:
    """PCA of descriptors, (N, D) -> (N, d)."""
    return (descriptors - mixture.centre) @ mixture.axes.T


def posteriors(x: np.ndarray, mixture: Mixture) -> np.ndarray:
    """The posterior probabilities (N, K) of the Gaussians given x (N, d)."""
    precision = 1 / mixture.variances
    constant = np.log(mixture.weights) + 0.5 * np.log(precision).sum(1) - 0.5 * (mixture.means**2 * precision).sum(1)
    return softmax((x @ (mixture.means * precision).T) - 0.5 * (x**2 @ precision.T) + constant, axis=1)


class FisherSums:
    """The sums over projected descriptors that a Fisher vector is computed from."""

    def __init__(self, mixture: Mixture) -> None:
        self._mixture = mixture
        self.count = 0
        self._zeroth = np.zeros(len(mixture.weights))
        self._first, self._second = (np.zeros(mixture.means.shape) for _ in range(2))

    def add(self, x: np.ndarray) -> None:
        """Add projected descriptors x (N, d)."""
        posterior = posteriors(x, self._mixture)
        self.count += len(x)
        self._zeroth += posterior.sum(0)
        self._first += posterior.T @ x
        self._second += posterior.T @ x**2

    def vector(self) -> np.ndarray:
        """(2 K d,): the gradients by the means, then by the standard deviations; zeros if no descriptors were added."""
        _, _, weights, means, variances = self._mixture
        if not self.count:
            return np.zeros(2 * means.size)
        zeroth = self._zeroth[:, None]
        by_mean = (self._first - zeroth * means) / np.sqrt(variances * weights[:, None])
        centred = self._second - 2 * means * self._first + zeroth * (means**2 - variances)
        by_deviation = centred / (variances * np.sqrt(2 * weights[:, None]))
        return np.concatenate([by_mean.ravel(), by_deviation.ravel()]) / self.count


class Encoder:
    """A video's encoding under one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._sums = {kind: FisherSums(mixture) for kind, mixture in vocabulary.items()}

    def add(self, descriptors: dict[str, np.ndarray]) -> None:
        """Add the root-normalised descriptors of tracks, by kind."""
        for kind, mixture in self._vocabulary.items():
            self._sums[kind].add(project(descriptors[kind], mixture))

    def vector(self) -> np.ndarray:
        """The power- and L2-normalised Fisher vectors of all kinds, concatenated."""
        return np.concatenate([power_normalise(self._sums[kind].vector()) for kind in DESCRIPTOR_LENGTHS])


def power_normalise(vector: np.ndarray) -> np.ndarray:
    """Signed square roots of a vector, then divided by their Euclidean length; zeros stay zeros."""
    powered = np.sign(vector) * np.sqrt(np.abs(vector))
    return powered / max(np.linalg.norm(powered), 1e-12)
