"""Groups of patients: who is measured, who is hidden, and which wrong model it shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from medresponse.cohort import Cohort, cohort_from_frame, grouped_folds, random_folds
from medresponse.response import respond
from medresponse.validation import HeldOut, ValidationRecord, held_out, make_record
from tests.validation.closed_form import fitted, trial


def with_clinics(sizes: dict[str, int], *, shift: float = 0.0, kind: str = "continuous") -> Cohort:
    """A trial in clinics, in the first of which everybody does better by `shift`, whatever they take."""
    base = trial(sum(sizes.values()), kind=kind)
    names = np.repeat(list(sizes), list(sizes.values()))
    first = pl.Series(names == next(iter(sizes)))
    frame = base.table.with_columns(pl.col("arm").cast(pl.String), pl.Series("clinic", names))
    if shift:
        frame = frame.with_columns(pl.col("y") + shift * first.cast(pl.Float64))
    return cohort_from_frame(frame, replace(base.schema, sites=("clinic",)))


def held(cohort: Cohort, masks: list[np.ndarray] | None = None) -> HeldOut:
    fold = random_folds(cohort, folds=5, seed=1)
    masks = [fold == k for k in range(5)] if masks is None else masks
    fits = [fitted(cohort.where(~mask)) for mask in masks]
    return held_out(respond(fitted(cohort), cohort), fits, cohort, masks, method="folds", seed=1)


def record(cohort: Cohort, masks: list[np.ndarray] | None = None) -> ValidationRecord:
    return make_record(held(cohort, masks), worthwhile=0.3)


CLINICS = {"near": 150, "far": 250, "town": 200}


def test_a_clinic_that_the_model_gets_wrong_fails_the_validation_of_all() -> None:
    clean, biased = record(with_clinics(CLINICS)), record(with_clinics(CLINICS, shift=1.0))
    assert clean.passed and not biased.passed
    wrong = {
        gate.of for gate in biased.every_gate if gate.name == "calibration_in_the_large" and not gate.passed
    }
    assert "clinic: near" in wrong
    assert any("clinic: near" in words for words in biased.failures)


def test_numbers_are_those_of_the_group_and_intervals_hold_together() -> None:
    cohort = with_clinics(CLINICS)
    found = held(cohort)
    made = make_record(found, worthwhile=0.3)
    assert found.observed is not None and [group.n for group in made.subgroups] == [250, 150, 200]
    number = sum(len(group.gates) for group in made.subgroups)
    assert number == 9  # response, benefit and coverage in each
    z = norm.ppf(1 - 0.005 / number / 2)
    own = found.predicted[np.arange(cohort.n), found.received] - found.observed.value
    near = (cohort.table["clinic"] == "near").to_numpy()
    gate = next(g for group in made.subgroups if group.level == "near" for g in group.gates)
    errors = [own[rows].std(ddof=1) / np.sqrt(150) for rows in (near, slice(None))]
    assert gate.measured == pytest.approx(own[near].mean())
    assert (gate.upper - gate.lower) / 2 == pytest.approx(z * max(errors), rel=1e-6)  # type: ignore[operator]


def test_small_groups_are_neither_measured_nor_counted_nor_can_be_reckoned() -> None:
    made = record(with_clinics({"near": 9, "far": 100, "town": 200}))
    few, withheld, shown = sorted(made.subgroups, key=lambda group: group.n or 0 if group.n else -group.few)
    assert (few.level, few.n, few.gates) == ("near", None, ()) and few.few
    assert (withheld.n, withheld.gates) == (None, ()) and not withheld.few
    assert shown.n is not None and shown.n >= 11
    assert ValidationRecord.from_json(made.to_json()) == made


def test_a_group_to_whom_nothing_happened_by_chance_is_not_failed() -> None:
    cohort = with_clinics({"near": 12, "far": 300, "town": 300}, kind="binary")
    quiet = (pl.col("clinic") == "near").cast(pl.Int64)
    frame = cohort.table.with_columns((pl.col("y") * (1 - quiet)).alias("y"), pl.col("arm").cast(pl.String))
    made = record(cohort_from_frame(frame, cohort.schema))
    gates = [gate for group in made.subgroups if group.level == "near" for gate in group.gates]
    assert gates and gates[0].measured > 0.3 and gates[0].lower < gates[0].measured - 0.3  # type: ignore[operator]


def test_a_clinic_left_out_whole_may_be_off_by_as_much_as_the_posterior_says() -> None:
    cohort = with_clinics(CLINICS)
    whole = record(cohort, [mask for _, mask in grouped_folds(cohort, by="clinic")])
    parts = record(cohort)
    for one, other in zip(whole.subgroups, parts.subgroups, strict=True):
        wide, narrow = ((g.upper - g.lower) / 2 for g in (one.gates[0], other.gates[0]))  # type: ignore[operator]
        assert 1.1 * narrow < wide < 2 * narrow
