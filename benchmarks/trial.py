"""The made-up trial of the benchmarks of fits: three arms, clinical and genomic features, sites, few true effects."""

from __future__ import annotations

from typing import Any

import numpy as np

ARMS, HISTORY, SITES = ("A", "B", "C"), 10, 20
# Family -> its settings and the kind of outcome.
FAMILIES: dict[str, tuple[dict[str, Any], str]] = {
    "gaussian": ({}, "continuous"),
    "bernoulli": ({}, "binary"),
    "weibull": ({}, "time_to_event"),
    "piecewise_exponential": ({}, "time_to_event"),
    "poisson": ({}, "count"),
    "ordinal": ({}, "ordinal"),
    "student_t": ({}, "continuous"),
    "negative_binomial": ({}, "count"),
    "lognormal": ({}, "time_to_event"),
    "loglogistic": ({}, "time_to_event"),
    "cure": ({}, "time_to_event"),
    "competing_risks": ({}, "competing_risks"),
}


def numbers(n: int, *, genomic: int, seed: int) -> dict[str, np.ndarray]:
    """Return features (standard normal, dosages), arms, sites and the true predictor, which 8 features make."""
    rng = np.random.default_rng(seed)
    history, dosage = rng.normal(size=(n, HISTORY)), rng.binomial(2, 0.3, size=(n, genomic))
    arm, site = rng.integers(0, len(ARMS), n), rng.integers(0, SITES, n)
    x = np.column_stack([history, (dosage - 0.6) / np.sqrt(0.42)])
    prognostic, predictive = np.zeros(x.shape[1]), np.zeros((len(ARMS), x.shape[1]))
    prognostic[[0, 1, 2, HISTORY, HISTORY + 1]] = (0.5, -0.4, 0.3, 0.5, -0.5)
    predictive[1, [0, HISTORY]], predictive[2, HISTORY + 2] = (0.3, 0.4), 0.4
    eta = x @ prognostic + (x * predictive[arm]).sum(axis=1) + np.array([0.0, 0.3, 0.5])[arm]
    eta += rng.normal(0, 0.3, SITES)[site] + rng.normal(0, 0.1, (SITES, len(ARMS)))[site, arm]
    return {"history": history, "dosage": dosage, "arm": arm, "site": site, "x": x, "eta": eta}


def trial(n: int, *, family: str = "gaussian", genomic: int = 50, seed: int = 1) -> Any:
    """Return the cohort."""
    import polars as pl

    from benchmarks.scale import _schema
    from medresponse.cohort import cohort_from_frame
    from medresponse.core.codec import from_plain, to_plain

    kind, rng, made = (
        FAMILIES[family][1],
        np.random.default_rng([seed, 2]),
        numbers(n, genomic=genomic, seed=seed),
    )
    columns: dict[str, Any] = {
        "patient": [f"P{i:08d}" for i in range(n)], "site": [f"S{i:02d}" for i in made["site"]],
        "arm": [ARMS[k] for k in made["arm"]],
    }  # fmt: skip
    columns |= {f"h{i}": made["history"][:, i] for i in range(HISTORY)}
    columns |= {f"g{i}": made["dosage"][:, i] for i in range(genomic)}
    columns |= outcome(kind, _predictor(family, made["eta"], rng), rng)
    schema = _schema(kind)
    plain = to_plain(schema)
    plain["features"]["genomic"] = {f"g{i}": plain["features"]["genomic"]["g0"] for i in range(genomic)}
    return cohort_from_frame(pl.DataFrame(columns), from_plain(type(schema), plain))


def lacking(cohort: Any, share: float) -> Any:
    """Return the cohort without a share of the values of ten features, five clinical and five genomic, chosen at random."""
    import dataclasses

    import polars as pl

    rng = np.random.default_rng(3)
    names = [f"{letter}{i}" for letter in "hg" for i in range(5)]
    blank = [
        pl.when(pl.Series(rng.random(cohort.n) >= share)).then(pl.col(name)).alias(name) for name in names
    ]
    return dataclasses.replace(cohort, table=cohort.table.with_columns(blank)) if share else cohort


def _predictor(family: str, eta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the predictor with what the family supposes besides: rates that vary between patients, some who are cured."""
    if family == "negative_binomial":
        return eta + 2 * np.log(rng.gamma(2.0, 0.5, len(eta)))
    return np.where(rng.random(len(eta)) < 0.3, -50.0, eta) if family == "cure" else eta


def outcome(kind: str, eta: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the columns of an outcome of this kind under a predictor."""
    n = len(eta)
    if kind == "continuous":
        return {"y": 10 + eta + rng.normal(size=n)}
    if kind == "binary":
        return {"y": (rng.random(n) < 1 / (1 + np.exp(0.3 - eta))).astype(int)}
    if kind == "count":
        return {"y": rng.poisson(np.exp(0.5 * eta))}
    if kind == "ordinal":
        return {
            "y": 1
            + (eta + rng.logistic(size=n) > -0.5).astype(int)
            + (eta + rng.logistic(size=n) > 1).astype(int)
        }
    time = 12 * (-np.log(rng.random(n)) * np.exp(-eta)) ** (1 / 1.3)
    censored = rng.uniform(6, 36, n)
    seen = (time <= censored).astype(int)
    cause = 1 + (rng.random(n) < 0.4) if kind == "competing_risks" else 1
    return {"y": np.minimum(time, censored), "d": seen * cause}


def flagship(family: str = "gaussian", *, horseshoe: bool = True) -> Any:
    """Return the spec: pooled clinical coefficients, horseshoe over genomic ones, effects of sites."""
    from medresponse.core.codec import from_plain
    from medresponse.families import Family
    from medresponse.model import ModelSpec
    from medresponse.priors import Horseshoe, Normal

    settings, _ = FAMILIES[family]
    blocks = {
        "history": Normal(pooled=True),
        "genomic": Horseshoe(expected_nonzero=5) if horseshoe else Normal(pooled=True),
    }
    return ModelSpec(
        family=from_plain(Family, {"kind": family, **settings}),  # type: ignore[type-abstract]
        blocks=blocks,
        pooling=("site",),
    )
