"""Every registered family, with outcomes of every kind: what the contract tests run over."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from medresponse.core.estimand import ESTIMANDS, Estimand
from medresponse.core.registry import registered
from medresponse.families import Arrays, Cure, Family, Gaussian, PiecewiseExponential, StudentT
from medresponse.priors import HalfNormal
from tests.families.graph import likelihood_model

N = 40
HORIZON = 6.0  # within the follow-up of every outcome below, which ends at 24
# Every family as it comes, and forms of it that take another way through the code.
FORMS: dict[str, Any] = {name: part() for name, part in sorted(registered(Family).items())} | {
    "piecewise_exponential, exchangeable": PiecewiseExponential(intervals=4, baseline="exchangeable"),
    "piecewise_exponential, proportional": PiecewiseExponential(cuts=(6.0, 12.0), time_varying=False),
    "piecewise_exponential, fading": PiecewiseExponential(intervals=4, fading=HalfNormal(sigma=0.3)),
    "cure, lognormal": Cure(latency="lognormal"),
    "gaussian, log": Gaussian(scale="log"),
    "gaussian, square root": Gaussian(scale="sqrt"),
    "gaussian, cube root": Gaussian(scale="cbrt"),
    "student_t, square root": StudentT(scale="sqrt"),
    "student_t, cube root": StudentT(scale="cbrt"),
}


def _event_times(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Right-censored, in whole numbers, so that times are tied."""
    time, event = rng.integers(1, 25, N).astype(float), np.arange(N) % 3 != 0
    time[0] = 24.0
    return {
        "time": time,
        "event": event,
        "entry": np.zeros(N),
        "lower": time,
        "upper": np.where(event, time, np.inf),
    }


def _all_censoring(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Exact, right-, left- and interval-censored, a third of them left-truncated."""
    outcome = _event_times(rng)
    row, lower, upper = np.arange(N), outcome["lower"].copy(), outcome["upper"]
    between = outcome["event"] & (row % 2 == 0)
    lower[between] = np.where(row[between] % 4 == 0, 0.0, np.maximum(lower[between] - 3.0, 0.0))
    entry = np.where((row % 3 == 1) & (lower > 0), lower / 2, 0.0)
    return outcome | {"lower": lower, "entry": entry, "upper": upper}


def _causes(outcome: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    cause = np.where(outcome["event"], np.arange(N) % 5 % 2, -1)
    kept = {name: outcome[name] for name in ("time", "event", "entry")}
    return kept | {"cause": cause.astype(np.int64), "n_causes": np.asarray(2)}


def _truncated(rng: np.random.Generator) -> dict[str, np.ndarray]:
    outcome = _event_times(rng)
    return outcome | {"entry": np.where(np.arange(N) % 3 == 1, outcome["time"] / 2, 0.0)}


def _levels(rng: np.random.Generator, seen: list[int]) -> dict[str, np.ndarray]:
    return {"value": rng.choice(seen, N).astype(np.int64), "n_levels": np.asarray(5)}


def _with_outliers(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {"value": np.where(np.arange(N) % 15 == 7, 900.0, rng.uniform(5.0, 60.0, N))}


# Kind of outcome -> what its rows may look like, the ordinary first.
ROWS: dict[str, dict[str, Callable[[np.random.Generator], dict[str, np.ndarray]]]] = {
    "continuous": {"plain": lambda rng: {"value": rng.uniform(5.0, 60.0, N)}, "outliers": _with_outliers},
    "binary": {
        "plain": lambda rng: {"value": (rng.random(N) < 0.3).astype(float)},
        "nobody": lambda rng: {"value": np.zeros(N)},
    },
    "ordinal": {
        "plain": lambda rng: _levels(rng, [0, 1, 2, 3, 4]),
        "levels never observed": lambda rng: _levels(rng, [1, 3]),
        "one level": lambda rng: _levels(rng, [2]),
    },
    "count": {
        "plain": lambda rng: {"value": rng.poisson(1.5, N).astype(float), "exposure": np.ones(N)},
        "exposure": lambda rng: {
            "value": rng.negative_binomial(2, 0.1, N).astype(float), "exposure": rng.uniform(0.1, 9.0, N)
        },
        "none": lambda rng: {"value": np.zeros(N), "exposure": rng.uniform(0.1, 9.0, N)},
    },
    "time_to_event": {"plain": _event_times, "all censoring": _all_censoring},
    "competing_risks": {
        "plain": lambda rng: _causes(_event_times(rng)), "truncated": lambda rng: _causes(_truncated(rng))
    },
}  # fmt: skip
CASES = [(form, rows) for form, family in FORMS.items() for rows in ROWS[family.outcome_kind]]


@cache
def outcome_of(kind: str, rows: str = "plain") -> dict[str, np.ndarray]:
    return ROWS[kind][rows](np.random.default_rng(0))


def learned(family: Any, rows: str = "plain") -> Arrays:
    return family.learn(outcome_of(family.outcome_kind, rows))


def design() -> np.ndarray:
    return np.random.default_rng(1).normal(scale=0.5, size=(N, 3))


def treatment_idx(n_treatments: int) -> np.ndarray:
    return np.arange(N) % n_treatments


def estimands_of(family: Any) -> list[Estimand]:
    """Everything that can be asked of the family: each kind, of each category or cause."""
    constants, found = learned(family), []
    for name in family.estimands:
        kind = ESTIMANDS[name]
        least = 1 if name == "at_least" else 0
        parts: dict[str, Any] = {
            "": lambda: [None],
            "category": lambda least=least: range(least, int(constants["n_levels"])),
            "cause": lambda: range(int(constants["n_causes"])),
        }
        for part in parts[kind.part]():
            found.append(Estimand(kind=name, horizon=HORIZON if kind.horizon else None, part=part))
    return found


def predictors_like(family: Any, values: np.ndarray) -> np.ndarray:
    """`eta` with the same values for each linear predictor."""
    count = len(family.predictors(learned(family)))
    return values if count == 1 else np.stack([values] * count)


def random_eta(family: Any, shape: tuple[int, ...], *, seed: int, scale: float = 0.3) -> np.ndarray:
    count = len(family.predictors(learned(family)))
    rng = np.random.default_rng(seed)
    return rng.normal(scale=scale, size=shape if count == 1 else (count, *shape))


@cache
def model_of(form: str, rows: str = "plain", n_treatments: int = 2) -> Any:
    family = FORMS[form]
    return likelihood_model(
        family,
        design(),
        outcome_of(family.outcome_kind, rows),
        treatment_idx(n_treatments),
        n_treatments=n_treatments,
    )


@cache
def prior_draws(form: str, *, draws: int = 6) -> dict[str, np.ndarray]:
    """Prior draws of the family's parameters with two treatments, draws first; none so far out that survival underflows."""
    import pymc as pm

    model, names = model_of(form), FORMS[form].parameters
    values = pm.draw([model[name] for name in names], draws=draws, random_seed=1, mode="FAST_COMPILE")
    return dict(zip(names, values, strict=True))
