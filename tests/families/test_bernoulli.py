"""Binary outcomes against scipy's law and a published logistic regression."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import expit, logit

from medresponse.core.estimand import Estimand
from medresponse.families import Bernoulli
from tests.families.graph import as_draws, evaluate, likelihood_model

FAMILY = Bernoulli()


def test_the_likelihood_is_scipys_for_every_patient() -> None:
    rng = np.random.default_rng(0)
    design, outcome = rng.normal(size=(30, 2)), {"value": (rng.random(30) < 0.2).astype(float)}
    model = likelihood_model(FAMILY, design, outcome, np.zeros(30, int), n_treatments=1)
    b = np.array([1.3, -0.7])
    found = evaluate(FAMILY, model, {"b": b, "alpha": 0.4})
    events = outcome["value"].sum()
    assert float(found["intercept"]) == pytest.approx(logit((events + 0.5) / 31) + 0.4, rel=1e-12)
    expected = stats.bernoulli.logpmf(outcome["value"], expit(found["intercept"] + design @ b))
    assert float(found["likelihood"]) == pytest.approx(expected.sum(), rel=1e-12)
    eta = (design @ b)[:, None]
    pointwise = FAMILY.log_likelihood(eta, outcome, np.zeros(30, int), as_draws(found, FAMILY), {})
    np.testing.assert_allclose(pointwise[:, 0], expected, rtol=1e-12)


def test_maximum_likelihood_of_the_beetle_mortality_table_is_the_published_fit() -> None:
    """Bliss (1935), as fitted in Dobson & Barnett, An Introduction to Generalized Linear Models: -60.72, 34.27, D 11.23."""
    dose = np.array([1.6907, 1.7242, 1.7552, 1.7842, 1.8113, 1.8369, 1.8610, 1.8839])
    treated = np.array([59, 60, 62, 56, 63, 59, 62, 60])
    killed = np.array([6, 13, 18, 28, 52, 53, 61, 60])
    row = np.repeat(np.arange(8), treated)
    value = np.concatenate([np.arange(n) < y for n, y in zip(treated, killed, strict=True)]).astype(float)

    def loss(point: np.ndarray) -> float:
        eta = (point[1] * (dose - 1.8))[row, None]
        draws = {"intercept": point[:1]}
        return -float(FAMILY.log_likelihood(eta, {"value": value}, row, draws, {}).sum())

    best = optimize.minimize(loss, [0.0, 30.0], method="BFGS")
    assert round(best.x[0] - 1.8 * best.x[1], 2) == -60.72
    assert round(best.x[1], 2) == 34.27
    saturated = stats.binom.logpmf(killed, treated, killed / treated) - stats.binom.logpmf(
        killed, treated, expit(best.x[0] + best.x[1] * (dose - 1.8))
    )
    assert round(2 * saturated.sum(), 2) == 11.23


def test_log_odds_of_hundreds_are_scored_exactly() -> None:
    eta, outcome = np.array([[800.0], [800.0], [-800.0]]), {"value": np.array([1.0, 0.0, 1.0])}
    found = FAMILY.log_likelihood(eta, outcome, np.zeros(3, int), {"intercept": np.zeros(1)}, {})
    assert found[:, 0].tolist() == [0.0, -800.0, -800.0]


def test_features_that_separate_events_leave_a_density_with_a_summit() -> None:
    """The likelihood alone grows for ever along such a coefficient; with its prior the gradient turns."""
    design, value = np.linspace(-1, 1, 20)[:, None], (np.arange(20) >= 10).astype(float)
    model = likelihood_model(FAMILY, design, {"value": value}, np.zeros(20, int), n_treatments=1)
    slope = model.compile_dlogp(vars=[model["b"]], mode="FAST_COMPILE")
    assert slope({"b": np.zeros(1), "mean": 0.0}) > 0 > slope({"b": np.full(1, 20.0), "mean": 0.0})


def test_nobody_with_the_event_and_everybody_mirror_each_other() -> None:
    none, all_ = (FAMILY.learn({"value": np.full(12, v)})["crude"] for v in (0.0, 1.0))
    assert none == pytest.approx(-np.log(25.0)) and all_ == pytest.approx(np.log(25.0))


def test_the_unit_information_sd_is_the_standard_error_of_a_log_odds() -> None:
    value = (np.arange(50) < 15).astype(float)
    assert FAMILY.unit_information_sd({"value": value}) == pytest.approx(
        1 / np.sqrt(50 * 0.3 * 0.7), rel=1e-12
    )


def test_a_probability_is_the_share_of_simulated_events() -> None:
    parameters, uniform = (
        {"intercept": np.full(20_000, -1.0)},
        np.random.default_rng(1).random((1, 1, 20_000)),
    )
    eta = np.full(uniform.shape, 0.3)
    events = FAMILY.simulate(eta, parameters, {}, uniform)
    assert set(np.unique(events)) == {0.0, 1.0}
    p = FAMILY.response(Estimand(kind="probability"), eta[..., :1], {"intercept": np.array([-1.0])}, {})
    assert p[0, 0, 0] == pytest.approx(expit(-0.7), rel=1e-12)
    assert events.mean() == pytest.approx(p[0, 0, 0], abs=4 * np.sqrt(0.25 / 20_000))
