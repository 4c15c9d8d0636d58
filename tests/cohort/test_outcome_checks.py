"""Findings on outcomes, kind by kind: code, column, count and ids; and that no patient's value is repeated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from medresponse.cohort import Cohort, Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.core.errors import DataError
from tests.cohort.kinds import KINDS, N, frame_of, plain_of, trial

IDS = [f"P{i + 1:02d}" for i in range(N)]


def everybody(value: Any, *, but: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return dict.fromkeys(IDS, value) | dict(but or {})


def instead(kind: str, column: str, old: Any, new: Any) -> dict[str, Any]:
    """New entries for the patients whose entry in the made-up trial is `old`."""
    frame = frame_of(from_plain(Schema, plain_of(kind)))
    return {id: new for id, entry in frame.select("patient", column).iter_rows() if entry == old}


class Case(NamedTuple):
    kind: str
    column: str
    cells: Mapping[str, Any]
    code: str
    n: int
    ids: list[str]


ERRORS = [
    Case("binary", "dead", {"P03": "SECRET", "P04": "98765"}, "outcome_unknown_level", 2, ["P03", "P04"]),
    Case("binary", "dead", {"P03": None, "P04": " "}, "outcome_missing", 2, ["P03", "P04"]),
    Case("binary", "dead", everybody("yes"), "one_outcome_class", N, []),
    Case("binary", "dead", everybody("no", but={"P03": None}), "outcome_missing", 1, ["P03"]),
    Case("ordinal", "response", {"P03": "SECRET"}, "outcome_unknown_level", 1, ["P03"]),
    Case("ordinal", "response", everybody("SD"), "one_outcome_class", N, []),
    Case("count", "attacks", {"P03": -98765, "P04": -1}, "negative_count", 2, ["P03", "P04"]),
    Case("count", "attacks", {"P03": 2.5}, "count_not_integer", 1, ["P03"]),
    Case("count", "attacks", {"P03": "SECRET"}, "not_numeric", 1, ["P03"]),
    Case("count", "attacks", everybody(0), "no_events", N, []),
    Case("count", "followed", {"P03": 0, "P04": 0.0}, "zero_exposure", 2, ["P03", "P04"]),
    Case("count", "followed", {"P03": -98765.0}, "negative_exposure", 1, ["P03"]),
    Case("count", "followed", {"P03": None, "P04": math.nan}, "outcome_missing", 2, ["P03", "P04"]),
    Case("time_to_event", "enrolled", {"P03": 2.0, "P04": 98765.0}, "entry_after_exit", 2, ["P03", "P04"]),
    Case("time_to_event", "enrolled", {"P03": -98765.0}, "negative_entry", 1, ["P03"]),
    Case("time_to_event", "enrolled", {"P03": None}, "outcome_missing", 1, ["P03"]),
    Case("time_to_event", "time", {"P04": 0.0}, "time_not_positive", 1, ["P04"]),
    Case("interval", "first_seen", {"P07": 0.25, "P08": 0.5}, "interval_reversed", 2, ["P07", "P08"]),
    Case("interval", "first_seen", {"P03": math.inf}, "not_numeric", 1, ["P03"]),
    Case("interval", "last_clear", {"P03": None}, "outcome_missing", 1, ["P03"]),
    Case("interval", "last_clear", {"P03": -0.5}, "time_not_positive", 1, ["P03"]),
    Case("interval", "last_clear", {"P05": 0.0}, "time_not_positive", 1, ["P05"]),  # censored at once
    Case("competing_risks", "ending", {"P03": 98765}, "outcome_unknown_level", 1, ["P03"]),
    Case("competing_risks", "ending", {"P03": None}, "outcome_missing", 1, ["P03"]),
    Case("competing_risks", "ending", everybody(0), "all_censored", N, []),
    Case("competing_risks", "ending", instead("competing_risks", "ending", 2, 1), "cause_never_observed", 0, []),
    Case("competing_risks", "time", {"P03": -98765.0}, "time_not_positive", 1, ["P03"]),
    Case("competing_risks", "enrolled", {"P03": 2.0}, "entry_after_exit", 1, ["P03"]),
    Case("continuous", "score", {"P03": "SECRET"}, "not_numeric", 1, ["P03"]),
]  # fmt: skip

TWO_DEATHS = instead("competing_risks", "ending", 2, 1) | {"P05": 2, "P06": 2}
FOUR_DEATHS_IN_A = dict.fromkeys(IDS[::2], "no") | dict.fromkeys(["P01", "P13", "P21", "P39"], "yes")

WARNINGS = [
    Case("interval", "first_seen", instead("interval", "first_seen", None, 50.0), "all_events", N, []),
    Case("count", "attacks", dict.fromkeys(IDS[::2], 0), "no_events_in_arm", 20, []),
    Case("competing_risks", "ending", TWO_DEATHS, "rare_cause", 2, []),
    Case("competing_risks", "ending", dict.fromkeys(IDS[::2], 1) | {"P01": 0}, "no_events_in_arm", 20, []),
    Case("binary", "dead", FOUR_DEATHS_IN_A, "rare_class_in_arm", 4, []),
    Case("ordinal", "response", instead("ordinal", "response", "CR", "SD"), "ordinal_level_never_observed", 0, []),
]  # fmt: skip


def rows_of(findings: object) -> list[tuple[str, str, str, int, list[str]]]:
    assert isinstance(findings, pl.DataFrame)
    return findings.select("severity", "code", "column", "n", "ids").rows()


def case_name(case: Case) -> str:
    return f"{case.kind}-{case.code}-{case.column}"


@pytest.mark.parametrize("case", ERRORS, ids=case_name)
def test_an_error_stops_with_its_code_column_count_and_ids_and_no_value(case: Case) -> None:
    schema = from_plain(Schema, plain_of(case.kind))
    frame = frame_of(schema).with_columns(pl.col(case.column).cast(pl.String))
    cells = {id: None if value is None else str(value) for id, value in case.cells.items()}
    written = [cells.get(id, cell) for id, cell in frame.select("patient", case.column).iter_rows()]
    with pytest.raises(DataError) as caught:
        cohort_from_frame(frame.with_columns(pl.Series(case.column, written, dtype=pl.String)), schema)
    errors = [row for row in rows_of(caught.value.findings) if row[0] == "error"]
    assert ("error", case.code, case.column, case.n, case.ids) in errors
    assert len({row[2] for row in errors}) == 1
    assert not [secret for secret in ("SECRET", "98765") if secret in str(caught.value)]


@pytest.mark.parametrize("case", WARNINGS, ids=case_name)
def test_a_warning_stays_on_the_cohort(case: Case) -> None:
    cohort = trial(case.kind, put={case.column: case.cells})
    assert rows_of(cohort.findings) == [("warning", case.code, case.column, case.n, case.ids)]


def test_an_outcome_of_which_no_end_was_seen_is_censored_throughout() -> None:
    with pytest.raises(DataError, match="all_censored: column first_seen"):
        trial("interval", put={"first_seen": everybody(None), "last_clear": {"P01": 0.25, "P02": 0.25}})


@pytest.mark.parametrize(
    ("last_clear", "first_seen", "entry", "fine"),
    [
        (0.0, 3.0, 0.0, True),  # left-censored
        (2.0, 3.0, 2.0, True),  # known to be free of the event at entry, and then at no other time
        (2.0, 3.0, 2.5, False),
        (
            0.0,
            3.0,
            2.0,
            False,
        ),  # enrolled without the event at 2, so that 0 cannot be the last time without it
        (2.0, 2.0, 2.0, False),
        (2.0, 2.0, 1.5, True),
        (2.0, None, 2.0, False),
        (2.0, None, 1.5, True),
    ],
)
def test_entry_must_come_before_the_end_of_follow_up_and_not_within_the_interval_of_the_event(
    last_clear: float, first_seen: float | None, entry: float, fine: bool
) -> None:
    schema = from_plain(Schema, plain_of("interval", entry="enrolled"))
    cells = {"last_clear": {"P03": last_clear}, "first_seen": {"P03": first_seen}}
    frame = frame_of(schema, cells | {"enrolled": everybody(0.0, but={"P03": entry})})
    if fine:
        assert cohort_from_frame(frame, schema).findings.is_empty()
    else:
        with pytest.raises(DataError) as caught:
            cohort_from_frame(frame, schema)
        assert rows_of(caught.value.findings) == [("error", "entry_after_exit", "enrolled", 1, ["P03"])]


def test_a_never_observed_level_is_named_with_what_it_rests_on() -> None:
    cohort = trial("ordinal", levels=["PD", "SD", "PR", "CR"])
    assert cohort.findings["code"].to_list() == ["ordinal_level_never_observed"]
    assert "level PR: its cut point rests on the prior" in cohort.findings["action"][0]


def test_rare_classes_are_counted_over_everybody_where_there_is_one_arm() -> None:
    plain = plain_of("binary")
    del plain["treatment"]
    schema = from_plain(Schema, plain)
    deaths = everybody("no", but=dict.fromkeys(["P01", "P13", "P21", "P39"], "yes"))
    findings = cohort_from_frame(frame_of(schema, {"dead": deaths}).drop("arm"), schema).findings
    assert rows_of(findings) == [("warning", "rare_class_in_arm", "dead", 4, [])]
    assert "treatment" not in findings["action"][0] and "have dead" in findings["action"][0]


def test_the_file_that_shares_a_column_between_outcomes_is_told_once() -> None:
    with pytest.raises(DataError) as caught:
        trial("time_to_event", "competing_risks", put={"enrolled": {"P03": "SECRET"}, "time": {"P05": None}})
    assert rows_of(caught.value.findings) == [
        ("error", "not_numeric", "enrolled", 1, ["P03"]),
        ("error", "outcome_missing", "time", 1, ["P05"]),
    ]


class TestSeparation:
    def separated(self, put: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, int, str]]:
        findings = trial("binary", put=put).findings.filter(pl.col("code") == "separation")
        assert findings["ids"].list.len().sum() == 0
        return findings.select("column", "n", "action").rows()

    def dead(self, where: str, values: set[Any]) -> dict[str, str]:
        frame = frame_of(from_plain(Schema, plain_of("binary")))
        return {
            id: "yes" if value in values else "no" for id, value in frame.select("patient", where).iter_rows()
        }

    def test_a_binary_feature_that_tells_the_outcome(self) -> None:
        [(column, n, action)] = self.separated({"dead": self.dead("sex", {"m"})})
        assert (column, n) == ("sex", N) and "in all patients it separates" in action and "prior" in action

    def test_a_threshold_of_a_continuous_feature(self) -> None:
        above = {value for value in range(40, 70) if value > 50}
        [(column, n, action)] = self.separated({"dead": self.dead("age", above)})
        assert (column, n) == ("age", N) and "50" not in action and "51" not in action

    def test_a_level_that_has_one_outcome_only_is_not_named(self) -> None:
        in_level = {id: "yes" for id, dead in self.dead("stage", {"II"}).items() if dead == "yes"}
        [(column, n, action)] = self.separated({"dead": in_level})
        assert (column, n) == ("stage", N) and "II" not in action

    def test_separation_in_one_arm_names_the_arm(self) -> None:
        in_arm = {id: dead for id, dead in self.dead("sex", {"m"}).items() if id in IDS[::2]}
        [(column, n, action)] = self.separated({"dead": in_arm})
        assert (column, n) == ("sex", 20) and "in treatment A it separates" in action

    @settings(max_examples=60, deadline=None)
    @given(data=st.data(), kind=st.sampled_from(["age", "stage"]))
    def test_it_is_found_where_a_linear_programme_finds_it(self, data: st.DataObject, kind: str) -> None:
        # Konis (2007), "Linear programming algorithms for detecting separated data": separated if some direction
        # in the space of coefficients never lowers, and for one patient raises, the probability of what was seen.
        sizes = data.draw(st.lists(st.integers(2, 5), min_size=3, max_size=3))
        codes = np.repeat([0, 1, 2], sizes)
        event = np.array(data.draw(st.lists(st.booleans(), min_size=len(codes), max_size=len(codes))))
        if event.all() or not event.any():
            return
        features = codes[:, None] if kind == "age" else codes[:, None] == [[1, 2]]
        design = np.column_stack([np.ones(len(codes)), features]) * np.where(event, 1.0, -1.0)[:, None]
        best = linprog(-design.sum(axis=0), A_ub=-design, b_ub=np.zeros(len(design)), bounds=(-1, 1))
        plain = plain_of("binary")
        del plain["treatment"]
        plain["features"] = {"history": {kind: plain["features"]["history"][kind]}}
        frame = pl.DataFrame(
            {
                "patient": [f"P{i:02d}" for i in range(len(codes))],
                "dead": np.where(event, "yes", "no"),
                "age": codes,
                "stage": np.array(["I", "II", "III"])[codes],
            }
        ).select("patient", "dead", kind)
        cohort = cohort_from_frame(frame, from_plain(Schema, plain))
        assert ("separation" in cohort.findings["code"]) == (-best.fun > 1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_about_information_is_asked_of_patients_to_predict_for(kind: str) -> None:
    cohort: Cohort = trial(kind)
    one = cohort_from_frame(frame_of(cohort.schema).head(1), cohort.schema, for_prediction=True)
    assert one.findings.is_empty()
