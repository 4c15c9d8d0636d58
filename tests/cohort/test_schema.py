"""The schema: what it refuses, and that its words match the data however they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medresponse.cohort import Feature, Level, Schema, Treatment, load_schema
from medresponse.cohort.groups import check_groups
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import MedresponseError, SchemaError, SpecError


def test_a_schema_survives_the_round_trip_through_plain_data(trial_schema: Schema) -> None:
    assert from_plain(Schema, to_plain(trial_schema)) == trial_schema


@pytest.mark.parametrize("key", ["event_value", "censored_value"])
def test_polarity_has_no_default(key: str, plain_schema: dict[str, Any]) -> None:
    del plain_schema["outcomes"]["os"][key]
    with pytest.raises(SpecError, match=rf"schema\.outcomes\.os: {key}: missing; every TimeToEvent needs it"):
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
        ("features.history.*", {"type": "dosage"}, r"column \*: tables read this name as a pattern.*another name"),
        ("features.history.^s[nm]p$", {"type": "dosage"}, r"column \^s\[nm\]p\$: tables read this name as a pattern"),
        ("sites", ["*"], r"column \*: tables read"),
        ("features.history.age.error", "*", r"column \*: tables read"),
        ("features.history.age.measured_at", "^day$", r"column \^day\$: tables read"),
        ("id", "status", "column status is both the id and an outcome"),
        ("groups", ["ancestry"], "groups: ancestry is neither a feature nor a site column"),
        ("outcomes", {}, "outcomes: none declared"),
        ("outcomes.os.unit", "kg", "no unit of time"),
        ("outcomes.os.event_val", 1, "did you mean 'event_value'"),
        ("outcomes.os.kind", "time_to_evnt", "did you mean 'time_to_event'"),
        ("patient_id", "x", r"schema\.patient_id: unknown entry"),
        ("features.history.age.error", 0, "a standard error is greater than 0"),
        ("features.history.age.error", -1.5, "a standard error is greater than 0"),
        ("features.history.age.error", float("inf"), "a standard error is greater than 0"),
        ("features.history.age.error", float("nan"), "a standard error is greater than 0"),
        ("features.history.age.error", " ", "name the column"),
        ("features.history.age.error", True, "expected float or str, found bool"),
        ("features.history.sex.error", 1.0, "only a continuous feature has a standard error"),
        ("features.history.age.error", "weight", "column weight is both a feature and a standard error"),
        ("features.history.age.error", "arm", "column arm is both the treatment and a standard error"),
        ("features.history.age.error", "time", "column time is both an outcome and a standard error"),
        ("features.history.age.error", "site", "column site is both a site and a standard error"),
        ("features.history.age.error", "comment", "column comment is both a column to ignore and a standard error"),
        ("features.history.age.error", "weight_day", "both a standard error and a unit or day of measurement"),
        ("features.genomic.snp.path", ["TP53", ""], "path: a group has no name"),
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


def paths(plain_schema: dict[str, Any], **path_of: list[str]) -> dict[str, Any]:
    plain_schema["features"]["genomic"] = {
        name: {"type": "dosage", "path": path} for name, path in path_of.items()
    }
    return plain_schema


@pytest.mark.parametrize(
    ("path_of", "message"),
    [
        (
            {"v1": ["TP53", "cell cycle"], "v2": ["cell cycle", "growth"]},
            "v2.path: cell cycle is a group at depth 2 and at depth 1",
        ),
        ({"v1": ["TP53", "TP53"]}, "v1.path: TP53 is a group at depth 1 and at depth 2"),
        (
            {"v1": ["TP53", "cell cycle"], "v2": ["TP53", "apoptosis"]},
            "v2.path: TP53 lies within apoptosis here and within cell cycle elsewhere",
        ),
        (
            {"v1": ["TP53", "cell cycle"], "v2": ["TP53"]},
            "v2.path: TP53 lies within no coarser group here and within cell cycle elsewhere",
        ),
        (
            {"v1": ["TP53", "cell cycle", "cancer"], "v2": ["RB1", "cell cycle", "growth"]},
            "v2.path: cell cycle lies within growth here and within cancer elsewhere",
        ),
    ],
)
def test_overlapping_groups_are_refused_by_name(
    path_of: dict[str, list[str]], message: str, plain_schema: dict[str, Any]
) -> None:
    with pytest.raises(SchemaError, match=rf"schema\.features\.genomic\.{message}") as caught:
        from_plain(Schema, paths(plain_schema, **path_of))
    assert caught.value.code == "overlapping_groups"


def test_nested_groups_are_kept_from_fine_to_coarse(plain_schema: dict[str, Any]) -> None:
    path_of = {
        "v1": ["TP53", "cell cycle"],
        "v2": ["TP53", "cell cycle"],
        "v3": ["RB1", "cell cycle"],
        "v4": ["X"],
    }
    schema = from_plain(Schema, paths(plain_schema, **path_of) | {"groups": []})
    assert schema.feature_columns["v3"].path == ("RB1", "cell cycle")
    assert schema.feature_columns["sex"].path == ()
    assert from_plain(Schema, to_plain(schema)) == schema


@settings(max_examples=50, deadline=None)
@given(
    genes=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    pathway_of=st.lists(st.integers(0, 2), min_size=6, max_size=6),
)
def test_groups_overlap_only_if_a_gene_has_two_pathways(genes: list[int], pathway_of: list[int]) -> None:
    nested = {f"v{i}": feature_of(f"gene {g}", f"pathway {pathway_of[g]}") for i, g in enumerate(genes)}
    check_groups({"genomic": nested})
    with pytest.raises(SchemaError, match="overlapping_groups"):
        check_groups({"genomic": nested, "imaging": {"w": feature_of(f"gene {genes[0]}", "pathway 3")}})


def feature_of(*path: str) -> Feature:
    return Feature(type="dosage", path=path)


def test_a_standard_error_may_be_a_number_or_the_name_of_a_column(plain_schema: dict[str, Any]) -> None:
    history = plain_schema["features"]["history"]
    history["age"]["error"], history["weight"]["error"] = 1, "weight_se"
    schema = from_plain(Schema, plain_schema)
    assert (schema.feature_columns["age"].error, schema.feature_columns["age"].error_column) == (1.0, None)
    assert schema.feature_columns["weight"].error_column == "weight_se"
    assert from_plain(Schema, to_plain(schema)) == schema


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
