"""A made-up trial with every kind of outcome and column, in which treatment and age do what they are told to."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from tests.cohort.kinds import KINDS

SCHEMA: dict[str, Any] = {
    "name": "made-up trial", "source": "invented", "id": "patient",
    "treatment": {
        "column": "arm", "reference": "A", "assignment": "randomised", "levels": {"A": {}, "B": {}, "C": {}},
    },
    "outcomes": KINDS,
    "features": {
        "genomic": {"snp": {"type": "dosage"}},
        "history": {
            "age": {"type": "continuous", "unit": "year", "range": [18, 110]},
            "marker": {"type": "continuous", "unit": "1", "error": "marker_se"},
            "sex": {"type": "binary", "levels": ["f", "m"]},
            "stage": {"type": "categorical", "levels": ["I", "II", "III"]},
        },
        "lifestyle": {"cigarettes": {"type": "continuous", "unit": "count", "unit_column": "cigarettes_unit"}},
    },
    "sites": ["site"],
}  # fmt: skip


def schema_of(**changes: Any) -> Schema:
    return from_plain(Schema, SCHEMA | changes)


def frame_of(n: int, *, seed: int = 1) -> pl.DataFrame:
    """Score: 3 a decade of age, 5 more in arm C. Marker missing in a tenth, sex in a twentieth."""
    rng = np.random.default_rng(seed)
    age = rng.normal(60, 10, n).clip(20, 105).round()
    arm = rng.integers(0, 3, n)
    marker = np.round(np.exp(rng.normal(size=n) + 0.03 * (age - 60)), 2)
    time = rng.exponential(np.where(arm == 2, 20.0, 10.0)) + 0.01
    entry = np.where(rng.uniform(size=n) < 0.7, 0.0, np.round(0.5 * rng.uniform(size=n) * time, 3))
    lower = 0.1 + np.round(rng.exponential(5.0, n), 1)
    seen = rng.uniform(size=n)
    return pl.DataFrame({
        "patient": [f"P{i:04d}" for i in range(n)], "arm": np.array(["A", "B", "C"])[arm],
        "score": 20 + 0.3 * (age - 60) + 5 * (arm == 2) + rng.normal(0, 4, n),
        "dead": np.where(rng.uniform(size=n) < 0.3 + 0.2 * (arm == 2), "yes", "no"),
        "response": rng.choice(["PD", "SD", "CR"], n), "attacks": rng.poisson(2.0, n), "followed": rng.uniform(0.5, 2.0, n),
        "time": time, "status": rng.integers(0, 2, n), "ending": rng.integers(0, 3, n), "enrolled": entry,
        "last_clear": lower, "first_seen": pl.Series(np.where(seen < 0.3, np.nan, lower + np.round(3 * seen, 1))).fill_nan(None),
        "snp": rng.integers(0, 3, n), "age": age,
        "marker": pl.Series(np.where(rng.uniform(size=n) < 0.1, np.nan, marker)).fill_nan(None),
        "marker_se": np.round(rng.uniform(0.01, 0.2, n), 3),
        "sex": [None if u < 0.05 else "f" if u < 0.5 else "m" for u in rng.uniform(size=n)],
        "stage": np.array(["I", "II", "III"])[np.digitize(age + rng.normal(0, 8, n), [55, 65])],
        "cigarettes": np.where(rng.uniform(size=n) < 0.6, rng.choice([0, 10, 20, 40], n), rng.integers(0, 90, n)).astype(float),
        "cigarettes_unit": ["count"] * n, "site": rng.choice(["north", "south", "west"], n),
    })  # fmt: skip


def trial(n: int = 600, *, seed: int = 1) -> Cohort:
    return cohort_from_frame(frame_of(n, seed=seed), schema_of())
