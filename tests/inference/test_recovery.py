"""Known coefficients come back: trials simulated here, never by the families, fitted, and their intervals counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest

from benchmarks.recovery import TRUTHS
from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.core.registry import registered
from medresponse.families import (
    Bernoulli,
    Family,
    Gaussian,
    NegativeBinomial,
    Ordinal,
    PiecewiseExponential,
    Poisson,
    StudentT,
    Weibull,
)
from medresponse.inference import Nuts, fit_many
from medresponse.model import ModelSpec, MultipleImputation
from medresponse.priors import Normal

pytestmark = pytest.mark.recovery

TRIALS, PATIENTS = 12, 400
TRUTH = {"age": 0.5, "sex": -0.4, "contrast 1": 0.6, "contrast 1 x age": -0.3, "contrast 1 x sex": 0.2}
ENGINE = Nuts(draws=500, tune=500, chains=2, target_accept=0.9)
Outcome = Callable[[np.random.Generator, np.ndarray], dict[str, np.ndarray]]


def censored(rng: np.random.Generator, event_time: np.ndarray) -> dict[str, np.ndarray]:
    follow_up = rng.uniform(6.0, 36.0, len(event_time))
    return {"time": np.minimum(event_time, follow_up), "event": event_time <= follow_up}


def weibull_times(rng: np.random.Generator, eta: np.ndarray) -> dict[str, np.ndarray]:
    return censored(rng, 15.0 * np.exp(eta) * rng.standard_exponential(len(eta)) ** (1 / 1.4))


def piecewise_times(rng: np.random.Generator, eta: np.ndarray) -> dict[str, np.ndarray]:
    """Hazard 0.03 to month 6, 0.1 to month 12, 0.05 after."""
    target = rng.standard_exponential(len(eta)) / np.exp(eta)
    knots, total = np.array([0.0, 6.0, 12.0, 1e4]), np.array([0.0, 0.18, 0.78, 0.78 + 0.05 * (1e4 - 12.0)])
    return censored(rng, np.interp(target, total, knots))


def squared_scores(rng: np.random.Generator, eta: np.ndarray) -> dict[str, np.ndarray]:
    return {"score": (8.0 + eta + 1.2 * rng.standard_normal(len(eta))) ** 2}


def scores_with_outliers(rng: np.random.Generator, eta: np.ndarray) -> dict[str, np.ndarray]:
    return {"score": 20.0 + eta + 1.2 * rng.standard_t(4.0, len(eta))}


def events(rng: np.random.Generator, eta: np.ndarray) -> dict[str, np.ndarray]:
    return {"happened": rng.random(len(eta)) < 1 / (1 + np.exp(0.5 - eta))}


def grades(rng: np.random.Generator, eta: np.ndarray) -> dict[str, np.ndarray]:
    """Four grades of a logistic variable, and a fifth that nobody reaches."""
    return {"grade": np.searchsorted([-1.0, 0.3, 1.5], eta + rng.logistic(size=len(eta)))}


def counts(rng: np.random.Generator, eta: np.ndarray) -> dict[str, np.ndarray]:
    years = rng.uniform(0.5, 2.0, len(eta))
    return {"attacks": rng.poisson(0.9 * years * np.exp(eta)), "years": years}


def uneven_counts(rng: np.random.Generator, eta: np.ndarray) -> dict[str, np.ndarray]:
    """Patients' own rates vary by a gamma factor of mean 1 and sd 0.7."""
    return counts(rng, eta + np.log(rng.gamma(1 / 0.49, 0.49, len(eta))))


@dataclass(frozen=True)
class Case:
    """A family, how its outcomes are simulated, and how many values of age are missing at random."""

    family: Any
    simulate: Outcome
    missing: bool = False


CASES = {
    "weibull": Case(Weibull(), weibull_times),
    "piecewise_exponential": Case(
        PiecewiseExponential(cuts=(6.0, 12.0), time_varying=False), piecewise_times
    ),
    "bernoulli": Case(Bernoulli(), events),
    "ordinal": Case(Ordinal(), grades),
    "poisson": Case(Poisson(), counts),
    "negative_binomial": Case(NegativeBinomial(), uneven_counts),
    "student_t": Case(StudentT(), scores_with_outliers),
    "gaussian": Case(Gaussian(scale="sqrt"), squared_scores),
    "gaussian, age missing at random": Case(Gaussian(scale="sqrt"), squared_scores, missing=True),
}


