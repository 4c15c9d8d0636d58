"""Weibull: the textbook likelihood, and the estimates that R publishes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medresponse.families import Weibull
from tests.families.graph import as_draws, evaluate, likelihood_model
from tests.families.published import cracks, maximum_of, ovarian, six

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


def test_the_maximum_on_the_ovarian_trial_is_the_one_in_rs_documentation() -> None:
    """`survreg(Surv(futime, fustat) ~ ecog.ps + rx, ovarian, dist = "weibull", scale = 1)`, the example of R's survival
    package: 6.9618376, -0.4331347, 0.5815027, log likelihood -97.2."""
    point, log_likelihood = maximum_of(FAMILY, *ovarian(), centre="log_scale", spread="shape", fixed=1.0)
    np.testing.assert_allclose(point, [-0.4331347, 0.5815027, 6.9618376], atol=2e-7)
    assert log_likelihood == pytest.approx(-97.2, abs=0.05)


def test_the_maximum_on_six_patients_is_rs_to_seven_digits() -> None:
    """survreg in R survival's tests/testreg.Rout.save, there checked against SAS: 2.2373335, -0.7442249, scale
    0.4563163 (1 / shape), log likelihood -10.3."""
    point, log_likelihood = maximum_of(FAMILY, *six(), centre="log_scale", spread="shape")
    np.testing.assert_allclose(point[:2], [-0.7442249, 2.2373335], atol=1e-6)
    assert np.exp(-point[2]) == pytest.approx(0.4563163, abs=1e-6)
    assert log_likelihood == pytest.approx(-10.3, abs=0.05)


def test_the_maximum_on_interval_censored_inspections_is_rs() -> None:
    """survreg in R survival's tests/r_sas.Rout.save, data cracks: 7.6880, log scale -0.3953, log likelihood -309.6."""
    point, log_likelihood = maximum_of(FAMILY, *cracks(), centre="log_scale", spread="shape")
    np.testing.assert_allclose([point[0], -point[1]], [7.6880, -0.3953], atol=5e-5)
    assert log_likelihood == pytest.approx(-309.6, abs=0.05)
    # Its printed 1%, 10%, 50% and 80% points, to seven digits.
    parameters = {"log_scale": point[[0]], "shape": np.exp(point[[1]])}
    alive = np.array([0.99, 0.9, 0.5, 0.2]).reshape(4, 1, 1)
    found = FAMILY.simulate(np.zeros((4, 1, 1)), parameters, {}, alive)
    np.testing.assert_allclose(found.ravel(), [98.47183, 479.31737, 1704.71015, 3006.43572], rtol=2e-6)
