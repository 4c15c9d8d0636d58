"""Small template cohorts, one an outcome kind: forty patients, two arms, two features."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain

_TIMES = {
    "kind": "time_to_event", "time": "time", "event": "event", "event_value": True, "censored_value": False,
    "unit": "month", "event_label": "event", "free_label": "event-free",
}  # fmt: skip
OUTCOMES: dict[str, dict[str, Any]] = {
    "gaussian": {"kind": "continuous", "column": "y", "unit": "1", "label": "y", "direction": "higher_is_better"},
    "bernoulli": {
        "kind": "binary", "column": "event", "event_value": True, "other_value": False, "event_label": "event",
        "free_label": "none", "direction": "event_is_worse",
    },
    "weibull": _TIMES,
}  # fmt: skip


def template(outcome: str, *, patients: int = 40, missing: bool = False) -> Cohort:
    """A randomised cohort whose outcomes give no more than follow-up and crude rates; a fifth of ages may be missing."""
    rng = np.random.default_rng(12)
    arm, age, sex = np.arange(patients) % 2, rng.normal(60, 10, patients), rng.random(patients) < 0.5
    time, end = rng.exponential(8.0, patients), rng.uniform(6.0, 18.0, patients)
    frame = pl.DataFrame(
        {
            "id": [f"P{i:03d}" for i in range(patients)], "arm": np.where(arm == 1, "new", "old"), "age": age,
            "sex": np.where(sex, "f", "m"), "y": rng.normal(size=patients), "time": np.minimum(time, end),
            "event": time <= end,
        }
    )  # fmt: skip
    if missing:
        unknown = np.arange(patients) % 5 == 0
        frame = frame.with_columns(
            pl.when(pl.Series(unknown)).then(None).otherwise(pl.col("age")).alias("age")
        )
    read = ["id", "arm", "age", "sex", *_columns(OUTCOMES[outcome])]
    schema = from_plain(
        Schema,
        {
            "name": "template", "source": "made up", "id": "id", "synthetic": True,
            "treatment": {
                "column": "arm", "levels": {"old": {}, "new": {}}, "reference": "old", "assignment": "randomised"
            },
            "outcomes": {"outcome": OUTCOMES[outcome]},
            "features": {
                "history": {
                    "age": {"type": "continuous", "unit": "year"},
                    "sex": {"type": "binary", "levels": ["f", "m"]},
                }
            },
        },
    )  # fmt: skip
    return cohort_from_frame(frame.select(read), schema)


def _columns(outcome: dict[str, Any]) -> list[str]:
    return [outcome[key] for key in ("column", "time", "event") if key in outcome]