OUTCOMES: dict[str, dict[str, Any]] = {
    "time_to_event": {
        "time": "time", "event": "event", "event_value": True, "censored_value": False, "unit": "month",
        "event_label": "death", "free_label": "alive",
    },
    "continuous": {"column": "score", "unit": "points", "label": "score", "direction": "higher_is_better"},
    "binary": {
        "column": "happened", "event_value": True, "other_value": False, "event_label": "relapse",
        "free_label": "no relapse", "direction": "event_is_worse",
    },
    "ordinal": {"column": "grade", "levels": [0, 1, 2, 3, 4], "label": "grade", "direction": "lower_is_better"},
    "count": {
        "column": "attacks", "exposure": "years", "exposure_unit": "year", "label": "attacks", "direction": "lower_is_better",
    },
}  # fmt: skip


def schema_of(family: Any) -> Schema:
    outcome = {"kind": family.outcome_kind} | OUTCOMES[family.outcome_kind]
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


def simulate(case: Case, seed: int) -> tuple[Cohort, dict[str, float]]:
    """One trial, and the coefficients on the scale on which the model states them."""
    rng = np.random.default_rng([seed, 2024])
    z, male, arm = rng.standard_normal(PATIENTS), rng.random(PATIENTS) < 0.5, rng.permutation(PATIENTS) % 2
    contrast = arm - 0.5
    modified = TRUTH["contrast 1"] + TRUTH["contrast 1 x age"] * z + TRUTH["contrast 1 x sex"] * male
    outcome = case.simulate(rng, TRUTH["age"] * z + TRUTH["sex"] * male + contrast * modified)
    unseen = rng.random(PATIENTS) < (np.where(male, 0.5, 0.1) if case.missing else 0.0)
    frame = pl.DataFrame(
        {
            "patient": [f"S{i:04d}" for i in range(PATIENTS)], "arm": np.where(arm == 1, "B", "A"),
            "age": pl.Series(60 + 10 * z).set(pl.Series(unseen), None), "sex": np.where(male, "m", "f"), **outcome,
        }
    )  # fmt: skip
    cohort = cohort_from_frame(frame, schema_of(case.family))
    # Features are centred and scaled on the rows where they are known: so is the truth.
    mean, sd = z[~unseen].mean(), z[~unseen].std()
    truth = {
        "age": TRUTH["age"] * sd,
        "sex": TRUTH["sex"],
        "contrast 1": TRUTH["contrast 1"]
        + TRUTH["contrast 1 x age"] * mean
        + TRUTH["contrast 1 x sex"] * male.mean(),
        "contrast 1 x age": TRUTH["contrast 1 x age"] * sd,
        "contrast 1 x sex": TRUTH["contrast 1 x sex"],
    }
    return cohort, truth


def test_every_family_has_a_truth_of_its_own() -> None:
    simulated = {name.split(",")[0] for name in TRUTHS}
    assert set(registered(Family)) == simulated, "simulate outcomes of the new family with code of its own"


@pytest.mark.parametrize("name", sorted(CASES))
def test_intervals_of_known_coefficients_cover_as_often_as_they_say(name: str) -> None:
    case = CASES[name]
    spec = ModelSpec(
        family=case.family, blocks={"history": Normal(sigma=1.0)}, modifiers={"history": Normal(sigma=1.0)},
        missing=MultipleImputation(imputations=4),
    )  # fmt: skip
    trials = [simulate(case, seed) for seed in range(TRIALS)]
    fits = fit_many(spec, [cohort for cohort, _ in trials], engine=ENGINE, seed=1)
    assert {fit.provenance.imputations for fit in fits} == {4 if case.missing else 1}
    covered, standardised = [], []
    for fit, (_, truth) in zip(fits, trials, strict=True):
        draws = dict(zip(fit.layout.coefficient_labels, fit.draws("coefficients").T, strict=True))
        assert set(draws) == set(truth)
        for label, value in truth.items():
            lower, upper = np.quantile(draws[label], [0.025, 0.975])
            covered.append(lower <= value <= upper)
            standardised.append((draws[label].mean() - value) / draws[label].std())
    # Coefficients of one fit are nearly independent: binomial limits of probability 0.999, and z-scores of mean 0
    # and spread 1.
    n = len(covered)
    assert n == 5 * TRIALS
    assert np.mean(covered) > 0.95 - 3.1 * np.sqrt(0.95 * 0.05 / n)
    by_label = np.reshape(standardised, (TRIALS, 5))
    assert (np.abs(by_label.mean(axis=0)) < 4 / np.sqrt(TRIALS)).all()
    assert np.std(standardised) == pytest.approx(1.0, abs=4 / np.sqrt(2 * n))
