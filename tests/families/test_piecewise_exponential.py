"""Piecewise-exponential hazards against loops over patients and intervals, and against scipy's exponential."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.families import PiecewiseExponential
from medresponse.features import treatment_contrasts
from medresponse.priors import HalfNormal
from tests.families.event_rows import KINDS, direct, rows_of
from tests.families.graph import as_draws, evaluate, likelihood_model

CUTS = (2.0, 5.0)
# Events and censoring before, at and after the cut points, and two events at the same time.
OUTCOME = {
    "time": np.array([0.5, 2.0, 2.0, 2.5, 5.0, 5.0, 7.5, 9.0]),
    "event": np.array([True, True, False, True, True, True, False, True]),
}
TREATMENT = np.array([0, 1, 2, 0, 1, 2, 0, 1])
DESIGN = np.random.default_rng(1).normal(size=(8, 2))


def direct_log_likelihood(
    time: float, event: bool, log_hazard: np.ndarray, edges: np.ndarray, eta: float
) -> float:
    """One patient's log-likelihood: walk through the intervals (start, end], the last one open."""
    total, last = 0.0, len(log_hazard) - 1
    for j in range(len(log_hazard)):
        start, end = edges[j], np.inf if j == last else edges[j + 1]
        hazard = np.exp(log_hazard[j] + eta)
        total -= hazard * max(min(time, end) - start, 0.0)
        if event and start < time <= end:
            total += np.log(hazard)
    return total


def hazard_at(t: float, log_hazard: np.ndarray, edges: np.ndarray, eta: float) -> float:
    j = next(j for j in range(len(log_hazard)) if t <= edges[j + 1] or j == len(log_hazard) - 1)
    return float(np.exp(log_hazard[j] + eta))


def point_of(family: PiecewiseExponential, *, n_treatments: int, seed: int = 5) -> dict[str, Any]:
    rng, intervals = np.random.default_rng(seed), len(family.cuts) + 1
    point = {"b": rng.normal(size=2), "alpha": 0.3, "baseline_step_log__": np.log(0.4)}
    if family.baseline == "walk":
        point["baseline_steps"] = rng.normal(size=intervals - 1)
    else:
        point["baseline_level"] = rng.normal(size=intervals)
    if family.time_varying and n_treatments > 1:
        point |= {
            "treatment_steps": rng.normal(size=(n_treatments - 1, intervals - 1)), "treatment_step_log__": np.log(0.7)
        }  # fmt: skip
    return point


@pytest.mark.parametrize("n_treatments", [1, 3])
@pytest.mark.parametrize("baseline", ["walk", "exchangeable"])
@pytest.mark.parametrize("time_varying", [True, False])
def test_the_likelihood_is_that_of_a_direct_loop(
    n_treatments: int, baseline: Any, time_varying: bool
) -> None:
    family = PiecewiseExponential(cuts=CUTS, baseline=baseline, time_varying=time_varying)
    treatment = TREATMENT if n_treatments == 3 else np.zeros(8, int)
    model = likelihood_model(family, DESIGN, OUTCOME, treatment, n_treatments=n_treatments)
    point = point_of(family, n_treatments=n_treatments)
    found = evaluate(family, model, point)
    edges, eta = np.array([0.0, *CUTS, 9.0]), DESIGN @ point["b"]
    each = [
        direct_log_likelihood(
            OUTCOME["time"][i], OUTCOME["event"][i], found["log_hazard"][treatment[i]], edges, eta[i]
        )
        for i in range(8)
    ]
    assert float(found["likelihood"]) == pytest.approx(sum(each), rel=1e-12)
    constants = family.learn(OUTCOME)
    pointwise = family.log_likelihood(eta[:, None], OUTCOME, treatment, as_draws(found, family), constants)
    np.testing.assert_allclose(pointwise[:, 0], each, rtol=1e-12)


