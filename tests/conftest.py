"""Fixtures for all tests: a made-up trial of twelve patients; machine code that compiles nothing but what it declares."""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import Any

import polars as pl
import pytest

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core import machine_code
from medresponse.core.codec import from_plain


@pytest.fixture(scope="session", autouse=True)
def machine_code_as_declared() -> Iterator[None]:
    """Fail where machine code is called with arguments of other kinds than declared, for which users would wait."""
    original = machine_code._compile

    @wraps(original)
    def once(*args: Any, **settings: Any) -> Any:
        made: Any = original(*args, **settings)
        made._compile_for_args = (
            refuse  # `disable_compile` would turn numbers of other kinds into those declared, in silence
        )
        return made

    def refuse(*given: Any, **named: Any) -> None:
        raise TypeError(
            f"No matching definition for arguments of types {[type(one).__name__ for one in given]}"
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine_code, "_compile", once)
        yield


@pytest.fixture
def plain_schema() -> dict[str, Any]:
    """Schema of the made-up trial as plain data, fresh for each test to change."""
    return {
        "name": "made-up trial",
        "source": "twelve invented patients",
        "id": "patient",
        "synthetic": True,
        "treatment": {
            "column": "arm",
            "reference": "control",
            "assignment": "randomised",
            "levels": {"control": {"label": "Usual care"}, "treated": {"label": "Usual care + B"}},
        },
        "outcomes": {
            "os": {
                "kind": "time_to_event", "time": "time", "event": "status", "event_value": 1, "censored_value": 0,
                "unit": "month", "event_label": "death", "free_label": "alive",
            }
        },
        "features": {
            "genomic": {"snp": {"type": "dosage"}},
            "history": {
                "age": {"type": "continuous", "unit": "year", "range": [18, 100]},
                "weight": {
                    "type": "continuous", "unit": "kg", "unit_column": "weight_unit", "measured_at": "weight_day",
                },
                "sex": {"type": "binary", "levels": ["f", "m"]},
                "stage": {"type": "ordinal", "levels": [1, 2, 3]},
            },
            "lifestyle": {"smoking": {"type": "categorical", "levels": ["never", "former", "current"]}},
        },
        "sites": ["site"],
        "groups": ["sex"],
        "ignore": ["comment"],
    }  # fmt: skip


@pytest.fixture
def trial_schema(plain_schema: dict[str, Any]) -> Schema:
    """Schema of the made-up trial."""
    return from_plain(Schema, plain_schema)


@pytest.fixture
def trial_frame() -> pl.DataFrame:
    """The made-up trial as a table that breaks no rule and draws no warning; weight misses one value."""
    return pl.DataFrame(
        {
            "patient": [f"P{i:02d}" for i in range(1, 13)],
            "arm": ["control", "treated"] * 6,
            "time": [1.5, 2.25, 3.0, 4.5, 5.0, 6.75, 7.5, 8.0, 9.25, 10.0, 11.5, 12.0],
            "status": [1, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 0],
            "snp": [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2],
            "age": [41.5, 52.0, 63.5, 44.0, 55.5, 66.0, 47.5, 58.0, 69.5, 50.0, 61.5, 72.0],
            "weight": [68.5, 71.0, 82.5, 63.0, 74.5, 85.0, 66.5, 77.0, None, 69.0, 80.5, 91.0],
            "weight_unit": ["kg"] * 8 + [None] + ["kg"] * 3,
            "weight_day": [0, -1, -2, -3, 0, -1, -2, -3, None, -1, -2, -3],
            "sex": ["f", "f", "m", "m"] * 3,
            "stage": [1, 1, 2, 2, 3, 3] * 2,
            "smoking": ["never", "former", "current", "never"] * 3,
            "site": ["north", "south", "west"] * 4,
            "comment": ["not read"] * 12,
        }
    )


@pytest.fixture
def trial_cohort(trial_frame: pl.DataFrame, trial_schema: Schema) -> Cohort:
    """The made-up trial, checked."""
    return cohort_from_frame(trial_frame, trial_schema)
