"""Folds belong to patients, whatever the order of rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort, cohort_from_frame, grouped_folds, random_folds
from medresponse.core.errors import DataError
from tests.cohort.kinds import trial


def folds_by_patient(cohort: Cohort, *, seed: int = 7) -> dict[str, int]:
    return dict(zip(cohort.patients, random_folds(cohort, folds=5, seed=seed).tolist(), strict=True))


def test_folds_do_not_depend_on_the_order_of_rows(trial_frame: pl.DataFrame, trial_cohort: Cohort) -> None:
    reversed_rows = cohort_from_frame(trial_frame.reverse(), trial_cohort.schema)
    assert folds_by_patient(reversed_rows) == folds_by_patient(trial_cohort)


def test_fold_sizes_differ_by_at_most_one(trial_cohort: Cohort) -> None:
    assert sorted(np.bincount(random_folds(trial_cohort, folds=5, seed=7))) == [2, 2, 2, 3, 3]


def test_another_seed_gives_other_folds_and_the_same_seed_the_same(trial_cohort: Cohort) -> None:
    assert folds_by_patient(trial_cohort, seed=8) != folds_by_patient(trial_cohort, seed=7)
    assert folds_by_patient(trial_cohort, seed=7) == folds_by_patient(trial_cohort, seed=7)


def test_folds_look_random_with_respect_to_the_ids() -> None:
    ids = [f"{i:05d}" for i in range(1000)]
    cohort = Cohort.__new__(Cohort)
    object.__setattr__(cohort, "table", pl.DataFrame({"id": ids}))
    object.__setattr__(cohort, "schema", type("OnlyId", (), {"id": "id"})())
    fold = random_folds(cohort, folds=2, seed=1)
    # The number of changes of fold along the ids is about normal with mean 500 and standard deviation 16.
    assert 420 < np.count_nonzero(np.diff(fold)) < 580


@pytest.mark.parametrize("folds", [-1, 0, 1, 13])
def test_an_impossible_number_of_folds_is_refused(folds: int, trial_cohort: Cohort) -> None:
    with pytest.raises(DataError, match="give 2 to 12"):
        random_folds(trial_cohort, folds=folds, seed=7)


@pytest.mark.parametrize(
    ("by", "labels"),
    [("site", ["north", "south", "west"]), ("sex", ["f", "m"]), ("arm", ["control", "treated"])],
)
def test_each_group_is_left_out_once(by: str, labels: list[str], trial_cohort: Cohort) -> None:
    folds = grouped_folds(trial_cohort, by=by)
    assert [label for label, _ in folds] == labels
    np.testing.assert_array_equal(np.sum([mask for _, mask in folds], axis=0), np.ones(12))
    for label, mask in folds:
        assert trial_cohort.where(mask).table[by].unique().to_list() == [label]


@pytest.mark.parametrize("by", ["stie", "age", "patient", "status"])
def test_a_column_that_does_not_group_is_refused(by: str, trial_cohort: Cohort) -> None:
    with pytest.raises(DataError, match="no grouping column"):
        grouped_folds(trial_cohort, by=by)


@pytest.mark.parametrize(("kind", "column"), [("ordinal", "response"), ("competing_risks", "ending")])
def test_an_outcome_is_no_group(kind: str, column: str) -> None:
    with pytest.raises(DataError, match="no grouping column"):
        grouped_folds(trial(kind), by=column)


def test_groups_must_be_known_for_all_and_at_least_two(
    trial_frame: pl.DataFrame, trial_cohort: Cohort
) -> None:
    schema = trial_cohort.schema
    unknown = trial_frame.with_columns(pl.Series("sex", [None, "m"] + ["f", "m"] * 5))
    with pytest.raises(DataError, match=r"column sex: 1 patient\(s\) have no group"):
        grouped_folds(cohort_from_frame(unknown, schema), by="sex")
    one_site = trial_frame.with_columns(pl.lit("north").alias("site"))
    with pytest.raises(DataError, match="none can be left out"):
        grouped_folds(cohort_from_frame(one_site, schema), by="site")
