"""Every family on made-up cohorts whose true responses are known: `make bench-recovery`, kept in benchmarks/recovery.json.

The truth is simulated and evaluated by scipy and by closed forms written here, never by the families themselves.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats
from scipy.special import expit

import medresponse as mr
from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.atomic import write_text
from medresponse.core.codec import from_plain
from medresponse.core.errors import SpecError
from medresponse.core.machine import described
from medresponse.core.provenance import versions
from medresponse.core.registry import registered
from medresponse.families import Family
from medresponse.inference import fit_many
from medresponse.priors import Normal

LEVEL = 0.9
LAST = 24.0  # months of follow-up at most


@dataclass(frozen=True, kw_only=True)
class Truth:
    """One law of outcomes.

    Parameters
    ----------
    outcome : mapping
        Schema of the outcome as plain data.
    draw : callable
        (rng, eta) -> columns of the observed outcome, from true predictors of shape (patient,).
    response : callable
        eta -> true response of the estimand, in its unit.
    ask : mapping
        Arguments of `respond`.
    sign : float
        Of the effects, so that treatment helps.
    """

    outcome: Mapping[str, Any]
    draw: Callable[[np.random.Generator, np.ndarray], dict[str, np.ndarray]]
    response: Callable[[np.ndarray], np.ndarray]
    ask: Mapping[str, Any]
    sign: float = 1.0


_TIMES = {
    "kind": "time_to_event", "time": "time", "event": "event", "event_value": True, "censored_value": False,
    "unit": "month", "event_label": "event", "free_label": "event-free",
}  # fmt: skip
_AT_12 = {"horizon": 12.0, "unit": "month", "estimand": "survival"}


def _censored(times: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Follow-up ends at random between 6 and 24 months."""
    end = rng.uniform(6.0, LAST, len(times))
    return {"time": np.maximum(np.minimum(times, end), 1e-3), "event": times <= end}


