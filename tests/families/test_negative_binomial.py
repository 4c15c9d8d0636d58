"""Overdispersed counts against scipy's law and a published fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from medresponse.families import NegativeBinomial, Poisson
from tests.families.graph import as_draws, evaluate, likelihood_model

FAMILY = NegativeBinomial()


def data_of(n: int = 40) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    exposure = rng.uniform(0.1, 5.0, n)
    value = rng.negative_binomial(1.5, 1.5 / (1.5 + 6 * exposure)).astype(float)
    return rng.normal(size=(n, 2)), {"value": value, "exposure": exposure}


@pytest.mark.parametrize("overdispersion", [0.04, 0.7, 3.0])
def test_the_likelihood_is_scipys_with_exposure(overdispersion: float) -> None:
    """On both sides of phi = 1,000, where Stirling's series takes over."""
    design, outcome = data_of()
    model = likelihood_model(FAMILY, design, outcome, np.zeros(40, int), n_treatments=1)
    b = np.array([0.6, -0.3])
    point = {"b": b, "alpha": 0.2, "overdispersion_log__": np.log(overdispersion)}
    found = evaluate(FAMILY, model, point)
    mean = outcome["exposure"] * np.exp(found["intercept"] + design @ b)
    phi = overdispersion**-2
    expected = stats.nbinom.logpmf(outcome["value"], phi, phi / (phi + mean))
    assert float(found["likelihood"]) == pytest.approx(expected.sum(), rel=1e-10)
    pointwise = FAMILY.log_likelihood(
        (design @ b)[:, None], outcome, np.zeros(40, int), as_draws(found, FAMILY), {}
    )
    np.testing.assert_allclose(pointwise[:, 0], expected, rtol=1e-9)


def test_without_overdispersion_it_is_poisson_to_the_last_digits() -> None:
    """Where log gammas of phi = 1e16 would have lost every digit of their difference."""
    design, outcome = data_of()
    model = likelihood_model(FAMILY, design, outcome, np.zeros(40, int), n_treatments=1)
    point = {"b": np.array([0.6, -0.3]), "alpha": 0.2, "overdispersion_log__": np.log(1e-8)}
    found, eta = evaluate(FAMILY, model, point), (design @ point["b"])[:, None]
    expected = Poisson().log_likelihood(eta, outcome, np.zeros(40, int), as_draws(found, FAMILY), {})
    pointwise = FAMILY.log_likelihood(eta, outcome, np.zeros(40, int), as_draws(found, FAMILY), {})
    np.testing.assert_allclose(pointwise, expected, rtol=1e-10)
    assert float(found["likelihood"]) == pytest.approx(expected.sum(), rel=1e-11)


def test_maximum_likelihood_of_the_homicide_table_is_the_published_fit() -> None:
    """Agresti's survey of homicide victims known, glm.nb of R's MASS: -2.3832, 1.7331, theta 0.2023, 2 logLik -995.798."""
    known = {0.0: [1070, 60, 14, 4, 0, 0, 1], 1.0: [119, 16, 12, 7, 3, 2, 0]}
    rows = np.array([[x, c] for x, counts in known.items() for c, n in enumerate(counts) for _ in range(n)])
    outcome, arm = {"value": rows[:, 1], "exposure": np.ones(len(rows))}, np.zeros(len(rows), int)

    def loss(point: np.ndarray) -> float:
        draws = {"intercept": point[:1], "overdispersion": np.exp(point[2:])}
        return -float(FAMILY.log_likelihood(rows[:, :1] * point[1], outcome, arm, draws, {}).sum())

    best = optimize.minimize(loss, [-2.0, 1.0, 0.5], method="BFGS")
    assert np.round(best.x[:2], 4).tolist() == [-2.3832, 1.7331]
    assert round(np.exp(-2 * best.x[2]), 4) == 0.2023
    assert round(-2 * best.fun, 3) == -995.798


def test_simulated_counts_have_variance_mean_plus_overdispersion_squared_mean_squared() -> None:
    uniform = np.random.default_rng(1).random((1, 1, 50_000))
    parameters = {"intercept": np.full(50_000, np.log(6.0)), "overdispersion": np.full(50_000, 0.8)}
    counts = FAMILY.simulate(np.zeros(uniform.shape), parameters, {}, uniform).ravel()
    phi = 0.8**-2
    law = stats.nbinom(phi, phi / (phi + 6.0))
    assert law.var() == pytest.approx(6.0 + 0.64 * 36.0)
    np.testing.assert_array_equal(counts, law.ppf(uniform.ravel()))
    assert counts.mean() == pytest.approx(6.0, abs=4 * law.std() / np.sqrt(50_000))


def test_counts_beyond_counting_follow_the_gamma_law_of_the_rates() -> None:
    uniform = np.array([0.01, 0.5, 0.99]).reshape(1, 1, 3)
    parameters = {"intercept": np.zeros(3), "overdispersion": np.full(3, 0.5)}
    found = FAMILY.simulate(np.full((1, 1, 3), np.log(1e14)), parameters, {}, uniform)
    expected = stats.gamma(4.0, scale=1e14 / 4.0).ppf(uniform[0, 0])
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-10)


def test_scales_are_poissons_unless_counts_vary_more_and_wider_then() -> None:
    even = {"value": np.array([2.0, 2.0, 2.0, 2.0]), "exposure": np.ones(4)}
    assert FAMILY.unit_information_sd(even) == pytest.approx(Poisson().unit_information_sd(even), rel=1e-12)
    assert FAMILY.latent_sd(even) == pytest.approx(Poisson().latent_sd(even), rel=1e-12)
    uneven = {"value": np.array([0.0, 0.0, 0.0, 8.0]), "exposure": np.ones(4)}
    # Moments: mean 2, mean squared deviation 12, so 1 / phi = (12 - 2) / 4.
    assert FAMILY.unit_information_sd(uneven) == pytest.approx(np.sqrt((1 + 2.5 * 2) / 8), rel=1e-12)
    assert FAMILY.latent_sd(uneven) == pytest.approx(np.sqrt(np.log1p(0.5 + 2.5)), rel=1e-12)
