"""Every finding: its code, column, count and ids; and that no patient's value is ever repeated."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import polars as pl
import pytest

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.core.errors import DataError

SECRETS = ("SECRET", "98765", "jane@example.org", "078-05-1120", "212-555", "4915")
Change = Callable[[pl.DataFrame], pl.DataFrame]


def put(column: str, values: dict[str, Any], *, dtype: Any = None) -> Change:
    """Return a change that gives some patients other values in one column (of another type if need be)."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        old = zip(frame["patient"].to_list(), frame[column].to_list(), strict=True)
        mixed = [values.get(patient, value) for patient, value in old]
        return frame.with_columns(pl.Series(column, mixed, dtype=dtype or frame[column].dtype))

    return change


def fill(column: str, value: Any) -> Change:
    """Return a change that gives all patients the same value."""
    return lambda frame: frame.with_columns(pl.lit(value).alias(column))


def as_text(column: str, values: dict[str, str | None]) -> Change:
    """Return a change that writes a column as text, with other text for some patients."""
    return lambda frame: put(column, values)(frame.with_columns(pl.col(column).cast(pl.String)))


class Case(NamedTuple):
    change: Change
    code: str
    column: str
    n: int
    ids: list[str]


ERRORS = [
    Case(lambda f: f.drop("age"), "missing_column", "age", 0, []),
    Case(lambda f: f.drop("patient"), "missing_column", "patient", 0, []),
    Case(lambda f: f.drop("weight_unit"), "missing_column", "weight_unit", 0, []),
    Case(lambda f: f.drop("status"), "missing_column", "status", 0, []),
    Case(fill("extra", "SECRET"), "undeclared_column", "extra", 12, []),
    Case(put("patient", {"P02": "P01", "P05": "P04"}), "duplicate_id", "patient", 4, ["P01", "P04"]),
    Case(put("patient", {"P02": None, "P05": "  "}), "missing_id", "patient", 2, []),
    Case(
        put("smoking", {"P03": "SECRET", "P07": "SECRET"}), "unknown_category", "smoking", 2, ["P03", "P07"]
    ),
    Case(put("sex", {"P03": "M"}), "unknown_category", "sex", 1, ["P03"]),
    Case(put("snp", {"P03": 98765}), "unknown_category", "snp", 1, ["P03"]),
    Case(put("snp", {"P03": 0.98765}, dtype=pl.Float64), "unknown_category", "snp", 1, ["P03"]),
    Case(put("arm", {"P03": "SECRET", "P04": "SECRET2"}), "unknown_treatment", "arm", 2, ["P03", "P04"]),
    Case(put("arm", {"P03": None, "P04": ""}), "missing_treatment", "arm", 2, ["P03", "P04"]),
    Case(as_text("age", {"P03": "SECRET", "P04": "98765,5"}), "not_numeric", "age", 2, ["P03", "P04"]),
    Case(as_text("age", {"P03": "<98765"}), "not_numeric", "age", 1, ["P03"]),
    Case(put("age", {"P03": math.inf, "P04": -math.inf}), "not_numeric", "age", 2, ["P03", "P04"]),
    Case(fill("age", True), "not_numeric", "age", 12, [f"P{i:02d}" for i in range(1, 13)]),
    Case(as_text("time", {"P03": "SECRET"}), "not_numeric", "time", 1, ["P03"]),
    Case(as_text("weight_day", {"P03": "SECRET"}), "not_numeric", "weight_day", 1, ["P03"]),
    Case(put("weight_unit", {"P03": "SECRET", "P04": "g"}), "wrong_unit", "weight", 2, ["P03", "P04"]),
    Case(put("weight_unit", {"P03": None}), "wrong_unit", "weight", 1, ["P03"]),
    Case(put("age", {"P03": 98765.0, "P04": 17.9}), "impossible_range", "age", 2, ["P03", "P04"]),
    Case(put("weight_day", {"P03": 98765, "P04": 1}), "feature_after_index", "weight", 2, ["P03", "P04"]),
    Case(put("weight_day", {"P03": None}), "measured_at_missing", "weight", 1, ["P03"]),
    Case(put("time", {"P03": None, "P04": math.nan}), "outcome_missing", "time", 2, ["P03", "P04"]),
    Case(put("status", {"P03": None}), "outcome_missing", "status", 1, ["P03"]),
    Case(put("time", {"P03": 0.0, "P04": -98765.0}), "time_not_positive", "time", 2, ["P03", "P04"]),
    Case(put("status", {"P03": 98765}), "event_polarity", "status", 1, ["P03"]),
    Case(as_text("status", {"P03": "SECRET"}), "event_polarity", "status", 1, ["P03"]),
    Case(fill("status", 0), "all_censored", "status", 12, []),
    Case(fill("arm", "control"), "one_arm_only", "arm", 12, []),
    Case(put("site", {"P03": None, "P04": " "}), "missing_site", "site", 2, ["P03", "P04"]),
    Case(fill("Patient_Email", "jane@example.org"), "possible_identifier", "Patient_Email", 12, []),
    Case(fill("dateOfBirth", "SECRET"), "possible_identifier", "dateOfBirth", 12, []),
    Case(put("patient", {"P03": "jane@example.org"}), "possible_identifier", "patient", 1, []),
    Case(put("patient", {"P03": "078-05-1120"}), "possible_identifier", "patient", 1, []),
    Case(put("patient", {"P03": "(212) 212-5551"}), "possible_identifier", "patient", 1, []),
    Case(put("patient", {"P03": "+49 151 4915 00"}), "possible_identifier", "patient", 1, []),
]