def _truncated(quantile: Callable[..., np.ndarray], cdf: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """Patients come under observation up to 3 months after time zero, if event-free by then."""

    def draw(rng: np.random.Generator, eta: np.ndarray) -> dict[str, np.ndarray]:
        entry = rng.uniform(0.0, 3.0, len(eta))
        before = cdf(entry, eta)
        times = quantile(before + rng.random(len(eta)) * (1 - before), eta)
        end = entry + rng.uniform(3.0, LAST - 3.0, len(eta))
        return {"time": np.minimum(times, end), "event": times <= end, "entry": entry}

    return draw


def _visited(quantile: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """Only visits every 3 months tell whether the event has happened."""

    def draw(rng: np.random.Generator, eta: np.ndarray) -> dict[str, np.ndarray]:
        times = quantile(rng.random(len(eta)), eta)
        low = np.minimum(np.floor(times / 3.0) * 3.0, LAST - 3.0)
        return {"time": low, "upper": np.where(times < LAST - 3.0, low + 3.0, np.nan)}

    return draw


def _law(law: Callable[[np.ndarray], Any], outcome: Mapping[str, Any] = _TIMES, *, draw: Any = None) -> Truth:
    """A time to event whose law, given eta, is one of scipy's."""
    return Truth(
        outcome=outcome,
        draw=draw or (lambda rng, eta: _censored(law(eta).rvs(random_state=rng), rng)),
        response=lambda eta: law(eta).sf(12.0),
        ask=_AT_12,
    )


def _weibull(eta: np.ndarray) -> Any:
    return stats.weibull_min(1.4, scale=np.exp(2.3 + eta))


def _exponential(eta: np.ndarray) -> Any:
    return stats.expon(scale=np.exp(2.5 - eta))


def _cured(rng: np.random.Generator, eta: np.ndarray) -> dict[str, np.ndarray]:
    """Treatment and features act on incidence; the uncured have their events early."""
    ever = rng.random(len(eta)) < expit(0.2 + eta)
    times = np.where(ever, stats.weibull_min(1.5, scale=4.0).rvs(len(eta), random_state=rng), np.inf)
    return _censored(times, rng)


def _two_causes(rng: np.random.Generator, eta: np.ndarray) -> dict[str, np.ndarray]:
    hazards = np.stack([0.05 * np.exp(eta), np.full(len(eta), 0.03)])
    times = rng.exponential(1 / hazards.sum(axis=0))
    cause = np.where(rng.random(len(eta)) < hazards[0] / hazards.sum(axis=0), "relapse", "death")
    seen = _censored(times, rng)
    return {"time": seen["time"], "event": np.where(seen["event"], cause, "none")}


def _incidence(eta: np.ndarray) -> np.ndarray:
    first, total = 0.05 * np.exp(eta), 0.05 * np.exp(eta) + 0.03
    return first / total * -np.expm1(-12.0 * total)


def _counts(rng: np.random.Generator, eta: np.ndarray, dispersion: float | None) -> dict[str, np.ndarray]:
    exposure = rng.uniform(0.5, 2.0, len(eta))
    rate = np.exp(0.3 + eta) * exposure
    if dispersion is not None:
        rate = rate * rng.gamma(dispersion, 1 / dispersion, len(eta))
    return {"count": rng.poisson(rate), "exposure": exposure}


_SCORE = {
    "kind": "continuous",
    "column": "score",
    "unit": "1",
    "label": "score",
    "direction": "higher_is_better",
}
_COUNT = {
    "kind": "count", "column": "count", "exposure": "exposure", "exposure_unit": "year", "label": "events",
    "direction": "lower_is_better",
}  # fmt: skip
_GRADES = np.array([-1.0, 0.3, 1.6])

TRUTHS: dict[str, Truth] = {
    "gaussian": Truth(
        outcome=_SCORE, draw=lambda rng, eta: {"score": eta + rng.normal(size=len(eta))}, response=lambda eta: eta, ask={}
    ),
    "student_t": Truth(
        outcome=_SCORE, draw=lambda rng, eta: {"score": eta + 0.7 * rng.standard_t(4, len(eta))},
        response=lambda eta: eta, ask={},
    ),
    "bernoulli": Truth(
        outcome={
            "kind": "binary", "column": "event", "event_value": True, "other_value": False, "event_label": "event",
            "free_label": "none", "direction": "event_is_better",
        },
        draw=lambda rng, eta: {"event": rng.random(len(eta)) < expit(-0.3 + eta)}, response=lambda eta: expit(-0.3 + eta),
        ask={},
    ),
    "ordinal": Truth(
        outcome={
            "kind": "ordinal", "column": "grade", "levels": ["0", "1", "2", "3"], "label": "grade",
            "direction": "higher_is_better",
        },
        draw=lambda rng, eta: {
            "grade": (eta[:, None] + rng.logistic(size=(len(eta), 1)) > _GRADES).sum(axis=1).astype(str)
        },
        response=lambda eta: expit(eta - _GRADES[1]), ask={"estimand": "at_least", "part": "2"},
    ),
    "poisson": Truth(
        outcome=_COUNT, draw=lambda rng, eta: _counts(rng, eta, None), response=lambda eta: np.exp(0.3 + eta),
        ask={"estimand": "rate"}, sign=-1.0,
    ),
    "negative_binomial": Truth(
        outcome=_COUNT, draw=lambda rng, eta: _counts(rng, eta, 2.0), response=lambda eta: np.exp(0.3 + eta),
        ask={"estimand": "rate"}, sign=-1.0,
    ),
    "weibull": _law(_weibull),
    "weibull, left-truncated": _law(
        _weibull, {**_TIMES, "entry": "entry"},
        draw=_truncated(lambda u, eta: _weibull(eta).ppf(u), lambda t, eta: _weibull(eta).cdf(t)),
    ),
    "weibull, interval-censored": _law(
        _weibull,
        {
            "kind": "time_to_event", "time": "time", "upper": "upper", "unit": "month", "event_label": "event",
            "free_label": "event-free",
        },
        draw=_visited(lambda u, eta: _weibull(eta).ppf(u)),
    ),
    "lognormal": _law(lambda eta: stats.lognorm(0.8, scale=np.exp(2.2 + eta))),
    "loglogistic": _law(lambda eta: stats.fisk(2.0, scale=np.exp(2.2 + eta))),
    "piecewise_exponential": Truth(
        outcome=_TIMES, draw=lambda rng, eta: _censored(_exponential(eta).rvs(random_state=rng), rng),
        response=lambda eta: _exponential(eta).sf(12.0), ask=_AT_12, sign=-1.0,
    ),
    "cure": Truth(
        outcome=_TIMES, draw=_cured, ask=_AT_12, sign=-1.0,
        response=lambda eta: 1 - expit(0.2 + eta) * stats.weibull_min(1.5, scale=4.0).cdf(12.0),
    ),
    "competing_risks": Truth(
        outcome={
            "kind": "competing_risks", "time": "time", "event": "event", "censored_value": "none",
            "causes": {"relapse": "relapse", "death": "death"}, "unit": "month", "free_label": "event-free",
        },
        draw=_two_causes, response=_incidence, sign=-1.0,
        ask={"horizon": 12.0, "unit": "month", "estimand": "cumulative_incidence", "part": "relapse"},
    ),
}  # fmt: skip


def true_eta(x: np.ndarray, b: np.ndarray, arm: np.ndarray | float, sign: float) -> np.ndarray:
    """Prognosis 0.5 x - 0.4 (b - 1/2), effect 0.5 + 0.3 x."""
    return sign * (0.5 * x - 0.4 * (b - 0.5) + arm * (0.5 + 0.3 * x))


def made_up(truth: Truth, patients: int, seed: int) -> tuple[Cohort, np.ndarray]:
    """Return a randomised cohort and the true responses under both arms, shape (patient, treatment)."""
    rng = np.random.default_rng(seed)
    x, b, arm = rng.normal(size=patients), rng.integers(0, 2, patients), np.arange(patients) % 2
    columns = truth.draw(rng, true_eta(x, b, arm, truth.sign))
    frame = pl.DataFrame({"id": [f"P{i:05d}" for i in range(patients)], "arm": arm, "x": x, "b": b} | columns)
    frame = frame.with_columns(pl.selectors.float().fill_nan(None))
    schema = from_plain(
        Schema,
        {
            "name": "recovery", "source": "made up", "id": "id", "synthetic": True, "outcomes": {"y": truth.outcome},
            "treatment": {"column": "arm", "reference": "0", "assignment": "randomised", "levels": {"0": {}, "1": {}}},
            "features": {"history": {"x": {"type": "continuous", "unit": "1"}, "b": {"type": "binary", "levels": [0, 1]}}},
        },
    )  # fmt: skip
    expected = np.stack([truth.response(true_eta(x, b, float(k), truth.sign)) for k in (0, 1)], axis=1)
    return cohort_from_frame(frame, schema), expected


def recover(name: str, *, patients: int, replicates: int) -> dict[str, Any]:
    """Fit one family to `replicates` cohorts and score its responses and benefits against the truth."""
    truth, family = TRUTHS[name], registered(Family)[name.split(",")[0]]()
    spec = mr.ModelSpec(
        family=family, blocks={"history": Normal(sigma=1.0)}, modifiers={"history": Normal(sigma=0.5)}
    )
    cohorts, expected = zip(*(made_up(truth, patients, seed) for seed in range(replicates)), strict=True)
    fits = fit_many(spec, cohorts, seed=1)
    rows: list[dict[str, Any]] = []
    for fitted, cohort, values in zip(fits, cohorts, expected, strict=True):
        draws = mr.respond(fitted, cohort, **truth.ask).draws().values
        benefit = draws[:, 1] - draws[:, 0]
        true_benefit = values[:, 1] - values[:, 0]
        rows.append(
            {
                "response": _score(draws, values), "benefit": _score(benefit, true_benefit),
                "average": _score(benefit.mean(axis=0), true_benefit.mean()),
                "sd": float(true_benefit.std()), "passed": fitted.diagnostics.passed,
            }
        )  # fmt: skip
    return {
        "patients": patients,
        "replicates": replicates,
        "coverage_response": _mean([row["response"]["covered"] for row in rows]),
        "coverage_benefit": _mean([row["benefit"]["covered"] for row in rows]),
        "average_benefit_covered": int(sum(row["average"]["covered"] for row in rows)),
        "rmse_benefit": _mean([row["benefit"]["rmse"] for row in rows]),
        "bias_average_benefit": _mean([row["average"]["error"] for row in rows]),
        "true_sd_benefit": _mean([row["sd"] for row in rows])["mean"],
        "diagnostics_passed": int(sum(row["passed"] for row in rows)),
    }


def _score(draws: np.ndarray, truth: np.ndarray | float) -> dict[str, float]:
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=-1)
    error = draws.mean(axis=-1) - truth
    return {
        "covered": float(((low <= truth) & (truth <= high)).mean()), "rmse": float(np.sqrt((error**2).mean())),
        "error": float(np.mean(error)),
    }  # fmt: skip


def _mean(values: list[float]) -> dict[str, float]:
    """Return mean and Monte Carlo standard error over replicates."""
    return {
        "mean": round(float(np.mean(values)), 4),
        "mcse": round(float(np.std(values, ddof=1) / np.sqrt(len(values))), 4),
    }


def main() -> None:
    """Recover every family, or those named, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(TRUTHS), metavar="family")
    parser.add_argument("--patients", type=int, default=400)
    parser.add_argument("--replicates", type=int, default=10)
    parser.add_argument("--out", default=str(Path(__file__).with_name("recovery.json")))
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in TRUTHS]
    if unknown:
        raise SpecError(f"no truth for {', '.join(unknown)}; there is one for {', '.join(TRUTHS)}")
    file = Path(options.out)
    kept = json.loads(file.read_text(encoding="utf-8"))["families"] if file.exists() else {}
    for name in options.names:
        kept[name] = recover(name, patients=options.patients, replicates=options.replicates)
        print(name, json.dumps(kept[name]), flush=True)
        facts = {"hardware": described(), "versions": versions()}
        ordered = {name: kept[name] for name in TRUTHS if name in kept}
        plain = {"command": "make bench-recovery", "level": LEVEL, "families": ordered, "machine": facts}
        write_text(file, json.dumps(plain, indent=1) + "\n")
        file.chmod(0o644)


if __name__ == "__main__":
    main()
