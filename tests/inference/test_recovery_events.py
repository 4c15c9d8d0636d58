"""Known coefficients of event times come back through late entry, visits instead of times, cure and competing causes.

Outcomes are simulated here, never by the families.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.core.estimand import Estimand
from medresponse.families import CompetingRisks, Cure, Loglogistic, Lognormal, PiecewiseExponential, Weibull
from medresponse.inference import Nuts, fit_many
from medresponse.model import ModelSpec
from medresponse.priors import Normal

pytestmark = pytest.mark.recovery

TRIALS, PATIENTS = 8, 400
ENGINE = Nuts(draws=500, tune=500, chains=2, target_accept=0.9)
EFFECTS = ("age", "sex", "contrast 1")
Rng = np.random.Generator
Columns = dict[str, Any]


def last_contact(rng: Rng, n: int) -> np.ndarray:
    return rng.uniform(12.0, 36.0, n)


def right_censored(rng: Rng, time: np.ndarray) -> Columns:
    stop = last_contact(rng, len(time))
    return {"time": np.minimum(time, stop), "event": time <= stop}


def seen_at_visits(rng: Rng, time: np.ndarray) -> Columns:
    """Last visit free of the event and first visit with it; visits every 3 months, give or take one."""
    n = len(time)
    visits = np.cumsum(rng.uniform(2.0, 4.0, (n, 16)), axis=1)
    visits[visits > last_contact(rng, n)[:, None]] = np.inf
    known = np.column_stack([np.zeros(n), visits, np.full(n, np.inf)])
    after = (known < time[:, None]).sum(axis=1)
    upper = known[np.arange(n), after]
    seen = np.isfinite(upper)
    last = np.where(
        seen, known[np.arange(n), after - 1], np.where(np.isfinite(known), known, 0.0).max(axis=1)
    )
    return {"time": last, "upper": pl.Series(upper).set(pl.Series(~seen), None)}


def weibull(rng: Rng, eta: np.ndarray) -> np.ndarray:
    return 15.0 * np.exp(eta) * rng.standard_exponential(len(eta)) ** (1 / 1.4)


def lognormal(rng: Rng, eta: np.ndarray) -> np.ndarray:
    return 11.0 * np.exp(eta + 0.9 * rng.standard_normal(len(eta)))


def loglogistic(rng: Rng, eta: np.ndarray) -> np.ndarray:
    return 11.0 * np.exp(eta + rng.logistic(size=len(eta)) / 1.6)


def piecewise(rng: Rng, eta: np.ndarray) -> np.ndarray:
    """Hazard 0.03 to month 6, 0.1 to month 12, 0.05 after."""
    target = rng.standard_exponential(len(eta)) / np.exp(eta)
    knots, total = np.array([0.0, 6.0, 12.0, 1e4]), np.array([0.0, 0.18, 0.78, 0.78 + 0.05 * (1e4 - 12.0)])
    return np.interp(target, total, knots)


def mixture(rng: Rng, incidence: np.ndarray, latency: np.ndarray) -> np.ndarray:
    """Six in ten uncured on average; their times are early, so that the curve levels off within follow-up."""
    uncured = rng.random(len(incidence)) < 1 / (1 + np.exp(-0.4 - incidence))
    return np.where(uncured, weibull(rng, latency) / 3, np.inf)


def two_causes(rng: Rng, first: np.ndarray, second: np.ndarray) -> Columns:
    """Rates that add up: the cause is a coin that the two hazards weight."""
    rates = np.stack([0.04 * np.exp(first), 0.025 * np.exp(second)])
    time = rng.standard_exponential(len(first)) / rates.sum(axis=0)
    cause = np.where(rng.random(len(first)) < rates[0] / rates.sum(axis=0), "relapse", "death")
    observed = right_censored(rng, time)
    return observed | {"event": np.where(observed["event"], cause, "neither")}


@dataclass(frozen=True)
class Case:
    """A family, effects (predictor -> age, sex, treatment), how outcomes come about and what of them is seen."""

    family: Any
    effects: Mapping[str, tuple[float, float, float]]
    times: Callable[..., Any]
    seen: Callable[[Rng, np.ndarray], Columns] = right_censored
    late: bool = False


ONE = {"": (0.5, -0.4, 0.6)}
CASES = {
    "weibull, late entry": Case(Weibull(), ONE, weibull, late=True),
    "lognormal, visits": Case(Lognormal(), ONE, lognormal, seen_at_visits),
    "loglogistic": Case(Loglogistic(), ONE, loglogistic),
    "piecewise_exponential, visits and late entry": Case(
        PiecewiseExponential(cuts=(6.0, 12.0), time_varying=False), ONE, piecewise, seen_at_visits, late=True
    ),
    "cure": Case(Cure(), {"incidence": (0.6, -0.4, -0.8), "latency": (-0.3, 0.2, 0.3)}, mixture),
    "competing_risks": Case(
        CompetingRisks(cuts=(6.0, 12.0), time_varying=False),
        {"cause_1": (0.5, -0.4, -0.6), "cause_2": (0.2, 0.3, 0.5)}, two_causes,
    ),
}  # fmt: skip


def schema_of(columns: Columns) -> Schema:
    outcome: dict[str, Any] = {"time": "time", "unit": "month", "free_label": "free of it"}
    if "upper" in columns:
        outcome |= {"kind": "time_to_event", "upper": "upper", "event_label": "relapse"}
    elif columns["event"].dtype == bool:
        outcome |= {
            "kind": "time_to_event", "event": "event", "event_value": True, "censored_value": False, "event_label": "relapse"
        }  # fmt: skip
    else:
        causes = {"relapse": "relapse", "death": "death"}
        outcome |= {
            "kind": "competing_risks",
            "event": "event",
            "causes": causes,
            "censored_value": "neither",
        }
    if "entry" in columns:
        outcome["entry"] = "entry"
    return from_plain(
        Schema,
        {
            "name": "simulated trial", "source": "numpy", "id": "patient", "synthetic": True,
            "treatment": {"column": "arm", "reference": "A", "assignment": "randomised", "levels": {"A": {}, "B": {}}},
            "outcomes": {"outcome": outcome},
            "features": {
                "history": {"age": {"type": "continuous", "unit": "year"}, "sex": {"type": "binary", "levels": ["f", "m"]}}
            },
        },
    )  # fmt: skip


def simulate(case: Case, seed: int) -> tuple[Cohort, dict[str, dict[str, float]]]:
    """One trial, and its coefficients, predictor by predictor, on the scale on which the model states them."""
    rng = np.random.default_rng([seed, 2026])
    # Of patients who would enter late, only those still free of the event at entry are ever seen.
    n = PATIENTS * (3 if case.late else 1)
    z, male, arm = rng.standard_normal(n), rng.random(n) < 0.5, rng.permutation(n) % 2
    etas = [a * z + s * male + t * (arm - 0.5) for a, s, t in case.effects.values()]
    entry = np.where(rng.random(n) < 0.5, rng.uniform(0.0, 10.0, n), 0.0) if case.late else np.zeros(n)
    outcome = case.times(rng, *etas)
    columns = outcome if isinstance(outcome, dict) else case.seen(rng, outcome)
    if case.late:
        columns["entry"] = entry
    kept = np.flatnonzero(np.asarray(columns["time"]) > entry)[:PATIENTS] if case.late else np.arange(n)
    assert len(kept) == PATIENTS
    frame = pl.DataFrame(
        {
            "patient": [f"S{i:04d}" for i in range(n)], "arm": np.where(arm == 1, "B", "A"), "age": 60 + 10 * z,
            "sex": np.where(male, "m", "f"), **columns,
        }
    )[kept]  # fmt: skip
    truth = {
        name: dict(zip(EFFECTS, (a * z[kept].std(), s, t), strict=True))
        for name, (a, s, t) in case.effects.items()
    }
    return cohort_from_frame(frame, schema_of(columns)), truth


def fitted(
    case: Case, seeds: range
) -> tuple[tuple[Any, ...], list[tuple[Cohort, dict[str, dict[str, float]]]]]:
    trials = [simulate(case, seed) for seed in seeds]
    spec = ModelSpec(family=case.family, blocks={"history": Normal(sigma=1.0)}, modifiers={})
    return fit_many(spec, [cohort for cohort, _ in trials], engine=ENGINE, seed=1), trials


@pytest.mark.parametrize("name", sorted(CASES))
def test_intervals_of_known_coefficients_cover_as_often_as_they_say(name: str) -> None:
    fits, trials = fitted(CASES[name], range(TRIALS))
    covered, standardised = [], []
    for fit, (_, truth) in zip(fits, trials, strict=True):
        assert fit.predictors == tuple(truth)
        for own, draws in zip(truth.values(), fit.coefficient_draws(), strict=True):
            assert list(fit.layout.coefficient_labels) == list(own)
            for value, draw in zip(own.values(), draws.T, strict=True):
                lower, upper = np.quantile(draw, [0.025, 0.975])
                covered.append(lower <= value <= upper)
                standardised.append((draw.mean() - value) / draw.std())
    # Coefficients of one fit are nearly independent: binomial limits of probability 0.999, and z-scores of mean 0
    # and spread 1.
    n = len(covered)
    assert np.mean(covered) > 0.95 - 3.1 * np.sqrt(0.95 * 0.05 / n)
    by_effect = np.reshape(standardised, (TRIALS, -1))
    assert (np.abs(by_effect.mean(axis=0)) < 4 / np.sqrt(TRIALS)).all()
    assert np.std(standardised) == pytest.approx(1.0, abs=4 / np.sqrt(2 * n))


def test_mean_incidences_of_each_arm_agree_with_the_nonparametric_estimator() -> None:
    """scikit-survival's cumulative incidence of each cause, within its pointwise 99.9% limits."""
    from sksurv.nonparametric import cumulative_incidence_competing_risks

    (fit,), ((cohort, _),) = fitted(CASES["competing_risks"], range(1))
    outcome, family, parameters = cohort.outcome("outcome"), fit.spec.family, fit.family_draws()
    columns = fit.encoding.columns(fit.codes[0])
    for arm in range(2):
        rows = np.flatnonzero(cohort.treatment_idx == arm)
        everyone = np.full(len(rows), arm)
        eta = np.stack(
            [fit.layout.linear_predictor(columns[rows], everyone, {}, draws) for draws in fit.coefficient_draws()]
        )  # fmt: skip
        own = {"log_hazard": parameters["log_hazard"][:, :, [arm]]}
        time, _, limits = cumulative_incidence_competing_risks(
            outcome["cause"][rows] + 1, outcome["time"][rows], conf_level=0.999, conf_type="log-log"
        )
        for cause in range(2):
            for horizon in (6.0, 12.0, 20.0):
                estimand = Estimand(kind="cumulative_incidence", horizon=horizon, part=cause)
                found = family.response(estimand, eta[:, :, None], own, fit.constants).mean()
                lower, upper = limits[cause + 1, :, np.searchsorted(time, horizon, side="right") - 1]
                assert lower < found < upper, (arm, cause, horizon)


def test_the_cured_fraction_of_each_arm_comes_back() -> None:
    (fit,), ((cohort, _),) = fitted(CASES["cure"], range(1))
    columns, parameters = fit.encoding.columns(fit.codes[0]), fit.family_draws()
    table, effects = cohort.table, CASES["cure"].effects["incidence"]
    z, male = (table["age"].to_numpy() - 60) / 10, (table["sex"] == "m").to_numpy()
    for arm in range(2):
        everyone = np.full(cohort.n, arm)
        eta = np.stack(
            [fit.layout.linear_predictor(columns, everyone, {}, draws) for draws in fit.coefficient_draws()]
        )
        found = fit.spec.family.response(Estimand(kind="cured"), eta[:, :, None], parameters, fit.constants)
        of_all = found.mean(axis=(0, 1))
        logit = 0.4 + effects[0] * z + effects[1] * male + effects[2] * (arm - 0.5)
        lower, upper = np.quantile(of_all, [0.001, 0.999])
        assert lower < (1 / (1 + np.exp(logit))).mean() < upper
