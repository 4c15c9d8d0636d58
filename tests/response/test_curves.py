"""Event-free probability over time, for one patient and averaged over many."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.cohort import Cohort
from medresponse.core.errors import SpecError, UnknownPatientError
from medresponse.inference import Fit
from medresponse.response import (
    Responses,
    incidence_curves,
    mean_incidence,
    mean_survival,
    own_curves,
    predict,
    respond,
    survival_curves,
)
from tests.response_kinds import responses_of

TIMES = (3.0, 6.0, 12.0, 20.0)


def test_a_curve_at_a_time_is_the_response_at_that_horizon(survival: Fit, cohort: Cohort) -> None:
    responses = respond(survival, cohort, horizon=12.0)
    curves = survival_curves(responses, times=TIMES, ids=["P010", "P003"])
    assert curves.dims == ("patient", "treatment", "time", "draw") and curves.shape == (2, 3, 4, 400)
    assert curves["patient"].values.tolist() == ["P010", "P003"] and curves["time"].values.tolist() == list(
        TIMES
    )
    for time in TIMES:
        expected = responses.at(horizon=time).draws(["P010", "P003"])
        np.testing.assert_allclose(curves.sel(time=time).values, expected.values, rtol=1e-12)
    assert (np.diff(curves.values, axis=2) < 0).all()


def test_curves_do_not_depend_on_the_responses_own_horizon_or_estimand(survival: Fit, cohort: Cohort) -> None:
    one = survival_curves(respond(survival, cohort, horizon=12.0), times=TIMES, ids=["P010"])
    other = survival_curves(
        respond(survival, cohort, horizon=1.0, unit="year", estimand="rmst"), times=TIMES, ids=["P010"]
    )
    np.testing.assert_array_equal(one.values, other.values)


def test_the_mean_curve_is_the_mean_of_the_curves_in_every_draw(survival: Fit, cohort: Cohort) -> None:
    responses = respond(survival, cohort, horizon=12.0)
    mean = mean_survival(responses, times=TIMES)
    assert mean.dims == ("treatment", "time", "draw")
    np.testing.assert_allclose(
        mean.values, survival_curves(responses, times=TIMES).values.mean(axis=0), rtol=1e-10
    )
    np.testing.assert_allclose(mean.sel(time=12.0).values, responses.mean_over_patients(), rtol=1e-10)


def test_weighted_by_the_treatment_received_it_is_the_mean_over_each_arm(
    survival: Fit, cohort: Cohort
) -> None:
    responses = respond(survival, cohort, horizon=12.0)
    received = np.eye(3)[cohort.treatment_idx]
    mean = mean_survival(responses, times=TIMES, weights=received)
    own = own_curves(responses, times=TIMES, treatment_idx=cohort.treatment_idx, summarise=lambda v: v)
    assert own.shape == (60, 4, 400)
    for k in range(3):
        np.testing.assert_allclose(mean.values[k], own[cohort.treatment_idx == k].mean(axis=0), rtol=1e-10)


def test_a_patients_own_curve_is_that_under_the_treatment_given(survival: Fit, cohort: Cohort) -> None:
    responses = respond(survival, cohort, horizon=12.0)
    curves = survival_curves(responses, times=TIMES).values
    treatment = np.arange(60) % 3
    found = own_curves(responses, times=TIMES, treatment_idx=treatment, summarise=lambda v: v.mean(axis=-1))
    np.testing.assert_allclose(found, curves[np.arange(60), treatment].mean(axis=-1), rtol=1e-10)


def test_chunks_change_nothing(survival: Fit, cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    responses = respond(survival, cohort, horizon=12.0)
    received = np.eye(3)[cohort.treatment_idx]

    def both() -> tuple[np.ndarray, np.ndarray]:
        own = own_curves(
            responses, times=TIMES, treatment_idx=cohort.treatment_idx, summarise=lambda v: v.mean(axis=-1)
        )
        return own, mean_survival(responses, times=TIMES, weights=received).values

    whole = both()
    monkeypatch.setattr(predict, "_CHUNK_NUMBERS", 3 * 400 * 4 * 7)
    for found, expected in zip(both(), whole, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_curve_needs_a_time_to_event(linear: Fit, cohort: Cohort) -> None:
    with pytest.raises(SpecError) as caught:
        survival_curves(respond(linear, cohort), times=TIMES)
    assert caught.value.code == "no_curve"


def test_a_time_beyond_follow_up_is_refused(survival: Fit, cohort: Cohort) -> None:
    with pytest.raises(SpecError) as caught:
        mean_survival(respond(survival, cohort, horizon=12.0), times=(6.0, 300.0))
    assert caught.value.code == "horizon"


def test_an_unknown_patient_is_named(survival: Fit, cohort: Cohort) -> None:
    with pytest.raises(UnknownPatientError, match="X9"):
        survival_curves(respond(survival, cohort, horizon=12.0), times=TIMES, ids=["X9"])


@pytest.fixture(scope="module")
def competing() -> Responses:
    """Two causes in three arms, forty patients who are all alike but whose draws differ."""
    return responses_of("competing_risks", arms=3, part="death", horizon=12)[0]


def test_incidences_of_all_causes_and_survival_sum_to_one(competing: Responses) -> None:
    incidence = incidence_curves(competing, times=TIMES, ids=["P07", "P03"])
    assert incidence.dims == ("patient", "treatment", "cause", "time", "draw")
    assert incidence["cause"].values.tolist() == ["relapse", "death"]
    free = survival_curves(competing, times=TIMES, ids=["P07", "P03"])
    np.testing.assert_allclose(incidence.sum("cause").values + free.values, 1.0, rtol=1e-12)
    assert (np.diff(incidence.values, axis=3) > 0).all()


def test_an_incidence_at_a_time_is_the_response_at_that_horizon(competing: Responses) -> None:
    incidence = incidence_curves(competing, times=TIMES, ids=["P07"])
    for cause in ("relapse", "death"):
        for time in TIMES:
            expected = competing.of(cause).at(horizon=time).draws(["P07"]).values
            np.testing.assert_allclose(incidence.sel(cause=cause, time=time).values, expected, rtol=1e-12)


def test_incidences_with_a_constant_hazard_are_shares_of_all_events(competing: Responses) -> None:
    """Two equal cause-specific hazards h: each cause's incidence is (1 - exp(-2 h t)) / 2."""
    incidence = incidence_curves(competing, times=TIMES, ids=["P07"]).values[0]
    free = survival_curves(competing, times=TIMES, ids=["P07"]).values[0]
    np.testing.assert_allclose(incidence[:, 0], (1 - free) / 2, rtol=1e-10)
    np.testing.assert_allclose(np.log(free[:, 1]), 2 * np.log(free[:, 0]), rtol=1e-10)  # 6 is twice 3


def test_mean_incidences_are_the_means_of_the_curves_also_in_chunks(
    competing: Responses, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = np.eye(3)[np.arange(40) % 3]
    curves = incidence_curves(competing, times=TIMES)
    monkeypatch.setattr(predict, "_CHUNK_NUMBERS", 3 * 400 * 8 * 7)
    mean = mean_incidence(competing, times=TIMES)
    assert mean.dims == ("treatment", "cause", "time", "draw")
    np.testing.assert_allclose(mean.values, curves.values.mean(axis=0), rtol=1e-10)
    weighted = mean_incidence(competing, times=TIMES, weights=received)
    np.testing.assert_allclose(
        weighted.values[1], curves.values[received[:, 1] > 0, 1].mean(axis=0), rtol=1e-10
    )


def test_incidences_need_competing_risks(survival: Fit, cohort: Cohort) -> None:
    with pytest.raises(SpecError, match="competing risks") as caught:
        incidence_curves(respond(survival, cohort, horizon=12.0), times=TIMES)
    assert caught.value.code == "no_curve"