WARNINGS = [
    Case(fill("status", 1), "all_events", "status", 12, []),
    Case(put("status", {f"P{i:02d}": 0 for i in range(2, 13, 2)}), "no_events_in_arm", "status", 6, []),
    Case(fill("stage", 1), "constant_column", "stage", 12, []),
    Case(fill("age", None), "all_missing_column", "age", 12, []),
    Case(put("age", {f"P{i:02d}": None for i in range(1, 8)}), "mostly_missing", "age", 7, []),
    Case(put("smoking", {"P03": None, "P07": None}), "one_patient_level", "smoking", 1, []),
]


def case_name(case: Case) -> str:
    return f"{case.code}-{case.column}"


def refusal(frame: pl.DataFrame, schema: Schema, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        cohort_from_frame(frame, schema, **options)
    return caught.value


def rows_of(findings: object) -> list[tuple[str, str, str, int, list[str]]]:
    assert isinstance(findings, pl.DataFrame)
    return findings.select("severity", "code", "column", "n", "ids").rows()


def assert_no_secret(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text]


def test_a_table_without_fault_draws_no_finding(trial_cohort: Cohort) -> None:
    assert trial_cohort.findings.is_empty()
    assert trial_cohort.n == 12


@pytest.mark.parametrize("case", ERRORS, ids=case_name)
def test_an_error_stops_with_its_own_code_column_count_and_ids(
    case: Case, trial_frame: pl.DataFrame, trial_schema: Schema
) -> None:
    error = refusal(case.change(trial_frame), trial_schema)
    errors = [row for row in rows_of(error.findings) if row[0] == "error"]
    assert errors == [("error", case.code, case.column, case.n, case.ids)]
    assert error.code == case.code
    assert f"  {case.code}: column {case.column}" in str(error)


@pytest.mark.parametrize("case", ERRORS, ids=case_name)
def test_no_patient_value_is_repeated(case: Case, trial_frame: pl.DataFrame, trial_schema: Schema) -> None:
    error = refusal(case.change(trial_frame), trial_schema)
    assert isinstance(error.findings, pl.DataFrame)
    assert_no_secret(str(error) + str(error.findings.to_dicts()))


@pytest.mark.parametrize("case", WARNINGS, ids=case_name)
def test_a_warning_stays_on_the_cohort(case: Case, trial_frame: pl.DataFrame, trial_schema: Schema) -> None:
    cohort = cohort_from_frame(case.change(trial_frame), trial_schema)
    assert rows_of(cohort.findings) == [("warning", case.code, case.column, case.n, case.ids)]
    assert cohort.n == 12


def test_every_error_is_found_before_any_is_raised(trial_frame: pl.DataFrame, trial_schema: Schema) -> None:
    frame = trial_frame
    for change in (
        put("age", {"P03": 98765.0}),
        put("sex", {"P04": "SECRET"}),
        fill("extra", 1),
        fill("stage", 1),
    ):
        frame = change(frame)
    error = refusal(frame, trial_schema, source={"file": "trial.csv"})
    assert error.code == "cohort_findings"
    assert [row[:2] for row in rows_of(error.findings)] == [
        ("error", "undeclared_column"),
        ("error", "unknown_category"),
        ("error", "impossible_range"),
        ("warning", "constant_column"),
    ]
    assert "trial.csv does not fit its schema (3 error(s))" in str(error)
    assert_no_secret(str(error))


def test_a_message_names_at_most_five_patients_and_the_table_all(
    trial_frame: pl.DataFrame, trial_schema: Schema
) -> None:
    error = refusal(fill("age", 98765.0)(trial_frame), trial_schema)
    assert "P05, ..." in str(error) and "P06" not in str(error)
    assert len(rows_of(error.findings)[0][4]) == 12


def test_a_table_without_rows_is_refused(trial_frame: pl.DataFrame, trial_schema: Schema) -> None:
    assert refusal(trial_frame.clear(), trial_schema).code == "empty_table"
    assert refusal(pl.DataFrame(), trial_schema).code == "empty_table"


def test_a_table_without_header_is_refused_without_repeating_its_first_line(trial_schema: Schema) -> None:
    error = refusal(pl.DataFrame({"SECRET": ["a"], "98765": ["b"]}), trial_schema)
    assert error.code == "no_header"
    assert_no_secret(str(error))


def test_a_missing_column_is_helped_by_the_nearest_undeclared_one(
    trial_frame: pl.DataFrame, trial_schema: Schema
) -> None:
    error = refusal(trial_frame.rename({"smoking": "smokin"}), trial_schema)
    assert "did you mean column 'smokin'?" in str(error)


def test_an_ignored_column_is_neither_checked_nor_kept(
    trial_frame: pl.DataFrame, plain_schema: dict[str, Any]
) -> None:
    plain_schema["ignore"] = ["comment", "surname"]
    frame = fill("surname", "SECRET")(trial_frame)
    cohort = cohort_from_frame(frame, from_plain(Schema, plain_schema))
    assert not {"surname", "comment", "weight_unit", "weight_day"}.intersection(cohort.table.columns)


def test_ids_that_look_like_people_are_never_listed_by_other_findings(
    trial_frame: pl.DataFrame, trial_schema: Schema
) -> None:
    frame = put("age", {"P03": 98765.0})(trial_frame)
    error = refusal(put("patient", {"P03": "jane@example.org"})(frame), trial_schema)
    assert {row[1] for row in rows_of(error.findings)} == {"possible_identifier", "impossible_range"}
    assert all(not row[4] for row in rows_of(error.findings))
    assert_no_secret(str(error))


@pytest.mark.parametrize("id", ["0042", "NSCLC-0042", "550-12", "PA135312261", "2125551234", "1.2.840.113"])
def test_a_pseudonym_is_not_taken_for_an_identifier(
    id: str, trial_frame: pl.DataFrame, trial_schema: Schema
) -> None:
    assert id in cohort_from_frame(put("patient", {"P03": id})(trial_frame), trial_schema).patients


@pytest.mark.parametrize(
    "name", ["gene_name", "smoking_street_drugs", "dobutamine", "emailed", "BRAF", "addressing"]
)
def test_a_harmless_name_is_only_undeclared(
    name: str, trial_frame: pl.DataFrame, trial_schema: Schema
) -> None:
    assert refusal(fill(name, 1)(trial_frame), trial_schema).code == "undeclared_column"


@pytest.mark.parametrize(
    "name", ["NAME", "Last Name", "MRN", "zip", "Zip_Code", "contact-phone", "birth_date", "ptDOB"]
)
def test_the_name_of_an_identifier_is_recognised(
    name: str, trial_frame: pl.DataFrame, trial_schema: Schema
) -> None:
    assert refusal(fill(name, 1)(trial_frame), trial_schema).code == "possible_identifier"


def test_a_feature_measured_after_the_index_time_is_refused_by_the_schema_alone(
    trial_frame: pl.DataFrame, plain_schema: dict[str, Any]
) -> None:
    plain_schema["features"]["history"]["age"]["measured_at"] = 30
    error = refusal(trial_frame, from_plain(Schema, plain_schema))
    assert rows_of(error.findings) == [("error", "feature_after_index", "age", 12, [])]


def test_an_arm_without_patients_is_an_error_that_names_the_level(
    trial_frame: pl.DataFrame, plain_schema: dict[str, Any]
) -> None:
    plain_schema["treatment"]["levels"]["third"] = {}
    error = refusal(trial_frame, from_plain(Schema, plain_schema))
    assert rows_of(error.findings) == [("error", "arm_without_patients", "arm", 0, [])]
    assert "treatment third" in str(error)


def test_a_single_arm_cohort_needs_no_treatment(
    trial_frame: pl.DataFrame, plain_schema: dict[str, Any]
) -> None:
    del plain_schema["treatment"]
    cohort = cohort_from_frame(trial_frame.drop("arm"), from_plain(Schema, plain_schema))
    assert cohort.treatments == () and not cohort.treatment_idx.any()


def continuous(plain: dict[str, Any]) -> Schema:
    outcome = {
        "kind": "continuous",
        "column": "dose",
        "unit": "mg/week",
        "label": "Dose",
        "direction": "neither",
    }
    return from_plain(
        Schema, plain | {"outcomes": {"dose": outcome | {"range": [0, 500]}}, "ignore": ["comment"]}
    )


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (98765.0, "outcome_range"),
        (math.nan, "outcome_missing"),
        (None, "outcome_missing"),
        (math.inf, "not_numeric"),
    ],
)
def test_a_continuous_outcome_is_checked(
    value: float | None, code: str, trial_frame: pl.DataFrame, plain_schema: dict[str, Any]
) -> None:
    frame = trial_frame.drop("status").rename({"time": "dose"})
    schema = continuous(plain_schema)
    assert cohort_from_frame(frame, schema).outcome("dose")["value"].sum() == trial_frame["time"].sum()
    error = refusal(put("dose", {"P03": value})(frame), schema)
    assert rows_of(error.findings) == [("error", code, "dose", 1, ["P03"])]
    assert_no_secret(str(error))


