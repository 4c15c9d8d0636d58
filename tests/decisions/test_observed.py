"""Observed responses, and pseudo-observations against leaving patients out one by one."""

from __future__ import annotations

import numpy as np
import pytest
from sksurv.nonparametric import cumulative_incidence_competing_risks

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError, SpecError
from medresponse.decisions import observed_response, pseudo_observations
from medresponse.families import Weibull
from medresponse.model import ModelSpec
from medresponse.response import Responses, respond
from medresponse.validation import kaplan_meier, restricted_mean
from tests import response_kinds
from tests.hand_made import hand_made_fit, trial_of


def followed(n: int = 40, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    time = np.round(rng.exponential(8.0, n) + 0.1, 0 if seed % 2 else 1) + 0.5  # rounded: ties
    time[0] = 100.0  # censored last
    cause = rng.integers(-1, 2, n)
    cause[0] = -1
    return time, cause >= 0, cause


@pytest.mark.parametrize("seed", [1, 2])
def test_against_estimates_without_each_patient(seed: int) -> None:
    time, event, cause = followed(seed=seed)
    n, horizon = len(time), 10.0

    def left_out(estimate) -> np.ndarray:  # type: ignore[no-untyped-def]
        keep = [np.arange(n) != i for i in range(n)]
        whole = estimate(np.ones(n, dtype=bool))
        return np.array([n * whole - (n - 1) * estimate(k) for k in keep])

    def survival(k: np.ndarray) -> float:
        return float(kaplan_meier({"time": time[k], "event": event[k]}, np.array([horizon]))[0][0])

    def mean_time(k: np.ndarray) -> float:
        return restricted_mean({"time": time[k], "event": event[k]}, horizon)[0]

    def incidence(k: np.ndarray) -> float:
        at, curves = cumulative_incidence_competing_risks(cause[k] + 1, time[k])
        return float(curves[2][np.searchsorted(at, horizon, side="right") - 1])

    for kind, estimate, of in (
        ("survival", survival, None), ("rmst", mean_time, None), ("cumulative_incidence", incidence, cause == 1),
    ):  # fmt: skip
        found = pseudo_observations(time, event, kind=kind, horizon=horizon, of_cause=of)
        np.testing.assert_allclose(found, left_out(estimate), atol=1e-9, err_msg=kind)


def test_without_censoring_they_are_what_happened() -> None:
    time, _, cause = followed()
    every = np.ones(len(time), dtype=bool)
    by = {"horizon": 10.0}
    np.testing.assert_allclose(pseudo_observations(time, every, kind="survival", **by), time > 10, atol=1e-9)  # type: ignore[arg-type]
    np.testing.assert_allclose(
        pseudo_observations(time, every, kind="rmst", **by),
        np.minimum(time, 10),
        atol=1e-9,  # type: ignore[arg-type]
    )
    own = cause == 1
    lost = np.where(own, np.maximum(10 - time, 0), 0.0)
    np.testing.assert_allclose(
        pseudo_observations(time, every, kind="time_lost", of_cause=own, **by),
        lost,
        atol=1e-9,  # type: ignore[arg-type]
    )


def test_in_pieces_they_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    time, event, _ = followed()
    whole = pseudo_observations(time, event, kind="rmst", horizon=10.0)
    monkeypatch.setattr("medresponse.decisions.pseudo._AT_ONCE", 50)
    np.testing.assert_array_equal(pseudo_observations(time, event, kind="rmst", horizon=10.0), whole)


def test_nobody_followed_to_the_horizon_is_refused() -> None:
    time, event, _ = followed()
    with pytest.raises(DataError, match="followed to the horizon"):
        pseudo_observations(time, event, kind="survival", horizon=101.0)


def test_events_categories_and_rates() -> None:
    binary, cohort = response_kinds.responses_of("binary")
    np.testing.assert_array_equal(
        observed_response(binary, cohort), cohort.outcome(binary.fit.outcome)["value"].astype(float)
    )
    ordinal, cohort = response_kinds.responses_of("ordinal", estimand="at_least", part="SD")
    value = cohort.outcome(ordinal.fit.outcome)["value"]
    np.testing.assert_array_equal(observed_response(ordinal, cohort), value >= 1)
    one = response_kinds.responses_of("ordinal", estimand="category", part="CR")[0]
    np.testing.assert_array_equal(observed_response(one, cohort), value == 2)
    rate, cohort = response_kinds.responses_of("count")
    outcome = cohort.outcome(rate.fit.outcome)
    np.testing.assert_allclose(observed_response(rate, cohort), outcome["value"] / outcome["exposure"])


def event_free_time(cohort: Cohort) -> Responses:
    fit = hand_made_fit(
        ModelSpec(family=Weibull(), blocks={}),
        cohort,
        outcome="os",
        coefficients={},
        log_scale=2.5,
        shape=1.2,
    )
    return respond(fit, cohort, estimand="rmst", horizon=0.25, unit="year")


def test_times_are_taken_arm_by_arm_in_the_callers_unit() -> None:
    cohort = trial_of(60)
    found, outcome = observed_response(event_free_time(cohort), cohort), cohort.outcome("os")
    for arm in (0, 1):
        own = cohort.treatment_idx == arm
        months = pseudo_observations(outcome["time"][own], outcome["event"][own], kind="rmst", horizon=3.0)
        np.testing.assert_allclose(found[own], months / 12)


def test_what_cannot_be_seen_is_refused() -> None:
    cured, cohort = response_kinds.responses_of("cured", estimand="cured")
    with pytest.raises(SpecError, match="no patient's outcome shows it"):
        observed_response(cured, cohort)
    survival, cohort = response_kinds.responses_of("cured", estimand="survival", horizon=2)
    assert cohort.outcome(survival.fit.outcome)["entry"].any()
    with pytest.raises(DataError, match="entered late"):
        observed_response(survival, cohort)
