"""Fisher vectors agree with their definition."""

import numpy as np
import pytest
import torch

from pipeline.idt.fisher import Encoder, FisherSums, Mixture, posteriors, power_normalise, project, root_normalise
from pipeline.idt.parameters import DESCRIPTOR_LENGTHS

K, D, N = 5, 4, 60


def mixture(kind_length=D, half=D, seed=0):
    random = np.random.default_rng(seed)
    weights = random.dirichlet(np.ones(K))
    axes = np.linalg.qr(random.normal(size=(kind_length, kind_length)))[0][:half]
    centre = random.normal(size=kind_length)
    return Mixture(centre, axes, weights, random.normal(size=(K, half)), random.uniform(0.3, 2, (K, half)))


def likelihood(x, weights, means, deviations):
    """Mean log-likelihood of x (N, D) under the mixture."""
    gaussians = torch.distributions.Normal(means, deviations).log_prob(x[:, None]).sum(2)  # (N, K)
    return torch.logsumexp(gaussians + weights.log(), 1).mean()


def test_a_fisher_vector_is_the_gradient_of_the_log_likelihood_divided_by_the_root_of_its_information():
    chosen, x = mixture(), np.random.default_rng(1).normal(size=(N, D))
    weights, means, deviations = map(torch.tensor, (chosen.weights, chosen.means, np.sqrt(chosen.variances)))
    means.requires_grad_(), deviations.requires_grad_()
    by_mean, by_deviation = torch.autograd.grad(likelihood(torch.tensor(x), weights, means, deviations),
                                                (means, deviations))  # fmt: skip
    by_mean = by_mean / (weights[:, None] / deviations**2).sqrt()
    by_deviation = by_deviation / (2 * weights[:, None] / deviations**2).sqrt()
    expected = torch.cat([by_mean.flatten(), by_deviation.flatten()]).detach().numpy()
    sums = FisherSums(chosen)
    sums.add(x)
    assert sums.vector() == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_posteriors_agree_with_the_densities():
    chosen, x = mixture(), np.random.default_rng(1).normal(size=(N, D))
    away = (x[:, None] - chosen.means) ** 2 / chosen.variances
    density = chosen.weights * np.exp(-0.5 * away.sum(2)) / np.sqrt(chosen.variances.prod(1))
    assert posteriors(x, chosen) == pytest.approx(density / density.sum(1, keepdims=True))


def test_descriptors_may_be_added_in_parts():
    chosen, x = mixture(), np.random.default_rng(1).normal(size=(N, D))
    whole, parts = FisherSums(chosen), FisherSums(chosen)
    whole.add(x)
    for part in np.split(x, [7, 7, 30]):
        parts.add(part)
    assert parts.vector() == pytest.approx(whole.vector())


def test_descriptors_drawn_from_the_mixture_have_a_small_gradient():
    chosen, random = mixture(), np.random.default_rng(2)
    component = random.choice(K, 20_000, p=chosen.weights)
    x = chosen.means[component] + random.normal(size=(len(component), D)) * np.sqrt(chosen.variances[component])
    drawn, shifted = FisherSums(chosen), FisherSums(chosen)
    drawn.add(x)
    shifted.add(x + 1)
    assert np.linalg.norm(drawn.vector()) < 0.1 < np.linalg.norm(shifted.vector())


def test_root_normalised_descriptors_keep_signs_and_have_length_1():
    found = root_normalise(np.array([[1.0, -3.0, 0.0], [0.0, 0.0, 0.0]]))
    assert found == pytest.approx(np.array([[0.5, -np.sqrt(0.75), 0], [0, 0, 0]]))


def test_an_encoding_has_length_1_for_each_kind_and_is_zero_without_tracks():
    vocabulary = {kind: mixture(length, length // 2) for kind, length in DESCRIPTOR_LENGTHS.items()}
    encoder = Encoder(vocabulary)
    assert not encoder.vector().any()
    random = np.random.default_rng(3)
    encoder.add({kind: random.normal(size=(20, length)) for kind, length in DESCRIPTOR_LENGTHS.items()})
    parts = np.split(
        encoder.vector(), np.cumsum([2 * K * (length // 2) for length in DESCRIPTOR_LENGTHS.values()])[:-1]
    )
    assert [np.linalg.norm(part) for part in parts] == pytest.approx([1] * len(DESCRIPTOR_LENGTHS))


def test_power_normalisation_keeps_signs():
    assert power_normalise(np.array([4.0, -1.0])) == pytest.approx(np.array([2, -1]) / np.sqrt(5))


def test_the_mean_is_projected_to_zero():
    chosen = mixture(6, 3)
    assert project(chosen.centre[None], chosen) == pytest.approx(np.zeros((1, 3)))