def test_what_to_do_about_a_missing_outcome_is_an_eligibility_rule(
    trial_frame: pl.DataFrame, trial_schema: Schema
) -> None:
    assert "eligibility rule" in str(refusal(put("time", {"P03": None})(trial_frame), trial_schema))


@pytest.mark.parametrize(
    ("declared", "written"),
    [
        ((1, 0), [1.0, 0.0]),
        ((1, 0), [True, False]),
        ((1, 0), ["1", "0"]),
        ((1, 0), [" 1.0 ", "0.0"]),
        ((True, False), [1, 0]),
        ((True, False), ["TRUE", "False"]),
        (("1", "0"), [1, 0]),
        (("dead", "alive"), ["dead", "alive"]),
        ((2, 1), [2, 1]),
    ],
)
def test_event_values_match_however_the_file_writes_them(
    declared: tuple[Any, Any], written: list[Any], trial_frame: pl.DataFrame, plain_schema: dict[str, Any]
) -> None:
    plain_schema["outcomes"]["os"] |= {"event_value": declared[0], "censored_value": declared[1]}
    status = [written[0] if value == 1 else written[1] for value in trial_frame["status"]]
    cohort = cohort_from_frame(
        trial_frame.with_columns(pl.Series("status", status)), from_plain(Schema, plain_schema)
    )
    assert cohort.outcome("os")["event"].tolist() == [value == 1 for value in trial_frame["status"]]


