"""Mixture cure: against scipy row by row, against Stata's published estimates, and against numerical expectations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize, stats
from scipy.special import expit

from medresponse.core.estimand import Estimand
from medresponse.families import Cure
from tests.families.event_rows import KINDS, direct, rows_of
from tests.families.graph import as_draws, evaluate, likelihood_model, linear

LATENCIES: list[Any] = ["weibull", "lognormal", "loglogistic"]
CONSTANTS = {"end": np.array(30.0)}


def law_of(latency: str, location: float, shape: float) -> Any:
    """Scipy's distribution of the uncured patients' times."""
    if latency == "weibull":
        return stats.weibull_min(shape, scale=np.exp(location))
    if latency == "lognormal":
        return stats.lognorm(1 / shape, scale=np.exp(location))
    return stats.fisk(shape, scale=np.exp(location))


@pytest.mark.parametrize("truncated", [False, True], ids=["from the start", "truncated"])
@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("latency", LATENCIES)
def test_the_likelihood_is_that_of_a_mixture_for_every_kind_of_row(
    latency: Any, kind: str, truncated: bool
) -> None:
    family, outcome = Cure(latency=latency), rows_of(kind, truncated=truncated)
    n = len(outcome["time"])
    design = np.random.default_rng(3).normal(scale=0.5, size=(n, 2))
    model = likelihood_model(family, design, outcome, np.zeros(n, int), n_treatments=1)
    b, shape = np.array([[0.4, -0.3], [0.7, 0.2]]), 1.4  # (coefficient, predictor)
    point = {"b": b, "incidence_alpha": 0.3, "latency_alpha": -0.2, "shape_log__": np.log(shape)}
    found = evaluate(family, model, point)
    incidence = float(found["incidence_intercept"]) + design @ b[:, 0]
    location = float(found["log_scale"]) + design @ b[:, 1]
    expected = []
    for i in range(n):
        uncured, law = expit(incidence[i]), law_of(latency, location[i], shape)

        def density(t: float, uncured: float = uncured, law: Any = law) -> float:
            return float(uncured * law.pdf(t))

        def survival(t: float, uncured: float = uncured, law: Any = law) -> float:
            return float(1 - uncured + uncured * law.sf(t))

        expected.append(direct(outcome, i, density, survival))
    assert float(found["likelihood"]) == pytest.approx(sum(expected), rel=1e-11)
    pointwise = family.log_likelihood(
        linear(design, b), outcome, np.zeros(n, int), as_draws(found, family), CONSTANTS
    )
    np.testing.assert_allclose(pointwise[:, 0], expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("latency", "start", "cured", "location", "log_shape"),
    # Weibull: Stata has H(t) = lambda t^gamma, so log scale = -ln(lambda) / gamma.
    [
        ("weibull", [0.5, 7.0, 0.4], 0.3838745, 11.10519 / np.exp(0.448163), 0.448163),
        ("lognormal", [1.0, 7.0, 0.1], 0.2774585, 6.982433, 0.093395),
    ],
)
def test_the_maximum_on_gbsg2_is_the_one_published_for_stata(
    latency: Any, start: list[float], cured: float, location: float, log_shape: float
) -> None:
    """`strsmix` on the German Breast Cancer Study Group's 686 women (days), as printed in the tests of flexsurvcure."""
    from sksurv.datasets import load_gbsg2

    _, observed = load_gbsg2()
    outcome = {"time": observed["time"], "event": observed["cens"]}
    n, family = len(observed), Cure(latency=latency)

    def misfit(point: np.ndarray) -> float:
        parameters = {
            "incidence_intercept": point[[0]], "log_scale": point[[1]], "shape": np.exp(point[[2]])
        }  # fmt: skip
        return -family.log_likelihood(np.zeros((2, n, 1)), outcome, np.zeros(n, int), parameters, {}).sum()

    options = {"xatol": 1e-9, "fatol": 1e-10, "maxiter": 5000, "maxfev": 5000}
    found = optimize.minimize(misfit, start, method="Nelder-Mead", options=options).x
    assert expit(-found[0]) == pytest.approx(cured, abs=5e-6)
    np.testing.assert_allclose(found[1:], [location, log_shape], atol=1e-5)


