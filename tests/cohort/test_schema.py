"""The schema: what it refuses, and that its words match the data however they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medresponse.cohort import Feature, Level, Schema, Treatment, load_schema
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import MedresponseError, SchemaError, SpecError


def test_a_schema_survives_the_round_trip_through_plain_data(trial_schema: Schema) -> None:
    assert from_plain(Schema, to_plain(trial_schema)) == trial_schema


@pytest.mark.parametrize("key", ["event_value", "censored_value"])
def test_polarity_has_no_default(key: str, plain_schema: dict[str, Any]) -> None:
    del plain_schema["outcomes"]["os"][key]
    with pytest.raises(SpecError, match=rf"schema\.outcomes\.os\.{key}: missing; every TimeToEvent needs it"):
        from_plain(Schema, plain_schema)


@pytest.mark.parametrize(("event", "censored"), [(1, 1), (1, "1"), (True, 1), ("dead", " dead")])
def test_polarity_needs_two_different_values(event: Any, censored: Any, plain_schema: dict[str, Any]) -> None:
    plain_schema["outcomes"]["os"] |= {"event_value": event, "censored_value": censored}
    with pytest.raises(SpecError, match="event_value and censored_value are the same"):
        from_plain(Schema, plain_schema)


def test_level_names_have_one_spelling() -> None:
    assert Feature(type="ordinal", levels=(1, 2.0, "3.0")).level_names == ("1", "2", "3")
    assert Feature(type="binary", levels=(False, True)).level_names == ("false", "true")
    assert Feature(type="dosage").level_names == ("0", "1", "2")
    assert Feature(type="binary", levels=("0.0", 1), labels={"0.0": "no"}).labels == {"0": "no"}


def test_treatment_levels_have_one_spelling() -> None:
    levels = {"0.0": Level(), "1": Level()}
    treatment = Treatment(column="arm", levels=levels, reference="0", assignment="randomised")
    assert list(treatment.levels) == ["0", "1"]


def test_unquoted_numbers_as_treatment_levels_are_understood(plain_schema: dict[str, Any]) -> None:
    plain_schema["treatment"] |= {"levels": {0: {}, 1: {}}, "reference": "0"}
    schema = from_plain(Schema, plain_schema)
    assert schema.treatment is not None and list(schema.treatment.levels) == ["0", "1"]


def test_an_unquoted_reference_is_answered_with_how_to_write_it(plain_schema: dict[str, Any]) -> None:
    plain_schema["treatment"] |= {"levels": {0: {}, 1: {}}, "reference": 0}
    with pytest.raises(
        SpecError, match=r"schema\.treatment\.reference: expected str, found int; put it in quotes"
    ):
        from_plain(Schema, plain_schema)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("features.history.age.unit", None, "a continuous feature needs a unit"),
        ("features.history.age.unit", "kgs", r"schema\.features\.history\.age\.unit: unknown unit 'kgs'; did you mean 'kg'"),
        ("features.history.age.range", [10, 1], r"range must be \[low, high\]"),
        ("features.history.age.range", [1], r"range: has 1 entries, needs 2"),
        ("features.history.age.type", "continous", "did you mean 'continuous'"),
        ("features.history.sex.levels", ["f"], "exactly two levels"),
        ("features.history.stage.levels", [1, 2, "1.0"], "stands there twice"),
        ("features.bloodwork", {}, "features.bloodwork: no such block"),
        ("features.lifestyle.age", {"type": "dosage"}, "age in more than one block"),
        ("treatment.reference", "placebo", "reference 'placebo' is none of the levels control, treated"),
        ("treatment.levels", {"control": {}}, "at least two levels"),
        ("treatment.levels", {"1": {}, "1.0": {}}, "stands there twice"),
        ("treatment.levels.treated", {"dosis": 3}, "did you mean 'dose'"),
        ("treatment.column", "age", "column age is both the treatment and a feature"),
        ("sites", ["age"], "column age is both a feature and a site"),
        ("ignore", ["time"], "column time is both an outcome and a column to ignore"),
        ("id", "status", "column status is both the id and an outcome"),
        ("groups", ["ancestry"], "groups: ancestry is neither a feature nor a site column"),
        ("outcomes", {}, "outcomes: none declared"),
        ("outcomes.os.unit", "kg", "no unit of time"),
        ("outcomes.os.event_val", 1, "did you mean 'event_value'"),
        ("outcomes.os.kind", "time_to_evnt", "did you mean 'time_to_event'"),
        ("patient_id", "x", r"schema\.patient_id: unknown entry"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_refused_by_its_path(
    path: str, value: Any, message: str, plain_schema: dict[str, Any]
) -> None:
    *parents, last = path.split(".")
    node = plain_schema
    for parent in parents:
        node = node[parent]
    node[last] = value
    with pytest.raises(MedresponseError, match=message):
        from_plain(Schema, plain_schema)


def test_one_event_column_cannot_have_two_polarities(plain_schema: dict[str, Any]) -> None:
    os = plain_schema["outcomes"]["os"]
    plain_schema["outcomes"]["pfs"] = os | {"event_value": 0, "censored_value": 1}
    with pytest.raises(SpecError, match="column status is used in two ways"):
        from_plain(Schema, plain_schema)
    plain_schema["outcomes"]["pfs"] = os | {"event": "progressed"}
    assert set(from_plain(Schema, plain_schema).outcomes) == {"os", "pfs"}


def test_an_error_in_a_continuous_outcome_speaks_of_that_kind(plain_schema: dict[str, Any]) -> None:
    outcome = {"column": "dose", "unit": "mg/week", "label": "Dose"}
    for extra in ({}, {"kind": "continuous"}):
        plain_schema["outcomes"] = {"dose": outcome | extra}
        with pytest.raises(SpecError, match=r"schema\.outcomes\.dose\.direction: missing; every Continuous"):
            from_plain(Schema, plain_schema)


def test_a_schema_file_reads_words_as_words(tmp_path: Path) -> None:
    file = tmp_path / "schema.yaml"
    file.write_text(
        """
        {name: n, source: s, id: patient, features: {history: {ulcer: {type: binary, levels: [No, yes]}}},
         outcomes: {d: {column: d, unit: kg, label: D, direction: neither}}, synthetic: true}
        """
    )
    schema = load_schema(file)
    assert schema.feature_columns["ulcer"].level_names == ("No", "yes")
    assert schema.synthetic is True


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("a: [1", "file_not_as_named", "not readable as YAML"),
        (
            "features:\n  history: {age: 1}\n  history: {sex: 1}",
            "file_not_as_named",
            "history is written twice",
        ),
        ("", "spec", "expected a mapping"),
        ("- 1", "spec", "expected a mapping, found list"),
    ],
)
def test_a_broken_schema_file_is_refused(text: str, code: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "schema.yaml"
    file.write_text(text)
    with pytest.raises(MedresponseError, match=message) as caught:
        load_schema(file)
    assert caught.value.code == code


def test_a_missing_or_binary_schema_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no_such_file"):
        load_schema(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SchemaError, match="file_not_as_named"):
        load_schema(tmp_path / "binary.yaml")
