"""Outcomes: what each kind refuses in a schema, how it stands in the table, and the arrays that families read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from medresponse.cohort import (
    Binary,
    Ordinal,
    OutcomeSchema,
    Schema,
    TimeToEvent,
    cohort_from_frame,
    load_schema,
)
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import DataError, SpecError
from tests.cohort.kinds import KINDS, N, frame_of, plain_of, trial


def test_every_kind_is_under_test() -> None:
    outcomes = from_plain(Schema, plain_of(*(kind for kind in KINDS if kind != "time_to_event"))).outcomes
    assert {type(outcome) for outcome in outcomes.values()} == set(get_args(OutcomeSchema))


@pytest.mark.parametrize("kind", KINDS)
def test_an_outcome_survives_yaml_and_plain_data(kind: str, tmp_path: Path) -> None:
    plain = plain_of(kind)
    (tmp_path / "schema.yaml").write_text(yaml.safe_dump(plain))
    schema = load_schema(tmp_path / "schema.yaml")
    assert schema == from_plain(Schema, plain)
    assert from_plain(Schema, to_plain(schema)) == schema


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_without_fault_draws_no_finding(kind: str) -> None:
    assert trial(kind).findings.is_empty()


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_have_one_entry_a_patient_whatever_the_type_of_the_columns(kind: str) -> None:
    cohort = trial(kind)
    text = frame_of(cohort.schema).select(pl.all().cast(pl.String))
    again = cohort_from_frame(text, cohort.schema)
    assert again.fingerprint == cohort.fingerprint
    for name, values in cohort.outcome(kind).items():
        assert values.shape == (() if name.startswith("n_") else (N,))
        np.testing.assert_array_equal(again.outcome(kind)[name], values)


@pytest.mark.parametrize("kind", KINDS)
def test_the_outcome_may_be_absent_from_patients_to_predict_for(kind: str) -> None:
    cohort = trial(kind)
    features = frame_of(cohort.schema).select("patient", *cohort.schema.feature_columns)
    newcomers = cohort_from_frame(features, cohort.schema, for_prediction=True)
    with pytest.raises(DataError, match="no_outcome"):
        newcomers.outcome(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_an_outcome_that_some_patients_lack_is_refused_and_no_nan(kind: str) -> None:
    schema = from_plain(Schema, plain_of(kind))
    column = next(column for column, how in schema.outcomes[kind].reads.items() if not how.may_be_empty)
    frame = frame_of(schema, {column: {"P03": None, "P07": None}})
    cohort = cohort_from_frame(frame, schema, for_prediction=True)
    with pytest.raises(DataError, match=rf"outcome_missing.*2 of 40 patients.*{column}"):
        cohort.outcome(kind)


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ("binary", {"dead": pl.Boolean()}),
        ("ordinal", {"response": pl.Enum(["PD", "SD", "CR"])}),
        ("count", {"attacks": pl.Float64(), "followed": pl.Float64()}),
        ("time_to_event", {"time": pl.Float64(), "status": pl.Boolean(), "enrolled": pl.Float64()}),
        ("interval", {"last_clear": pl.Float64(), "first_seen": pl.Float64()}),
        (
            "competing_risks",
            {"time": pl.Float64(), "ending": pl.Enum(["0", "1", "2"]), "enrolled": pl.Float64()},
        ),
    ],
)
def test_columns_of_an_outcome_become_canonical(kind: str, types: dict[str, pl.DataType]) -> None:
    cohort = trial(kind)
    assert {column: cohort.table.schema[column] for column in types} == types
    roles = dict(cohort.overview().select("column", "role").iter_rows())
    assert all(roles[column] == f"outcome {kind}" for column in types)


def test_binary_is_one_with_the_event() -> None:
    value = trial("binary").outcome("binary")["value"]
    assert value.dtype == np.float64
    np.testing.assert_array_equal(value, [i // 2 % 2 for i in range(N)])
    other = trial("binary", event_value="no", other_value="yes").outcome("binary")["value"]
    np.testing.assert_array_equal(other, 1.0 - value)


def test_ordinal_codes_follow_the_levels_from_low_to_high() -> None:
    outcome = trial("ordinal").outcome("ordinal")
    assert outcome["value"].dtype == np.int64 and outcome["n_levels"] == 3
    np.testing.assert_array_equal(outcome["value"], [i // 2 % 3 for i in range(N)])
    turned = trial("ordinal", levels=["CR", "SD", "PD"]).outcome("ordinal")
    np.testing.assert_array_equal(turned["value"], 2 - outcome["value"])


def test_an_ordinal_level_that_nobody_has_still_counts() -> None:
    cohort = trial("ordinal", levels=["PD", "SD", "PR", "CR"])
    assert cohort.outcome("ordinal")["n_levels"] == 4
    assert set(cohort.outcome("ordinal")["value"]) == {0, 1, 3}


def test_counts_without_exposure_have_one_unit_each() -> None:
    np.testing.assert_array_equal(
        trial("count").outcome("count")["exposure"], [0.5 + i // 2 % 5 for i in range(N)]
    )
    cohort = trial("count", exposure=None)
    np.testing.assert_array_equal(cohort.outcome("count")["exposure"], np.ones(N))
    assert cohort.schema.outcomes["count"].time_unit == "year"
    assert trial("count", exposure=None, exposure_unit=None).schema.outcomes["count"].time_unit is None


def test_causes_are_numbered_in_the_order_of_the_schema() -> None:
    outcome = trial("competing_risks").outcome("competing_risks")
    assert outcome["cause"].dtype == np.int64 and outcome["n_causes"] == 2
    np.testing.assert_array_equal(outcome["cause"], [i // 2 % 3 - 1 for i in range(N)])
    np.testing.assert_array_equal(outcome["event"], outcome["cause"] >= 0)
    turned = trial("competing_risks", causes={"death": 2, "relapse": 1}).outcome("competing_risks")
    np.testing.assert_array_equal(turned["cause"], np.array([-1, 1, 0])[outcome["cause"] + 1])


@pytest.mark.parametrize("kind", ["time_to_event", "competing_risks"])
def test_entry_is_zero_without_its_column(kind: str) -> None:
    np.testing.assert_array_equal(trial(kind).outcome(kind)["entry"][:4], [0.5, 0.5, 0.0, 0.0])
    np.testing.assert_array_equal(trial(kind, entry=None).outcome(kind)["entry"], np.zeros(N))


def test_right_censoring_is_an_interval_without_end() -> None:
    outcome = trial("time_to_event").outcome("time_to_event")
    np.testing.assert_array_equal(outcome["lower"], outcome["time"])
    np.testing.assert_array_equal(outcome["upper"], np.where(outcome["event"], outcome["time"], np.inf))


INTERVAL = TimeToEvent(time="left", upper="right", unit="month", event_label="e", free_label="f")
TIMES = st.floats(0.0, 1e3, allow_subnormal=False)


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(TIMES, st.sampled_from(["exact", "open", "interval"]), TIMES), min_size=1))
def test_intervals_are_told_apart_by_their_end(rows: list[tuple[float, str, float]]) -> None:
    ends = {"exact": lambda t, w: t, "open": lambda t, w: None, "interval": lambda t, w: t + w + 1.0}
    right = [ends[how](start, width) for start, how, width in rows]
    table = pl.DataFrame({"left": [row[0] for row in rows], "right": pl.Series(right, dtype=pl.Float64)})
    outcome, how = INTERVAL.arrays(table), np.array([row[1] for row in rows])
    assert {name: values.dtype.kind for name, values in outcome.items()} == {
        "time": "f", "event": "b", "entry": "f", "lower": "f", "upper": "f",
    }  # fmt: skip
    np.testing.assert_array_equal(outcome["lower"], table["left"].to_numpy())
    np.testing.assert_array_equal(outcome["event"], how != "open")
    np.testing.assert_array_equal(np.isinf(outcome["upper"]), how == "open")
    np.testing.assert_array_equal(outcome["lower"] < outcome["upper"], how != "exact")
    np.testing.assert_array_equal(
        outcome["time"], np.where(how == "open", outcome["lower"], outcome["upper"])
    )


@settings(max_examples=30, deadline=None)
@given(
    levels=st.permutations(["0", "1", "2.5", "CR", "true"]), values=st.lists(st.integers(0, 4), min_size=1)
)
def test_ordinal_codes_are_positions_for_any_order_of_levels(levels: list[str], values: list[int]) -> None:
    outcome = Ordinal(column="y", levels=tuple(levels), label="Y", direction="neither")
    table = pl.DataFrame({"y": pl.Series([levels[i] for i in values], dtype=pl.Enum(list(outcome.parts)))})
    np.testing.assert_array_equal(outcome.arrays(table)["value"], values)


@pytest.mark.parametrize(
    ("kind", "sign", "time_unit", "parts"),
    [
        ("continuous", 1, None, ()),
        ("binary", -1, None, ()),
        ("ordinal", 1, None, ("PD", "SD", "CR")),
        ("count", -1, "year", ()),
        ("time_to_event", -1, "month", ()),
        ("interval", -1, "month", ()),
        ("competing_risks", -1, "month", ("relapse", "death")),
    ],
)
def test_each_kind_says_what_is_better_its_time_and_its_parts(
    kind: str, sign: int, time_unit: str | None, parts: tuple[str, ...]
) -> None:
    outcome = from_plain(Schema, plain_of(kind)).outcomes[kind]
    assert (outcome.sign, outcome.time_unit, outcome.parts) == (sign, time_unit, parts)


@pytest.mark.parametrize("kind", [kind for kind, plain in KINDS.items() if "direction" in plain])
def test_neither_direction_may_be_the_better(kind: str) -> None:
    assert from_plain(Schema, plain_of(kind, direction="neither")).outcomes[kind].sign == 0


def test_parts_have_words() -> None:
    schema = from_plain(Schema, plain_of("ordinal", "competing_risks", "binary"))
    assert schema.outcomes["ordinal"].part_label("PD") == "progression"
    assert schema.outcomes["ordinal"].part_label("CR") == "CR"
    assert schema.outcomes["competing_risks"].part_label("death") == "death without relapse"
    assert schema.outcomes["competing_risks"].part_label("relapse") == "relapse"
    assert schema.outcomes["binary"].part_label("") == "dead"


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("binary", {"other_value": "yes"}, "event_value and other_value are the same"),
        ("binary", {"event_value": True, "other_value": 1}, "event_value and other_value are the same"),
        ("binary", {"other_value": None}, "other_value: missing; every Binary needs it"),
        ("binary", {"direction": "higher_is_better"}, "direction: 'higher_is_better' is not allowed"),
        ("ordinal", {"levels": ["PD"]}, "at least two"),
        ("ordinal", {"levels": [1, 2, "1.0"]}, "stands there twice"),
        ("ordinal", {"labels": {"PR": "partial"}}, "labels: no level 'PR'"),
        ("count", {"exposure_unit": None}, "exposure_unit: missing"),
        ("count", {"exposure_unit": "kg"}, "exposure_unit 'kg' is no unit of time"),
        ("count", {"exposure": "attacks"}, "column attacks stands there twice"),
        ("time_to_event", {"event": None}, "event: missing"),
        ("time_to_event", {"upper": "first_seen"}, "event: leave it out; with upper, an empty first_seen"),
        ("time_to_event", {"entry": "time"}, "column time stands there twice"),
        ("interval", {"censored_value": 0}, "censored_value: leave it out"),
        ("interval", {"upper": None}, "event: missing; every TimeToEvent needs it unless upper"),
        ("interval", {"unit": "points"}, "no unit of time"),
        ("competing_risks", {"causes": {"relapse": 1}}, "at least two compete"),
        ("competing_risks", {"causes": {"relapse": 1, "death": 1.0}}, "causes and censored_value: .* twice"),
        ("competing_risks", {"censored_value": 2}, "causes and censored_value: .* twice"),
        ("competing_risks", {"cause_labels": {"deth": "x"}}, "no cause 'deth'; did you mean 'death'"),
        ("competing_risks", {"unit": "points"}, "no unit of time"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_path(kind: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=rf"schema\.outcomes\.{kind}.*{message}"):
        from_plain(Schema, plain_of(kind, **changes))


def test_one_column_is_read_in_one_way() -> None:
    assert set(from_plain(Schema, plain_of("time_to_event", "competing_risks")).outcomes) == {
        "time_to_event",
        "competing_risks",
    }
    with pytest.raises(SpecError, match="column ending is used in two ways"):
        from_plain(Schema, plain_of("time_to_event", "competing_risks", event="ending"))
    same = {"column": "status", "event_value": True, "other_value": False}
    assert isinstance(
        from_plain(Schema, plain_of("binary", "time_to_event", **same)).outcomes["binary"], Binary
    )


def test_an_outcome_that_does_not_say_its_kind_is_the_one_whose_entries_it_has() -> None:
    for kind in ("binary", "ordinal", "count", "time_to_event", "competing_risks"):
        declared = from_plain(Schema, plain_of(kind)).outcomes[kind]
        assert from_plain(Schema, plain_of(kind, kind=None)).outcomes[kind] == declared
