"""Weibull against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.families import Weibull
from tests.families.graph import as_draws, evaluate, likelihood_model

FAMILY = Weibull()


def test_the_likelihood_is_the_textbook_one() -> None:
    """One event at 2.0 and one censored at 5.0: log density and log survival of scipy's weibull_min."""
    outcome = {"time": np.array([2.0, 5.0]), "event": np.array([True, False])}
    design = np.array([[1.0, -0.5], [0.0, 2.0]])
    model = likelihood_model(FAMILY, design, outcome, np.zeros(2, int), n_treatments=1)
    b, alpha, shape = np.array([0.3, -0.2]), 0.4, 1.5
    found = evaluate(FAMILY, model, {"b": b, "alpha": alpha, "shape_log__": np.log(shape)})
    crude = np.log((2.0 + 5.0) / 1)  # mean observed time per event
    assert float(found["log_scale"]) == pytest.approx(crude + alpha, rel=1e-12)
    scale = np.exp(crude + alpha + design @ b)
    expected = stats.weibull_min.logpdf(2.0, shape, scale=scale[0]) + stats.weibull_min.logsf(
        5.0, shape, scale=scale[1]
    )
    assert float(found["likelihood"]) == pytest.approx(expected, rel=1e-12)
    pointwise = FAMILY.log_likelihood(
        (design @ b)[:, None], outcome, np.zeros(2, int), as_draws(found, FAMILY), {}
    )
    assert pointwise.shape == (2, 1)
    assert pointwise.sum() == pytest.approx(expected, rel=1e-12)


def test_pointwise_log_likelihoods_are_scipys_for_every_draw() -> None:
    rng = np.random.default_rng(0)
    time, event = rng.uniform(0.1, 9.0, 20), rng.random(20) < 0.5
    eta, shape, log_scale = rng.normal(size=(20, 3)), np.array([0.6, 1.0, 2.5]), np.array([1.0, 2.0, 0.5])
    found = FAMILY.log_likelihood(
        eta, {"time": time, "event": event}, np.zeros(20, int), {"shape": shape, "log_scale": log_scale}, {}
    )
    for d in range(3):
        law = stats.weibull_min(shape[d], scale=np.exp(log_scale[d] + eta[:, d]))
        np.testing.assert_allclose(
            found[:, d], np.where(event, law.logpdf(time), law.logsf(time)), rtol=1e-10
        )


@pytest.mark.parametrize("shape", [0.5, 1.0, 1.7])
def test_survival_and_restricted_mean_are_scipys_survival_curve_and_its_area(shape: float) -> None:
    eta, horizon = np.array([-1.0, 0.0, 2.0]).reshape(3, 1, 1), 6.0
    parameters, constants = (
        {"shape": np.array([shape]), "log_scale": np.array([1.2])},
        {"end": np.float64(10.0)},
    )
    survival = FAMILY.response(Estimand(kind="survival", horizon=horizon), eta, parameters, constants)
    rmst = FAMILY.response(Estimand(kind="rmst", horizon=horizon), eta, parameters, constants)
    for i in range(3):
        law = stats.weibull_min(shape, scale=np.exp(1.2 + eta[i, 0, 0]))
        assert survival[i, 0, 0] == pytest.approx(law.sf(horizon), rel=1e-12)
        area, _ = integrate.quad(law.sf, 0, horizon, epsabs=1e-12)
        assert rmst[i, 0, 0] == pytest.approx(area, rel=1e-8)


def test_simulated_times_are_scipys_law() -> None:
    uniform = np.random.default_rng(3).random((1, 1, 20_000))
    parameters = {"shape": np.array([1.4]), "log_scale": np.array([0.7])}
    times = FAMILY.simulate(np.full(uniform.shape, 0.5), parameters, {}, uniform)
    assert stats.kstest(times.ravel(), stats.weibull_min(1.4, scale=np.exp(1.2)).cdf).pvalue > 1e-3


def test_a_higher_eta_means_later_events() -> None:
    parameters, constants = (
        {"shape": np.array([1.3]), "log_scale": np.array([1.0])},
        {"end": np.float64(10.0)},
    )
    eta = np.linspace(-1, 1, 5).reshape(5, 1, 1)
    survival = FAMILY.response(Estimand(kind="survival", horizon=4.0), eta, parameters, constants)
    assert (np.diff(survival[:, 0, 0]) > 0).all()


def test_the_refusal_of_a_horizon_says_how_far_follow_up_reaches() -> None:
    parameters = {"shape": np.array([1.3]), "log_scale": np.array([1.0])}
    with pytest.raises(SpecError, match=r"12.*follow-up.*earlier"):
        FAMILY.response(
            Estimand(kind="survival", horizon=12.0), np.zeros((1, 1, 1)), parameters, {"end": np.array(10.0)}
        )