def test_cdisc_polarity_is_taken_as_declared_where_zero_is_the_event(
    trial_frame: pl.DataFrame, plain_schema: dict[str, Any]
) -> None:
    plain_schema["outcomes"]["os"] |= {"event": "CNSR", "event_value": 0, "censored_value": 1}
    cohort = cohort_from_frame(trial_frame.rename({"status": "CNSR"}), from_plain(Schema, plain_schema))
    assert cohort.outcome("os")["event"].tolist() == [value == 0 for value in trial_frame["status"]]
    assert cohort.findings.is_empty()


@pytest.mark.parametrize(("column", "event", "censored"), [("OS.CNSR", 1, 0), ("death", 0, 1)])
def test_polarity_against_the_name_of_the_column_draws_a_warning(
    column: str, event: int, censored: int, trial_frame: pl.DataFrame, plain_schema: dict[str, Any]
) -> None:
    plain_schema["outcomes"]["os"] |= {"event": column, "event_value": event, "censored_value": censored}
    cohort = cohort_from_frame(trial_frame.rename({"status": column}), from_plain(Schema, plain_schema))
    assert rows_of(cohort.findings) == [("warning", "event_polarity_suspect", column, 12, [])]


def test_missing_features_stay_missing_and_are_no_finding(
    trial_frame: pl.DataFrame, trial_schema: Schema
) -> None:
    frame = as_text("age", {"P01": "", "P02": " ", "P03": "NaN", "P04": None})(trial_frame)
    cohort = cohort_from_frame(put("sex", {"P05": ""})(frame), trial_schema)
    assert cohort.table["age"].null_count() == 4 and cohort.table["sex"].null_count() == 1
    assert cohort.findings.is_empty()