@pytest.mark.parametrize("baseline", ["walk", "exchangeable"])
def test_log_hazards_are_crude_rate_plus_baseline_plus_drift_of_each_treatment(baseline: Any) -> None:
    family = PiecewiseExponential(cuts=CUTS, baseline=baseline)
    point = point_of(family, n_treatments=3)
    found = evaluate(family, likelihood_model(family, DESIGN, OUTCOME, TREATMENT, n_treatments=3), point)
    if baseline == "walk":  # from the first interval step by step, then centred
        steps = point["baseline_steps"]
        walk = np.array([0.0, steps[0], steps[0] + steps[1]])
        relative = 0.3 + 0.4 * (walk - walk.mean())
    else:
        relative = point["baseline_level"]
    level = np.log(6 / OUTCOME["time"].sum()) + relative
    for k in range(3):
        drift = np.zeros(3)
        for r in range(2):
            walk = np.concatenate([[0.0], np.cumsum(point["treatment_steps"][r])])
            drift += treatment_contrasts(3)[k, r] * 0.7 * (walk - walk.mean())
        np.testing.assert_allclose(found["log_hazard"][k], level + drift, rtol=1e-12)
        # Drifts average zero: a treatment's coefficient is its average log hazard ratio over the intervals.
        assert drift.mean() == pytest.approx(0.0, abs=1e-14)


def test_with_equal_hazards_it_is_the_exponential_distribution() -> None:
    rate, eta = 0.17, np.random.default_rng(2).normal(size=8)
    family = PiecewiseExponential(cuts=CUTS)
    parameters, constants = {"log_hazard": np.full((1, 3, 3), np.log(rate))}, family.learn(OUTCOME)
    law = stats.expon(scale=1 / (rate * np.exp(eta)))
    expected = np.where(OUTCOME["event"], law.logpdf(OUTCOME["time"]), law.logsf(OUTCOME["time"]))
    found = family.log_likelihood(eta[:, None], OUTCOME, TREATMENT, parameters, constants)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-12)
    survival = family.response(
        Estimand(kind="survival", horizon=6.0), np.repeat(eta, 3).reshape(8, 3, 1), parameters, constants
    )
    np.testing.assert_allclose(survival[:, :, 0], np.repeat(law.sf(6.0), 3).reshape(8, 3), rtol=1e-12)
    uniform = np.random.default_rng(3).random((1, 3, 5000))
    many = {"log_hazard": np.full((5000, 3, 3), np.log(rate))}
    times = family.simulate(np.zeros(uniform.shape), many, constants, uniform)
    assert stats.kstest(times[0, 1], stats.expon(scale=1 / rate).cdf).pvalue > 1e-3


@pytest.mark.parametrize("horizon", [0.7, 2.0, 3.0, 5.0, 9.0])
def test_survival_is_exp_of_minus_the_integrated_hazard_and_rmst_its_area(horizon: float) -> None:
    family, rng = PiecewiseExponential(cuts=CUTS), np.random.default_rng(4)
    constants = family.learn(OUTCOME)
    log_hazard, eta = rng.normal(-1.5, 0.8, size=(2, 2, 3)), rng.normal(size=(3, 2, 2))
    found = {
        kind: family.response(
            Estimand(kind=kind, horizon=horizon), eta, {"log_hazard": log_hazard}, constants
        )
        for kind in ("survival", "rmst")
    }
    for i, k, d in np.ndindex(3, 2, 2):

        def survival(t: float, k: int = k, d: int = d, e: float = eta[i, k, d]) -> float:
            inside = [c for c in CUTS if c < t]
            hazard = integrate.quad(
                lambda s: hazard_at(s, log_hazard[d, k], constants["edges"], e), 0, t, points=inside or None
            )[0]
            return float(np.exp(-hazard))

        assert found["survival"][i, k, d] == pytest.approx(survival(horizon), rel=1e-9)
        inside = [c for c in CUTS if c < horizon]
        area = integrate.quad(survival, 0, horizon, points=inside or None)[0]
        assert found["rmst"][i, k, d] == pytest.approx(area, rel=1e-9)


def test_simulated_times_carry_the_last_hazard_beyond_follow_up() -> None:
    family = PiecewiseExponential(cuts=CUTS)
    log_hazard = np.log(np.array([[[0.1, 0.4, 0.05]]]))
    uniform = np.random.default_rng(6).random((1, 1, 20_000))
    times = family.simulate(
        np.zeros(uniform.shape),
        {"log_hazard": np.repeat(log_hazard, 20_000, axis=0)},
        family.learn(OUTCOME),
        uniform,
    )

    def cdf(t: np.ndarray) -> np.ndarray:
        total = 0.1 * np.minimum(t, 2.0) + 0.4 * np.clip(t - 2.0, 0, 3.0) + 0.05 * np.maximum(t - 5.0, 0)
        return 1 - np.exp(-total)

    assert times.max() > 9.0
    assert stats.kstest(times.ravel(), cdf).pvalue > 1e-3


