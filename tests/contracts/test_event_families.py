"""What every registered family of event times must do: what its log-likelihood says, its survival curve must say too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from tests.families.forms import (
    FORMS,
    N,
    estimands_of,
    learned,
    outcome_of,
    predictors_like,
    prior_draws,
    random_eta,
)

EVENTS = [name for name, f in FORMS.items() if f.outcome_kind in ("time_to_event", "competing_risks")]
COMPETING = [name for name, f in FORMS.items() if f.outcome_kind == "competing_risks"]


@pytest.fixture(params=EVENTS)
def form(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def family(form: str) -> Any:
    return FORMS[form]


def survival(form: str, eta: np.ndarray, time: float) -> np.ndarray:
    """Survival probabilities (treatment, draw) of the one patient of `eta`."""
    estimand = Estimand(kind="survival", horizon=time)
    return FORMS[form].response(estimand, eta, prior_draws(form), learned(FORMS[form]))[0]


def one_row(
    family: Any, time: float, *, event: bool, cause: int = 0, entry: float = 0.0, lower: float | None = None
) -> dict[str, np.ndarray]:
    """One patient's outcome."""
    row = {
        "time": np.array([time]), "event": np.array([event]), "entry": np.array([entry]),
        "lower": np.array([time if lower is None else lower]), "upper": np.array([time if event else np.inf]),
    }  # fmt: skip
    if family.outcome_kind == "competing_risks":
        row |= {"cause": np.array([cause if event else -1]), "n_causes": learned(family)["n_causes"]}
    return row


def scored(form: str, eta: np.ndarray, treatment: int, row: dict[str, np.ndarray]) -> np.ndarray:
    """Log-likelihood of one row on one treatment, shape (draw,)."""
    family = FORMS[form]
    return family.log_likelihood(
        eta[..., treatment, :], row, np.array([treatment]), prior_draws(form), learned(family)
    )[0]


@pytest.mark.parametrize("horizon", [None, 0.0, -1.0, 24.000001, float("inf"), float("nan")])
def test_a_horizon_outside_follow_up_is_refused(family: Any, form: str, horizon: float | None) -> None:
    eta = predictors_like(family, np.zeros((1, 2, 6)))
    for kind, part in {(e.kind, e.part) for e in estimands_of(family) if e.horizon}:
        with pytest.raises(SpecError, match="horizon") as caught:
            family.response(
                Estimand(kind=kind, horizon=horizon, part=part), eta, prior_draws(form), learned(family)
            )
        assert caught.value.code == "horizon"


def test_the_end_of_follow_up_is_within_it(family: Any, form: str) -> None:
    values = survival(form, predictors_like(family, np.zeros((1, 2, 6))), 24.0)
    assert ((values > 0) & (values < 1)).all()


def test_the_survival_probability_at_a_simulated_time_is_its_uniform_number(family: Any, form: str) -> None:
    eta, uniform = (
        random_eta(family, (1, 2, 6), seed=7),
        np.random.default_rng(8).uniform(0.3, 0.999, (1, 2, 6)),
    )
    times = family.simulate(eta, prior_draws(form), learned(family), uniform)
    checked = 0
    for k, d in np.argwhere(times[0] <= 24.0):
        assert survival(form, eta, float(times[0, k, d]))[k, d] == pytest.approx(uniform[0, k, d], rel=1e-9)
        checked += 1
    assert checked >= 4


def test_the_density_is_the_slope_of_the_survival_curve_and_censoring_its_height(
    family: Any, form: str
) -> None:
    """Of the cumulative incidence of a cause, where there are several."""
    eta, step = random_eta(family, (1, 2, 6), seed=9), 1e-5
    competing = family.outcome_kind == "competing_risks"
    for time in (0.8, 7.3, 19.7):
        for cause in range(int(learned(family)["n_causes"])) if competing else [0]:

            def height(t: float, cause: int = cause) -> np.ndarray:
                if not competing:
                    return -survival(form, eta, t)
                estimand = Estimand(kind="cumulative_incidence", horizon=t, part=cause)
                return family.response(estimand, eta, prior_draws(form), learned(family))[0]

            slope = (height(time + step) - height(time - step)) / (2 * step)
            for k in range(2):
                dead = scored(form, eta, k, one_row(family, time, event=True, cause=cause))
                # A difference of heights is known to about 1e-16 / step.
                np.testing.assert_allclose(np.exp(dead), slope[k], rtol=1e-4, atol=1e-10)
        for k in range(2):
            alive = scored(form, eta, k, one_row(family, time, event=False))
            np.testing.assert_allclose(alive, np.log(survival(form, eta, time)[k]), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("form", [form for form in EVENTS if form not in COMPETING])
def test_an_interval_holds_the_drop_of_the_survival_curve_over_it(family: Any, form: str) -> None:
    eta = random_eta(family, (1, 2, 6), seed=10)
    for lower, upper in ((0.0, 5.0), (4.0, 9.5), (11.0, 23.0)):
        before = survival(form, eta, lower) if lower else np.ones((2, 6))
        drop = before - survival(form, eta, upper)
        for k in range(2):
            found = scored(form, eta, k, one_row(family, upper, event=True, lower=lower))
            np.testing.assert_allclose(found, np.log(drop[k]), rtol=1e-7, atol=1e-9)


def test_a_late_entry_conditions_on_having_been_free_of_the_event_until_then(family: Any, form: str) -> None:
    eta, entry = random_eta(family, (1, 2, 6), seed=11), 3.5
    given = np.log(survival(form, eta, entry))
    for event in (True, False):
        for k in range(2):
            whole = scored(form, eta, k, one_row(family, 8.2, event=event))
            late = scored(form, eta, k, one_row(family, 8.2, event=event, entry=entry))
            np.testing.assert_allclose(late, whole - given[k], rtol=1e-9, atol=1e-11)


def test_a_patient_followed_beyond_the_training_data_can_be_scored(family: Any, form: str) -> None:
    eta = predictors_like(family, np.zeros((1, 2, 6)))
    for event in (True, False):
        assert np.isfinite(scored(form, eta, 1, one_row(family, 40.0, event=event))).all()


def test_the_unit_information_sd_counts_events_not_patients(family: Any) -> None:
    """Those of the rarest cause, where there are several."""
    outcome = outcome_of(family.outcome_kind)
    events = outcome["event"].sum()
    if family.outcome_kind == "competing_risks":
        events = np.bincount(outcome["cause"][outcome["event"]]).min()
    assert family.unit_information_sd(outcome) == pytest.approx(1 / np.sqrt(events))
    nobody = outcome | {"event": np.zeros(N, bool)}
    assert np.isfinite(family.unit_information_sd(nobody))


@pytest.mark.parametrize("form", COMPETING)
def test_causes_and_event_free_time_share_out_everything(form: str) -> None:
    family = FORMS[form]
    eta, parameters, constants = random_eta(family, (3, 2, 6), seed=12), prior_draws(form), learned(family)

    def total(kinds: tuple[str, ...]) -> Any:
        asked = [e for e in estimands_of(family) if e.kind in kinds]
        return sum(family.response(e, eta, parameters, constants) for e in asked)

    np.testing.assert_allclose(total(("cumulative_incidence", "survival")), 1.0, rtol=1e-12)
    np.testing.assert_allclose(total(("time_lost", "rmst")), 6.0, rtol=1e-12)
