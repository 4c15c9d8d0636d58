"""A made-up trial of forty patients with an outcome of every kind; it breaks no rule and draws no warning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain

N = 40

KINDS: dict[str, dict[str, Any]] = {
    "continuous": {
        "kind": "continuous", "column": "score", "unit": "points", "label": "Score", "direction": "higher_is_better",
    },
    "binary": {
        "kind": "binary", "column": "dead", "event_value": "yes", "other_value": "no", "event_label": "dead",
        "free_label": "alive", "direction": "event_is_worse",
    },
    "ordinal": {
        "kind": "ordinal", "column": "response", "levels": ["PD", "SD", "CR"], "labels": {"PD": "progression"},
        "label": "Best response", "direction": "higher_is_better",
    },
    "count": {
        "kind": "count", "column": "attacks", "exposure": "followed", "exposure_unit": "year", "label": "Attacks",
        "direction": "lower_is_better",
    },
    "time_to_event": {
        "kind": "time_to_event", "time": "time", "event": "status", "event_value": 1, "censored_value": 0, "unit": "month",
        "event_label": "relapse", "free_label": "free of relapse", "entry": "enrolled",
    },
    "interval": {
        "kind": "time_to_event", "time": "last_clear", "upper": "first_seen", "unit": "month", "event_label": "relapse",
        "free_label": "free of relapse",
    },
    "competing_risks": {
        "kind": "competing_risks", "time": "time", "event": "ending", "causes": {"relapse": 1, "death": 2}, "censored_value": 0,
        "unit": "month", "cause_labels": {"death": "death without relapse"}, "free_label": "alive without relapse",
        "entry": "enrolled",
    },
}  # fmt: skip


def plain_of(*kinds: str, **changes: Any) -> dict[str, Any]:
    """Return the schema as plain data with outcomes of these kinds; `changes` go into the first of them."""
    outcomes = {kind: dict(KINDS[kind]) for kind in kinds}
    outcomes[kinds[0]] |= changes
    return {
        "name": "made-up trial", "source": "invented", "id": "patient",
        "treatment": {"column": "arm", "reference": "A", "assignment": "randomised", "levels": {"A": {}, "B": {}}},
        "outcomes": {k: {e: v for e, v in outcome.items() if v is not None} for k, outcome in outcomes.items()},
        "features": {
            "history": {
                "age": {"type": "continuous", "unit": "year"},
                "sex": {"type": "binary", "levels": ["f", "m"]},
                "stage": {"type": "categorical", "levels": ["I", "II", "III"]},
            }
        },
    }  # fmt: skip


def frame_of(schema: Schema, put: Mapping[str, Mapping[str, Any]] | None = None) -> pl.DataFrame:
    """Return the columns that `schema` declares, with other values for some patients."""
    k = [i // 2 for i in range(N)]  # position within the arm
    cells: dict[str, list[Any]] = {
        "patient": [f"P{i + 1:02d}" for i in range(N)],
        "arm": [("A", "B")[i % 2] for i in range(N)],
        "score": [float(20 + j % 7) for j in k],
        "dead": [("no", "yes")[j % 2] for j in k],
        "response": [("PD", "SD", "CR")[j % 3] for j in k],
        "attacks": [j % 4 for j in k],
        "followed": [0.5 + j % 5 for j in k],
        "time": [1.0 + j for j in k],
        "status": [j % 2 for j in k],
        "enrolled": [0.0 if j % 2 else 0.5 for j in k],
        "last_clear": [0.5 * j for j in k],
        "first_seen": [(0.5 * j + 1.0, 0.5 * j, None)[j % 3] for j in k],
        "ending": [j % 3 for j in k],
        "age": [40.0 + (7 * j) % 20 + i % 3 for i, j in enumerate(k)],
        "sex": [("f", "m")[j // 2 % 2] for j in k],
        "stage": [("I", "II", "III")[j // 5 % 3] for j in k],
    }
    for column, values in (put or {}).items():
        cells[column] = [
            values.get(id, cell) for id, cell in zip(cells["patient"], cells[column], strict=True)
        ]
    declared = {schema.id, "arm", *schema.feature_columns}
    declared |= {column for outcome in schema.outcomes.values() for column in outcome.reads}
    return pl.DataFrame(
        {name: pl.Series(values, strict=False) for name, values in cells.items() if name in declared}
    )


def trial(*kinds: str, put: Mapping[str, Mapping[str, Any]] | None = None, **changes: Any) -> Cohort:
    """Return the checked trial."""
    schema = from_plain(Schema, plain_of(*kinds, **changes))
    return cohort_from_frame(frame_of(schema, put), schema)