def test_a_missing_value_needs_neither_unit_nor_day(trial_cohort: Cohort) -> None:
    assert trial_cohort.table["weight"].null_count() == 1


def test_columns_become_canonical_whatever_their_type(
    trial_frame: pl.DataFrame, trial_cohort: Cohort
) -> None:
    text = trial_frame.select(pl.all().cast(pl.String))
    wide = trial_frame.with_columns(
        pl.col("snp", "stage").cast(pl.Float64),
        pl.col("age").cast(pl.Decimal(10, 2)),
        pl.col("sex").cast(pl.Categorical),
    )
    for frame in (text, wide):
        cohort = cohort_from_frame(frame, trial_cohort.schema)
        assert cohort.table.equals(trial_cohort.table)
        assert cohort.fingerprint == trial_cohort.fingerprint
    assert trial_cohort.table.schema == {
        "patient": pl.String, "arm": pl.Enum(["control", "treated"]), "time": pl.Float64, "status": pl.Boolean,
        "snp": pl.Enum(["0", "1", "2"]), "age": pl.Float64, "weight": pl.Float64, "sex": pl.Enum(["f", "m"]),
        "stage": pl.Enum(["1", "2", "3"]), "smoking": pl.Enum(["never", "former", "current"]), "site": pl.String,
    }  # fmt: skip


@pytest.mark.parametrize("column", ["age", "sex", "status", "patient", "time"])
def test_a_column_of_lists_is_a_finding_and_no_crash(
    column: str, trial_frame: pl.DataFrame, trial_schema: Schema
) -> None:
    error = refusal(trial_frame.with_columns(pl.lit(["SECRET"]).implode().alias(column)), trial_schema)
    assert_no_secret(str(error))


def test_numbers_that_identify_patients_lose_their_decimals(
    trial_frame: pl.DataFrame, trial_schema: Schema
) -> None:
    numbered = trial_frame.with_columns(pl.Series("patient", [float(i) for i in range(12)]))
    assert cohort_from_frame(numbered, trial_schema).patients[:3] == ("0", "1", "10")


