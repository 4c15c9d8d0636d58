"""What is known of event times, and the pieces that every family of event times shares."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.families import log_time
from medresponse.families.censoring import event_companions, event_times, log1mexp, nelson_aalen
from tests.families.event_rows import ROWS, rows_of


def test_right_censored_outcomes_need_no_more_than_time_and_event() -> None:
    times = event_times({"time": np.array([2.0, 5.0]), "event": np.array([True, False])})
    assert times.lower.tolist() == [2.0, 5.0] and times.upper.tolist() == [2.0, np.inf]
    assert times.exact.tolist() == [True, False] and not times.interval.any()
    assert times.entry.tolist() == [0.0, 0.0]


def test_rows_are_exact_interval_censored_or_neither() -> None:
    times = event_times(ROWS)
    assert times.exact.tolist() == [True, True] + [False] * 6
    assert times.interval.tolist() == [False] * 4 + [True] * 4
    assert times.latest.tolist() == ROWS["time"].tolist()


def test_person_time_runs_from_entry_to_the_middle_of_an_interval() -> None:
    expected = [2.0, 6.5 - 1.5, 4.0, 9.0 - 3.0, 2.25, 5.5 - 2.0, 1.25, 3.5]
    assert event_times(ROWS).person_time == pytest.approx(sum(expected), rel=1e-12)


def test_log1mexp_keeps_its_digits_at_both_ends() -> None:
    value = np.array([1e-300, 1e-12, 0.5, np.log(2.0), 3.0, 40.0, 700.0])
    with np.errstate(divide="ignore"):
        series = np.where(value < 1e-6, np.log(value) - value / 2, np.log(-np.expm1(-value)))
    series = np.where(value > 30, -np.exp(-value), series)
    np.testing.assert_allclose(log1mexp(value), series, rtol=1e-14)
    assert log1mexp(np.array([0.0])) == -np.inf and log1mexp(np.array([np.inf])) == 0.0


@pytest.mark.parametrize(
    ("kind", "truncated", "extra"),
    [
        ("right-censored", False, set()),
        ("right-censored", True, {"entry_idx", "log_entry"}),
        ("interval-censored", False, {"interval_idx", "log_upper"}),
        ("left-censored", False, {"interval_idx", "log_upper", "begun"}),
    ],
)
def test_arrays_of_rows_that_are_not_there_are_not_made(kind: str, truncated: bool, extra: set[str]) -> None:
    """So that a graph without them pays nothing, and one with them is another graph."""
    data = log_time.observe(rows_of(kind, truncated=truncated))
    assert set(data) - {"log_time", "exact", "crude_log_scale"} == extra
    assert all(np.isfinite(values).all() for values in data.values())


def test_nelson_aalen_is_scikit_survivals_with_ties() -> None:
    from sksurv.nonparametric import nelson_aalen_estimator

    rng = np.random.default_rng(7)
    time, event = rng.integers(1, 12, 60).astype(float), rng.random(60) < 0.6
    knots, cumulative = nelson_aalen_estimator(event, time)
    expected = cumulative[np.searchsorted(knots, time)]
    np.testing.assert_allclose(nelson_aalen(time, time, event), expected, rtol=1e-12)


def test_nelson_aalen_counts_at_risk_only_who_has_entered() -> None:
    time, event = np.array([2.0, 3.0, 5.0, 6.0]), np.array([True, False, True, True])
    entry = np.array([0.0, 1.0, 2.0, 4.0])  # at 2.0 the third has not been seen at risk, at 5.0 two are
    found = nelson_aalen(np.array([1.0, 2.0, 4.9, 5.0, 7.0]), time, event, entry)
    np.testing.assert_allclose(found, [0.0, 1 / 2, 1 / 2, 1.0, 2.0], rtol=1e-12)


def test_companions_of_imputation_are_standardised_event_and_cumulative_hazard() -> None:
    found = event_companions(ROWS)
    np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=0), 1.0, rtol=1e-12)
    everyone = event_companions({"time": ROWS["time"], "event": np.ones(8, bool)})
    assert np.isfinite(everyone).all()  # a constant indicator is left at zero


def test_a_late_entrant_is_imputed_from_the_hazard_since_entry() -> None:
    time, event, entry = np.array([4.0, 4.0, 6.0]), np.array([True, False, True]), np.array([0.0, 3.0, 0.0])
    spent = event_companions({"time": time, "event": event, "entry": entry})[:, 1]
    raw = np.array([1 / 3, 1 / 3, 1 / 3 + 1.0])
    np.testing.assert_allclose(spent, (raw - raw.mean()) / raw.std(), rtol=1e-12)
