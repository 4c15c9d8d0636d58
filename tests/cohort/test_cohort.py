"""The frozen cohort: order never matters, contents always do."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medresponse.cohort import Cohort, Schema, cohort_from_frame, describe
from medresponse.core.codec import from_plain
from medresponse.core.errors import DataError


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.permutations(range(12)), columns=st.permutations(range(14)))
def test_the_order_of_rows_and_columns_changes_nothing(
    rows: list[int], columns: list[int], trial_frame: pl.DataFrame, trial_cohort: Cohort
) -> None:
    shuffled = trial_frame[rows].select([trial_frame.columns[i] for i in columns])
    cohort = cohort_from_frame(shuffled, trial_cohort.schema)
    assert cohort.fingerprint == trial_cohort.fingerprint
    assert cohort.table.equals(trial_cohort.table)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("age", 41.50000000000001),
        ("age", None),
        ("sex", "m"),
        ("status", 0),
        ("patient", "P99"),
        ("site", "south"),
    ],
)
def test_any_change_of_a_value_changes_the_fingerprint(
    column: str, value: object, trial_frame: pl.DataFrame, trial_cohort: Cohort
) -> None:
    values = [value, *trial_frame[column].to_list()[1:]]
    changed = trial_frame.with_columns(pl.Series(column, values, dtype=trial_frame[column].dtype))
    assert cohort_from_frame(changed, trial_cohort.schema).fingerprint != trial_cohort.fingerprint


def test_a_column_that_is_not_kept_does_not_change_the_fingerprint(
    trial_frame: pl.DataFrame, trial_cohort: Cohort
) -> None:
    other = trial_frame.with_columns(pl.lit("something else").alias("comment"))
    assert cohort_from_frame(other, trial_cohort.schema).fingerprint == trial_cohort.fingerprint


def test_entries_of_a_schema_that_say_nothing_do_not_change_the_fingerprint(
    plain_schema: dict[str, Any], trial_frame: pl.DataFrame, trial_cohort: Cohort
) -> None:
    # A schema may gain an optional entry: cohorts that do not use it keep their fingerprint.
    feature = plain_schema["features"]["history"]["age"]
    feature |= {"labels": {}, "path": [], "label": None}
    same = cohort_from_frame(trial_frame, from_plain(Schema, plain_schema))
    assert same.fingerprint == trial_cohort.fingerprint
    assert trial_cohort.fingerprint.startswith("32b5c7e70985")
    feature["path"] = ["demography"]
    other = cohort_from_frame(trial_frame, from_plain(Schema, plain_schema))
    assert other.fingerprint != trial_cohort.fingerprint


def test_treatment_codes_follow_the_order_of_the_schema(trial_cohort: Cohort) -> None:
    assert trial_cohort.treatments == ("control", "treated")
    np.testing.assert_array_equal(trial_cohort.treatment_idx, [0, 1] * 6)


def test_selecting_patients_keeps_them_in_order_of_id(trial_cohort: Cohort) -> None:
    assert trial_cohort.select(["P07", "P02"]).patients == ("P02", "P07")
    with pytest.raises(DataError, match="not in the cohort"):
        trial_cohort.select(["P99"])


def test_an_unknown_outcome_is_answered_with_the_nearest_one(trial_cohort: Cohort) -> None:
    with pytest.raises(DataError, match="did you mean 'os'"):
        trial_cohort.outcome("oss")


def test_the_overview_has_one_row_a_column_and_no_values(trial_cohort: Cohort) -> None:
    overview = trial_cohort.overview()
    assert overview.height == trial_cohort.table.width
    assert overview.row(by_predicate=pl.col("column") == "weight") == (
        "weight",
        "history",
        "continuous",
        "kg",
        1,
    )


def test_the_display_shows_counts_and_no_patient(trial_cohort: Cohort) -> None:
    shown = trial_cohort._repr_html_()
    assert "Usual care: &lt;11" in shown and "P01" not in shown and "41.5" not in shown


def test_findings_without_column_or_rows_are_described_without_them(
    trial_cohort: Cohort, trial_frame: pl.DataFrame
) -> None:
    with pytest.raises(DataError) as caught:
        cohort_from_frame(trial_frame.clear(), trial_cohort.schema)
    assert isinstance(caught.value.findings, pl.DataFrame)
    assert describe(caught.value.findings) == "  empty_table: give a table with at least one row per arm"