class TestForPrediction:
    def test_treatment_and_outcome_may_be_absent(
        self, trial_frame: pl.DataFrame, trial_schema: Schema
    ) -> None:
        frame = trial_frame.drop("arm", "time", "status").head(1)
        cohort = cohort_from_frame(frame, trial_schema, for_prediction=True)
        assert cohort.n == 1 and cohort.findings.is_empty() and not cohort.has_treatment
        assert "<Cohort" in repr(cohort) and "1 patient" in cohort._repr_html_()

    def test_what_is_absent_is_refused_by_name_when_asked_for(
        self, trial_frame: pl.DataFrame, trial_schema: Schema
    ) -> None:
        cohort = cohort_from_frame(trial_frame.drop("arm", "time"), trial_schema, for_prediction=True)
        with pytest.raises(DataError, match="no_treatment"):
            _ = cohort.treatment_idx
        with pytest.raises(DataError, match="no_outcome"):
            cohort.outcome("os")

    def test_unseen_levels_are_errors(self, trial_frame: pl.DataFrame, trial_schema: Schema) -> None:
        for change, code in (
            (put("arm", {"P03": "SECRET"}), "unknown_treatment"),
            (put("sex", {"P03": "SECRET"}), "unknown_category"),
        ):
            error = refusal(change(trial_frame), trial_schema, for_prediction=True)
            assert error.code == code
            assert_no_secret(str(error))

    def test_a_missing_feature_column_is_an_error(
        self, trial_frame: pl.DataFrame, trial_schema: Schema
    ) -> None:
        assert refusal(trial_frame.drop("age"), trial_schema, for_prediction=True).code == "missing_column"

    def test_sizes_of_arms_and_information_are_not_asked_about(
        self, trial_frame: pl.DataFrame, trial_schema: Schema
    ) -> None:
        frame = fill("age", None)(fill("status", 0)(fill("arm", "control")(trial_frame)))
        assert cohort_from_frame(frame, trial_schema, for_prediction=True).findings.is_empty()

    def test_rules_on_absent_outcomes_leave_nobody_out(
        self, trial_frame: pl.DataFrame, plain_schema: dict[str, Any]
    ) -> None:
        plain_schema["eligibility"] = [{"column": "time", "reason": "no follow-up"}]
        schema = from_plain(Schema, plain_schema)
        cohort = cohort_from_frame(trial_frame.drop("time", "status"), schema, for_prediction=True)
        assert cohort.n == 12 and cohort.flow == ()


class TestEligibility:
    @pytest.fixture
    def schema(self, plain_schema: dict[str, Any]) -> Schema:
        plain_schema["eligibility"] = [
            {"column": "population", "reason": "not in the analysis set", "keep": [1]},
            {"column": "time", "reason": "no follow-up"},
            {"column": "sex", "reason": "sex not recorded", "keep": ["f", "m"]},
        ]
        return from_plain(Schema, plain_schema)

    @pytest.fixture
    def frame(self, trial_frame: pl.DataFrame) -> pl.DataFrame:
        frame = trial_frame.with_columns(pl.Series("population", ["1.0"] * 9 + ["0", None, "SECRET"]))
        frame = put("time", {"P02": None, "P03": math.nan, "P12": None})(frame)
        return put("sex", {"P03": "unknown", "P04": "unknown", "P05": None})(frame)

    def test_each_row_is_left_out_by_the_first_rule_it_fails(
        self, frame: pl.DataFrame, schema: Schema
    ) -> None:
        cohort = cohort_from_frame(frame, schema)
        assert [(e.reason, e.n, e.ids) for e in cohort.flow] == [
            ("not in the analysis set", 3, ("P10", "P11", "P12")),
            ("no follow-up", 2, ("P02", "P03")),
            ("sex not recorded", 2, ("P04", "P05")),
        ]
        assert cohort.patients == ("P01", "P06", "P07", "P08", "P09")
        assert frame.height == cohort.n + sum(e.n for e in cohort.flow)
        assert "population" not in cohort.table.columns

    def test_values_of_those_left_out_are_not_checked(self, frame: pl.DataFrame, schema: Schema) -> None:
        assert cohort_from_frame(put("age", {"P12": 98765.0})(frame), schema).n == 5

    def test_a_rule_on_an_absent_column_is_an_error(self, trial_frame: pl.DataFrame, schema: Schema) -> None:
        error = refusal(trial_frame, schema)
        assert rows_of(error.findings) == [("error", "missing_column", "population", 0, [])]

    def test_rules_that_leave_nobody_are_an_error_with_their_counts(
        self, frame: pl.DataFrame, schema: Schema
    ) -> None:
        error = refusal(frame.with_columns(pl.lit(0).alias("population")), schema)
        assert error.code == "nobody_eligible"
        assert "not in the analysis set: 12" in str(error)