@pytest.mark.parametrize("latency", LATENCIES)
def test_responses_mix_the_cured_and_the_others(latency: Any) -> None:
    family, horizon = Cure(latency=latency), 6.0
    parameters = {
        "incidence_intercept": np.array([0.3]), "log_scale": np.array([1.2]), "shape": np.array([1.3])
    }  # fmt: skip
    eta = np.array([[-1.0, 0.5], [0.4, -0.6]]).reshape(2, 2, 1, 1)  # (predictor, patient, treatment, draw)
    found = {
        kind: family.response(Estimand(kind=kind, horizon=horizon), eta, parameters, CONSTANTS)[:, 0, 0]
        for kind in ("survival", "rmst", "cured")
    }
    for i in range(2):
        uncured, law = expit(0.3 + eta[0, i, 0, 0]), law_of(latency, 1.2 + eta[1, i, 0, 0], 1.3)

        def survival(t: float, uncured: float = uncured, law: Any = law) -> float:
            return float(1 - uncured + uncured * law.sf(t))

        assert found["cured"][i] == pytest.approx(1 - uncured, rel=1e-12)
        assert found["survival"][i] == pytest.approx(survival(horizon), rel=1e-12)
        assert found["rmst"][i] == pytest.approx(integrate.quad(survival, 0, horizon)[0], rel=1e-9)


def test_higher_incidence_means_more_events_and_higher_latency_later_ones() -> None:
    parameters = {"incidence_intercept": np.zeros(1), "log_scale": np.ones(1), "shape": np.ones(1)}
    step, still = np.linspace(-1, 1, 5), np.zeros(5)
    estimand = Estimand(kind="survival", horizon=4.0)
    for eta, sign in ((np.stack([step, still]), -1), (np.stack([still, step]), 1)):
        values = Cure().response(estimand, eta.reshape(2, 5, 1, 1), parameters, CONSTANTS)
        assert (sign * np.diff(values[:, 0, 0]) > 0).all()


def test_the_cured_never_have_the_event_and_the_others_follow_the_law_of_the_latency() -> None:
    uniform = np.random.default_rng(5).random((1, 1, 20_000))
    parameters = {
        "incidence_intercept": np.array([0.4]), "log_scale": np.array([0.7]), "shape": np.array([1.5])
    }  # fmt: skip
    times = Cure().simulate(np.zeros((2, *uniform.shape)), parameters, CONSTANTS, uniform).ravel()
    happened = np.isfinite(times)
    assert stats.binomtest(int(happened.sum()), 20_000, expit(0.4)).pvalue > 1e-3
    assert stats.kstest(times[happened], stats.weibull_min(1.5, scale=np.exp(0.7)).cdf).pvalue > 1e-3


def test_the_incidence_lies_around_the_height_of_the_curve_at_the_last_follow_up() -> None:
    """Four of ten events, all before the first censoring: the Nelson-Aalen curve ends at exp(-(1/10 + ... + 1/7))."""
    outcome = {"time": np.arange(1.0, 11.0), "event": np.arange(10) < 4}
    data = Cure().observe(outcome, np.zeros(10, int), {})
    plateau = np.exp(-sum(1 / k for k in (10, 9, 8, 7)))
    assert expit(float(data["crude_incidence"])) == pytest.approx(1 - plateau, rel=1e-12)
    assert float(data["crude_log_scale"]) == pytest.approx(np.log(2.5), rel=1e-12)


def test_a_curve_that_falls_to_nothing_leaves_room_for_cure() -> None:
    outcome = {"time": np.arange(1.0, 101.0), "event": np.ones(100, bool)}
    data = Cure().observe(outcome, np.zeros(100, int), {})
    assert expit(float(data["crude_incidence"])) == pytest.approx(0.95, rel=1e-12)
