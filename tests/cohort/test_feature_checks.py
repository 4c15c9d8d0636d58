"""Findings on what features can tell (dependence, arms, width) and on their standard errors of measurement."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.core.errors import DataError

Rows = list[tuple[str, str, str, int, list[str]]]


def schema_of(features: dict[str, Any], *, arms: bool = False) -> Schema:
    treatment = {
        "column": "arm", "reference": "A", "assignment": "randomised", "levels": {"A": {}, "B": {}},
    }  # fmt: skip
    outcome = {"kind": "continuous", "column": "y", "unit": "kg", "label": "Y", "direction": "neither"}
    plain = {
        "name": "n", "source": "s", "id": "patient", "outcomes": {"y": outcome}, "features": {"history": features},
        "treatment": treatment if arms else None,
    }  # fmt: skip
    return from_plain(Schema, plain)


def cohort_of(
    columns: dict[str, Any], features: dict[str, Any] | None = None, *, arms: bool = False
) -> Cohort:
    """A cohort with these columns, continuous features unless declared otherwise; every second patient in arm B."""
    declared = {name: {"type": "continuous", "unit": "kg"} for name in columns} | (features or {})
    declared = {name: feature for name, feature in declared.items() if feature is not None}
    n = len(next(iter(columns.values())))
    own = {"patient": [f"P{i:03d}" for i in range(n)], "y": [float(i % 7) for i in range(n)]}
    own |= {"arm": [("A", "B")[i % 2] for i in range(n)]} if arms else {}
    return cohort_from_frame(pl.DataFrame(own | columns), schema_of(declared, arms=arms))


def rows_of(findings: object) -> Rows:
    assert isinstance(findings, pl.DataFrame)
    return findings.select("severity", "code", "column", "n", "ids").rows()


def independent(n: int, *, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=n) for name in ("a", "b", "c", "d")}


class TestCollinear:
    def test_a_sum_score_is_named_with_its_items(self) -> None:
        x = independent(30)
        cohort = cohort_of(x | {"total": 3.0 * x["a"] - x["c"] + 100.0})
        assert rows_of(cohort.findings) == [("warning", "collinear_columns", "a", 30, [])]
        assert "columns of a, c, total are" in cohort.findings["action"][0]

    @pytest.mark.parametrize("noise", [1e-6, 1e-2])
    def test_a_nearly_dependent_feature_is_not_exactly_so(self, noise: float) -> None:
        x = independent(30)
        assert cohort_of(x | {"e": x["a"] + noise * x["b"] ** 2}).findings.is_empty()

    def test_features_are_looked_at_on_the_scale_on_which_they_enter_the_model(self) -> None:
        x = np.exp(independent(30)["a"])
        log = {"type": "continuous", "unit": "kg", "transform": "log"}
        assert cohort_of({"x": x, "square": x**2}).findings.is_empty()
        both = cohort_of({"x": x, "square": x**2}, {"x": log, "square": log})
        assert both.findings["code"].to_list() == ["collinear_columns"]

    def test_two_sets_are_two_findings(self) -> None:
        x = independent(30)
        cohort = cohort_of(x | {"a2": 2 * x["a"], "d2": 1 - x["d"]})
        assert rows_of(cohort.findings) == [
            ("warning", "collinear_columns", "a", 30, []),
            ("warning", "collinear_columns", "d", 30, []),
        ]

    def test_levels_and_their_codes_are_dependent(self) -> None:
        level = [i % 3 for i in range(30)]
        stage = {"type": "categorical", "levels": ["I", "II", "III"]}
        columns = {"stage": [("I", "II", "III")[code] for code in level], "code": level}
        cohort = cohort_of(columns, {"stage": stage, "code": {"type": "ordinal", "levels": [0, 1, 2]}})
        assert "columns of stage, code are" in cohort.findings["action"][0]

    def test_dependence_is_seen_through_values_missing_in_different_patients(self) -> None:
        x = independent(30)
        a2 = [None if i in (3, 4) else value for i, value in enumerate(2 * x["a"])]
        cohort = cohort_of(x | {"a2": a2})
        assert "columns of a, a2 are" in cohort.findings["action"][0]

    def test_too_few_rows_that_know_all_features_do_not_hide_a_copy(self) -> None:
        x = {name: list(values) for name, values in independent(30).items()}
        for j, values in enumerate(x.values()):
            values[7 * j : 7 * (j + 1)] = [None] * 7
        cohort = cohort_of(x | {"a2": list(x["a"])})
        assert "columns of a, a2 are" in cohort.findings["action"][0]

    def test_features_that_agree_only_where_others_are_known_are_independent(self) -> None:
        x = independent(40)
        flag = {"type": "binary", "levels": [0, 1]}
        p, q = [i % 2 for i in range(40)], [i % 2 if i < 20 else i // 2 % 2 for i in range(40)]
        tested = [value if i < 20 else None for i, value in enumerate(x["b"])]
        assert cohort_of(
            {"a": x["a"], "p": p, "q": q, "tested": tested}, {"p": flag, "q": flag}
        ).findings.is_empty()

    @settings(max_examples=15, deadline=None)
    @given(
        weights=st.lists(st.integers(-3, 3), min_size=6, max_size=6).filter(any),
        seed=st.integers(0, 1000),
        place=st.integers(0, 6),
    )
    def test_exactly_the_features_that_take_part_are_named(
        self, weights: list[int], seed: int, place: int
    ) -> None:
        x = np.random.default_rng(seed).normal(size=(25, 6))
        columns = {f"x{j}": x[:, j] for j in range(6)}
        items = list(columns.items())
        items.insert(place, ("sum", x @ np.array(weights)))
        cohort = cohort_of(dict(items))
        part = {f"x{j}" for j, weight in enumerate(weights) if weight} | {"sum"}
        named = ", ".join(name for name, _ in items if name in part)
        assert [f"columns of {named} are" in action for action in cohort.findings["action"]] == [True]


class TestWide:
    def test_more_features_than_patients_is_said_once_and_nothing_is_searched(self) -> None:
        x = np.random.default_rng(1).normal(size=(20, 12))
        wide = {f"x{j}": x[:, j % 12] for j in range(24)}
        cohort = cohort_of(wide)
        assert rows_of(cohort.findings) == [("warning", "more_features_than_patients", "", 20, [])]
        assert "shrinkage prior" in cohort.findings["action"][0]

    @pytest.mark.parametrize(("n", "codes"), [(20, []), (19, ["more_features_than_patients"])])
    def test_levels_count_as_columns(self, n: int, codes: list[str]) -> None:
        x = np.random.default_rng(1).normal(size=(n, 17))
        stage = {"type": "categorical", "levels": ["I", "II", "III"]}
        columns = {f"x{j}": x[:, j] for j in range(17)} | {
            "stage": [("I", "II", "III")[i * i % 3] for i in range(n)]
        }
        columns["stage"][2:5] = ["III"] * 3
        assert cohort_of(columns, {"stage": stage}).findings["code"].to_list() == codes


class TestArms:
    def test_a_feature_constant_in_one_arm_names_the_arm(self) -> None:
        x = independent(30)
        x["a"][::2] = 5.0
        cohort = cohort_of(x, arms=True)
        assert rows_of(cohort.findings) == [("warning", "constant_within_arm", "a", 15, [])]
        action = cohort.findings["action"][0]
        assert "treatment A have" in action and "prior" in action and "5" not in action

    def test_a_feature_unknown_in_one_arm_is_one(self) -> None:
        x: dict[str, Any] = independent(30)
        x["a"] = [None if i % 2 else value for i, value in enumerate(x["a"])]
        assert rows_of(cohort_of(x, arms=True).findings) == [("warning", "constant_within_arm", "a", 15, [])]

    def test_a_feature_that_is_the_treatment_counts_both_arms(self) -> None:
        x = independent(30) | {"a": np.arange(30) % 2.0}
        cohort = cohort_of(x, arms=True)
        assert rows_of(cohort.findings) == [("warning", "constant_within_arm", "a", 30, [])]
        assert "treatment A, B have" in cohort.findings["action"][0]

    def test_a_feature_constant_everywhere_is_reported_as_that(self) -> None:
        cohort = cohort_of(independent(30) | {"a": [5.0] * 30}, arms=True)
        assert cohort.findings["code"].to_list() == ["constant_column"]


SCAN = {"type": "continuous", "unit": "mm3", "error": "scan_se"}


class TestStandardErrors:
    def trial(self, se: list[Any], scan: list[Any] | None = None) -> Cohort:
        scan = [float(i * i % 11) for i in range(len(se))] if scan is None else scan
        return cohort_of({"scan": scan, "scan_se": se}, {"scan": SCAN, "scan_se": None})

    def test_the_column_is_kept_as_numbers_and_is_no_feature(self) -> None:
        cohort = self.trial(["0.5"] * 8)
        assert cohort.findings.is_empty()
        assert cohort.table["scan_se"].dtype == pl.Float64 and cohort.table["scan_se"].to_list() == [0.5] * 8
        assert list(cohort.schema.feature_columns) == ["scan"]
        assert cohort.overview().filter(pl.col("column") == "scan_se")["role"].to_list() == ["standard error"]

    @pytest.mark.parametrize(
        ("entry", "code", "column"),
        [
            (None, "error_missing", "scan"),
            (math.nan, "error_missing", "scan"),
            (0.0, "error_not_positive", "scan"),
            (-98765.0, "error_not_positive", "scan"),
            (math.inf, "not_numeric", "scan_se"),
        ],
    )
    def test_a_value_needs_a_standard_error(self, entry: float | None, code: str, column: str) -> None:
        with pytest.raises(DataError) as caught:
            self.trial([0.5, 0.5, entry, 0.5, 0.5, 0.5])
        assert rows_of(caught.value.findings) == [("error", code, column, 1, ["P002"])]
        assert "98765" not in str(caught.value)

    def test_a_missing_value_needs_none(self) -> None:
        cohort = self.trial([0.5, None, 0.0, 0.5, 0.5, 0.5], [1.0, None, None, 4.0, 2.0, 3.0])
        assert cohort.findings.is_empty()

    def test_its_column_must_be_in_the_table_for_prediction_too(self) -> None:
        schema = schema_of({"scan": SCAN})
        newcomer = pl.DataFrame({"patient": ["N1"], "scan": [3.0]})
        with pytest.raises(DataError, match="missing_column: column scan_se"):
            cohort_from_frame(newcomer, schema, for_prediction=True)
        known = cohort_from_frame(newcomer.with_columns(scan_se=pl.lit(0.5)), schema, for_prediction=True)
        assert known.table["scan_se"].to_list() == [0.5]

    def test_one_number_for_all_needs_no_column(self) -> None:
        cohort = cohort_of(
            {"scan": independent(8)["a"]}, {"scan": {"type": "continuous", "unit": "mm3", "error": 2}}
        )
        assert cohort.schema.feature_columns["scan"].error == 2.0 and "scan_se" not in cohort.table.columns