def test_a_single_interval_is_an_exponential_model() -> None:
    """Every event at the end of follow-up, or all cut points beyond it."""
    outcome = {"time": np.array([3.0, 3.0, 1.0, 3.0]), "event": np.array([True, True, False, True])}
    family = PiecewiseExponential(intervals=4)
    model = likelihood_model(family, np.zeros((4, 0)), outcome, np.array([0, 1, 0, 1]), n_treatments=2)
    point = {
        "b": [], "alpha": 0.2, "baseline_steps": [], "baseline_step_log__": 0.0, "treatment_steps": np.zeros((1, 0)),
        "treatment_step_log__": 0.0,
    }  # fmt: skip
    rate = 3 / 10.0 * np.exp(0.2)
    assert float(evaluate(family, model, point)["likelihood"]) == pytest.approx(
        3 * np.log(rate) - 10 * rate, rel=1e-12
    )


def test_the_refusal_of_a_horizon_says_how_far_follow_up_reaches() -> None:
    family = PiecewiseExponential(cuts=CUTS)
    with pytest.raises(SpecError, match=r"9\.5.*follow-up.*earlier"):
        family.response(
            Estimand(kind="rmst", horizon=9.5),
            np.zeros((1, 1, 1)),
            {"log_hazard": np.zeros((1, 1, 3))},
            family.learn(OUTCOME),
        )


FORMS: dict[str, Any] = {
    "walk": PiecewiseExponential(cuts=CUTS),
    "exchangeable": PiecewiseExponential(cuts=CUTS, baseline="exchangeable"),
    "fading": PiecewiseExponential(cuts=CUTS, fading=HalfNormal(sigma=0.3)),
}


@pytest.mark.parametrize("truncated", [False, True], ids=["from the start", "truncated"])
@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("form", sorted(FORMS))
def test_censored_and_truncated_rows_are_scored_by_the_integrated_hazard(
    form: str, kind: str, truncated: bool
) -> None:
    """Density and survival by numerical integration of the hazard, then probabilities by hand."""
    family, outcome = FORMS[form], rows_of(kind, truncated=truncated)
    n = len(outcome["time"])
    treatment, design = np.arange(n) % 3, np.random.default_rng(8).normal(scale=0.5, size=(n, 2))
    model, point = (
        likelihood_model(family, design, outcome, treatment, n_treatments=3),
        point_of(family, n_treatments=3),
    )
    if family.fading is not None:
        point["fading_log__"] = np.log(0.8)
    found, constants = evaluate(family, model, point), family.learn(outcome)
    eta, strength = design @ point["b"], found.get("strength", np.ones(len(constants["edges"]) - 1))
    expected = []
    for i in range(n):
        log_hazard = found["log_hazard"][treatment[i]] + eta[i] * strength

        def hazard(t: float, h: np.ndarray = log_hazard) -> float:
            return hazard_at(t, h, constants["edges"], 0.0)

        def survival(t: float, hazard: Any = hazard) -> float:
            inside = [c for c in CUTS if c < t]
            return float(np.exp(-integrate.quad(hazard, 0, t, points=inside or None)[0]))

        expected.append(direct(outcome, i, lambda t: hazard(t) * survival(t), survival))
    assert float(found["likelihood"]) == pytest.approx(sum(expected), rel=1e-10)
    pointwise = family.log_likelihood(eta[:, None], outcome, treatment, as_draws(found, family), constants)
    np.testing.assert_allclose(pointwise[:, 0], expected, rtol=1e-10)


def test_arrays_of_interval_censored_rows_are_made_only_where_there_are_some() -> None:
    family = PiecewiseExponential(cuts=CUTS)
    for kind, extra in (
        ("right-censored", set()),
        ("interval-censored", {"interval_idx", "interval_exposure"}),
    ):
        outcome = rows_of(kind, truncated=True)
        data = family.observe(outcome, np.zeros(4, int), family.learn(outcome))
        plain = {
            "exposure",
            "treatment_idx",
            "event_idx",
            "event_interval_idx",
            "lateness",
            "crude_log_hazard",
            "walk_directions",
            "walk_estimate",
            "walk_error",
        }
        assert set(data) - plain == extra


def test_the_crude_rate_is_events_over_time_under_observation() -> None:
    family, late = PiecewiseExponential(cuts=CUTS), OUTCOME | {"entry": np.full(8, 0.25)}
    data = family.observe(late, TREATMENT, family.learn(late))
    assert float(data["crude_log_hazard"]) == pytest.approx(
        np.log(6 / (OUTCOME["time"].sum() - 2.0)), rel=1e-12
    )
