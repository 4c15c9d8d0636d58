"""Simulated outcomes are seen as the template's were: after entry, at visits, until the end of follow-up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from medresponse.families import Weibull
from medresponse.families.censoring import event_times
from medresponse.sbc import observe_as
from tests.families.forms import FORMS, learned, outcome_of, predictors_like, prior_draws

N = 4000
PARAMETERS = {"log_scale": np.array([np.log(5.0)]), "shape": np.array([1.5])}


def simulated(template: dict[str, Any], seed: int = 1) -> dict[str, np.ndarray]:
    n = len(template["time"])
    eta, arm = np.zeros((n, 2)), np.arange(n) % 2
    rng = np.random.default_rng(seed)
    return observe_as(template, Weibull(), eta, arm, PARAMETERS, {"end": np.asarray(30.0)}, rng)


def test_times_after_a_late_entry_follow_the_law_given_survival_to_it() -> None:
    """As scipy's Weibull law, cut at entry, has it; far out in its tail too."""
    for entry in (2.0, 20.0):
        time = np.full(N, 40.0)
        found = simulated(
            {
                "time": time,
                "event": np.ones(N, dtype=bool),
                "entry": np.full(N, entry),
                "lower": time,
                "upper": time,
            }
        )
        law = stats.weibull_min(1.5, scale=5.0)
        uniform = 1 - np.exp(law.logsf(found["time"]) - law.logsf(entry))
        assert (found["time"] > entry).all() and found["event"].mean() > 0.99
        assert stats.kstest(uniform, "uniform").pvalue > 0.001


def test_events_are_known_up_to_the_visits_around_them() -> None:
    """The share in each interval is the law's; what happens after the last visit is censored there."""
    lower, upper = np.full(N, 4.0), np.full(N, 6.0)
    found = simulated(
        {"time": upper, "event": np.ones(N, dtype=bool), "entry": np.zeros(N), "lower": lower, "upper": upper}
    )
    assert set(np.unique(found["lower"])) <= {0.0, 2.0, 4.0, 6.0}
    law = stats.weibull_min(1.5, scale=5.0)
    for start in (0.0, 2.0, 4.0):
        own = found["event"] & (found["lower"] == start)
        assert (found["upper"][own] == start + 2).all()
        assert own.mean() == pytest.approx(law.cdf(start + 2) - law.cdf(start), abs=4 * 0.5 / np.sqrt(N))
    censored = ~found["event"]
    assert (found["lower"][censored] == 6.0).all() and np.isinf(found["upper"][censored]).all()


def test_a_censored_patient_among_visited_ones_is_visited_too() -> None:
    event = np.arange(N) % 2 == 0
    lower = np.where(event, 4.0, 7.0)
    upper = np.where(event, 6.0, np.inf)
    time = np.where(event, upper, lower)
    found = simulated({"time": time, "event": event, "entry": np.zeros(N), "lower": lower, "upper": upper})
    own = found["event"] & ~event
    assert set(np.unique(found["upper"][own])) <= {1.0, 3.0, 5.0, 7.0} and own.any()
    assert (found["lower"][~found["event"] & ~event] == 7.0).all()


def test_exact_times_stay_exact_until_the_end_of_follow_up() -> None:
    event, end = np.arange(N) % 2 == 0, 8.0
    time = np.where(event, end, 3.0)
    found = simulated({"time": time, "event": event, "entry": np.zeros(N), "lower": time})
    times = event_times(found)
    assert not times.interval.any() and (found["time"] <= time).all()
    assert (found["time"][~found["event"]] == time[~found["event"]]).all()


@pytest.mark.parametrize("form", [name for name, f in FORMS.items() if f.outcome_kind == "competing_risks"])
def test_competing_events_come_after_entry(form: str) -> None:
    outcome = dict(outcome_of("competing_risks"))
    outcome["entry"] = 0.5 * outcome["time"]
    n = len(outcome["time"])
    eta = predictors_like(FORMS[form], np.zeros((n, 2)))
    own = {name: values[:1] for name, values in prior_draws(form).items()}
    arm = np.zeros(n, dtype=int)
    found = observe_as(outcome, FORMS[form], eta, arm, own, learned(FORMS[form]), np.random.default_rng(2))
    assert (found["time"] > outcome["entry"]).all() and ((found["cause"] >= 0) == found["event"]).all()
