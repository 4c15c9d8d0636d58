"""Counts against scipy's law and a published table of deaths over person-years."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.families import Poisson
from tests.families.graph import as_draws, evaluate, likelihood_model

FAMILY = Poisson()


def test_the_likelihood_is_scipys_with_exposure() -> None:
    rng = np.random.default_rng(0)
    design, exposure = rng.normal(size=(30, 2)), rng.uniform(0.1, 5.0, 30)
    outcome = {"value": rng.poisson(2.0 * exposure).astype(float), "exposure": exposure}
    model = likelihood_model(FAMILY, design, outcome, np.zeros(30, int), n_treatments=1)
    b = np.array([0.6, -0.3])
    found = evaluate(FAMILY, model, {"b": b, "alpha": 0.2})
    crude = outcome["value"].sum() / exposure.sum()
    assert float(found["intercept"]) == pytest.approx(np.log(crude) + 0.2, rel=1e-12)
    expected = stats.poisson.logpmf(outcome["value"], exposure * np.exp(found["intercept"] + design @ b))
    assert float(found["likelihood"]) == pytest.approx(expected.sum(), rel=1e-12)
    pointwise = FAMILY.log_likelihood(
        (design @ b)[:, None], outcome, np.zeros(30, int), as_draws(found, FAMILY), {}
    )
    np.testing.assert_allclose(pointwise[:, 0], expected, rtol=1e-11)


def test_maximum_likelihood_of_the_british_doctors_table_is_the_published_fit() -> None:
    """Dobson & Barnett, An Introduction to Generalized Linear Models: -10.79, 2.376, -0.198, 1.441, -0.308, D 1.64."""
    deaths = np.array([32, 104, 206, 186, 102, 2, 12, 28, 28, 31.0])
    years = np.array([52407, 43248, 28612, 12663, 5317, 18790, 10673, 5710, 2585, 1462.0])
    age, smokes = np.tile(np.arange(1.0, 6.0), 2), np.repeat([1.0, 0.0], 5)
    design = np.column_stack([age, age**2, smokes, smokes * age])
    outcome, rows = {"value": deaths, "exposure": years}, np.zeros(10, int)

    def loss(point: np.ndarray) -> float:
        draws = {"intercept": point[:1]}
        return -float(FAMILY.log_likelihood(design @ point[1:, None], outcome, rows, draws, {}).sum())

    best = optimize.minimize(
        loss, [-10.0, 2.0, -0.2, 1.0, 0.0], method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 20_000, "maxfev": 20_000},
    )  # fmt: skip
    assert round(best.x[0], 2) == -10.79
    assert np.round(best.x[1:], 3).tolist() == [2.376, -0.198, 1.441, -0.308]
    deviance = 2 * (stats.poisson.logpmf(deaths, deaths).sum() + best.fun)
    assert round(deviance, 2) == 1.64


def test_a_count_is_the_rate_times_the_horizon() -> None:
    eta, parameters = np.array([[[0.4, -1.0]]]), {"intercept": np.array([0.1, 0.2])}
    rate = FAMILY.response(Estimand(kind="rate"), eta, parameters, {})
    np.testing.assert_allclose(rate[0, 0], np.exp([0.5, -0.8]), rtol=1e-14)
    count = FAMILY.response(Estimand(kind="count", horizon=2.5), eta, parameters, {})
    np.testing.assert_allclose(count, 2.5 * rate, rtol=1e-14)


@pytest.mark.parametrize("horizon", [None, 0.0, -1.0, float("inf"), float("nan")])
def test_a_count_needs_a_time_over_which_to_count(horizon: float | None) -> None:
    with pytest.raises(SpecError, match="horizon") as caught:
        FAMILY.response(
            Estimand(kind="count", horizon=horizon), np.zeros((1, 1, 1)), {"intercept": np.zeros(1)}, {}
        )
    assert caught.value.code == "horizon"


def test_simulated_counts_are_scipys_quantiles_to_the_count() -> None:
    mean, uniform = np.meshgrid(
        [1e-9, 0.01, 0.7, 3.0, 40.0, 2e3, 1e6], [1e-12, 1e-4, 0.03, 0.3, 0.5, 0.7, 0.97, 0.9999, 1 - 1e-12]
    )
    found = FAMILY.simulate(np.log(mean)[None], {"intercept": np.zeros(7)}, {}, uniform[None])
    np.testing.assert_array_equal(found[0], stats.poisson.ppf(uniform, mean))


def test_counts_beyond_counting_follow_the_limit_law() -> None:
    """Above 1e9 the quantiles are those of a gamma law; at 1e12 the normal limit agrees to 1e-10 of the mean."""
    uniform = np.array([0.01, 0.5, 0.99]).reshape(1, 1, 3)
    found = FAMILY.simulate(np.full((1, 1, 3), np.log(1e12)), {"intercept": np.zeros(3)}, {}, uniform)
    np.testing.assert_allclose(found[0, 0], 1e12 + 1e6 * stats.norm.ppf(uniform[0, 0]), rtol=1e-10)


def test_scales_are_those_of_counts() -> None:
    """1 / sqrt(events), and sqrt(log(1 + 1 / mean)): the sd of a log-normal with a Poisson's mean and variance."""
    outcome = {"value": np.array([0.0, 3.0, 5.0]), "exposure": np.array([1.0, 2.0, 7.0])}
    assert FAMILY.unit_information_sd(outcome) == pytest.approx(8**-0.5, rel=1e-12)
    mean = 8 / 3
    law = stats.lognorm(FAMILY.latent_sd(outcome), scale=mean * np.exp(-(FAMILY.latent_sd(outcome) ** 2) / 2))
    assert law.mean() == pytest.approx(mean) and law.var() == pytest.approx(mean)
