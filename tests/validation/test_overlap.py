"""Overlap of treatment groups on made-up cohorts whose assignment is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from medresponse.core.errors import DataError, SpecError
from medresponse.model import ModelSpec
from medresponse.response.columns import main_columns
from medresponse.validation import overlap
from tests.hand_made import hand_made_fit, trial_of
from tests.validation.observational import fit_of, smokers


def test_a_treatment_given_by_lot_overlaps_well() -> None:
    cohort = smokers()
    found = overlap(fit_of(cohort), cohort)
    assert found.verdict == "good" and len(found.reasons) == 3
    assert found.arms["effective_share"].min() > 0.95
    assert found.arms["below"].sum() == found.arms["above"].sum() == 0.0
    assert found.propensity["median"].to_numpy() == pytest.approx(0.5, abs=0.05)


def test_a_treatment_that_hangs_on_age_does_not_and_says_why() -> None:
    cohort = smokers(by_age=4.0)
    found = overlap(fit_of(cohort), cohort)
    assert found.verdict == "poor"
    assert "lies outside 0.05 to 0.95" in found.reasons[0] and found.reasons[0].startswith("for ")
    age = found.balance.filter(column="age").row(0, named=True)
    assert age["treatment"] == "quit" and age["against"] == "stay" and age["before"] > 1.0


def test_weights_balance_what_the_score_is_made_of() -> None:
    cohort = smokers(2000, by_age=0.7)
    found = overlap(fit_of(cohort), cohort)
    age = found.balance.filter(column="age").row(0, named=True)
    assert age["before"] > 0.5 and abs(age["after"]) < 0.05
    assert found.verdict in ("good", "limited")


def test_numbers_are_those_of_the_textbook_formulas() -> None:
    cohort = smokers(by_age=0.7)
    fit = fit_of(cohort, score=True)
    found, columns, received = overlap(fit, cohort), main_columns(fit, cohort), cohort.treatment_idx
    assert found.score == "propensity score of the fit"
    p = fit.encoding.propensity.probabilities(columns)
    for k, row in enumerate(found.arms.iter_rows(named=True)):
        weights = 1 / p[received == k, k]
        assert row["n"] == len(weights)
        assert row["effective_n"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
        assert row["below"] == (p[:, k] < 0.05).mean() and row["above"] == (p[:, k] > 0.95).mean()
    j = fit.encoding.main_labels.index("age")
    one, zero = columns[received == 1, j], columns[received == 0, j]
    scale = np.sqrt((one.var() + zero.var()) / 2)
    weighted = np.average(one, weights=1 / p[received == 1, 1]) - np.average(
        zero, weights=1 / p[received == 0, 0]
    )
    age = found.balance.filter(column="age").row(0, named=True)
    assert age["before"] == pytest.approx((one.mean() - zero.mean()) / scale)
    assert age["after"] == pytest.approx(weighted / scale)
    quantiles = found.propensity.filter(treatment="quit", received="stay").row(0)[2:]
    assert quantiles == pytest.approx(tuple(np.quantile(p[received == 0, 1], [0.05, 0.25, 0.5, 0.75, 0.95])))


def test_a_score_made_here_is_close_to_the_fits_own() -> None:
    cohort = smokers(by_age=0.7)
    own, made = overlap(fit_of(cohort, score=True), cohort), overlap(fit_of(cohort), cohort)
    assert made.score == "propensity score made for this table"
    np.testing.assert_allclose(made.propensity["median"], own.propensity["median"], atol=1e-6)


def test_several_treatments_are_compared_pair_by_pair() -> None:
    cohort = smokers(by_age=0.7, arms=("none", "patch", "gum"))
    found = overlap(fit_of(cohort), cohort)
    pairs = found.balance.select("treatment", "against").unique(maintain_order=True).rows()
    assert pairs == [("patch", "none"), ("gum", "none"), ("gum", "patch")]
    assert found.propensity.height == 9 and found.arms["treatment"].to_list() == ["none", "patch", "gum"]
    assert found._repr_html_().count("probability of") >= 1


def test_missing_features_are_completed_and_change_little() -> None:
    whole, gaps = smokers(by_age=0.7), smokers(by_age=0.7, missing=60)
    fit = fit_of(whole)
    columns = main_columns(fit, gaps)
    assert np.isfinite(columns).all()
    np.testing.assert_array_equal(columns[60:], main_columns(fit, whole)[60:])
    medians = [overlap(fit, cohort).propensity["median"].to_numpy() for cohort in (whole, gaps)]
    np.testing.assert_allclose(*medians, atol=0.05)


def test_no_patient_and_no_quantile_of_a_handful_is_shown() -> None:
    cohort = smokers(60, by_age=2.0)
    keep = np.flatnonzero((cohort.treatment_idx == 0) | (np.cumsum(cohort.treatment_idx == 1) <= 6))
    few = cohort.select([cohort.patients[i] for i in keep])
    found = overlap(fit_of(few), few)
    small = found.propensity.filter(received="quit")
    assert small.select("q05", "median", "q95").null_count().row(0) == (2, 2, 2)
    for text in (repr(found), found._repr_html_()):
        assert not any(patient in text for patient in few.patients)


def test_labels_of_the_schema_cannot_break_the_display() -> None:
    cohort = smokers(arms=("a", "<b>"))
    assert "<b> label" not in overlap(fit_of(cohort), cohort)._repr_html_()


def test_what_has_no_overlap_to_speak_of_is_refused() -> None:
    cohort = smokers()
    fit = fit_of(cohort)
    with pytest.raises(DataError, match="nobody received quit"):
        overlap(fit, cohort.where(cohort.treatment_idx == 0))
    single = trial_of(20, arms=("A",))
    family = fit.spec.family
    bare = ModelSpec(family=family, blocks={})
    alone = hand_made_fit(bare, single, outcome="score", coefficients={}, intercept=1.0, sigma=1.0)
    with pytest.raises(SpecError, match="single-arm"):
        overlap(alone, single)
    two = trial_of(20)
    empty = hand_made_fit(bare, two, outcome="score", coefficients={}, intercept=1.0, sigma=1.0)
    with pytest.raises(SpecError, match="no features"):
        overlap(empty, two)


def test_a_small_group_is_neither_counted_nor_described() -> None:
    cohort = smokers()
    found = overlap(fit_of(cohort), cohort)
    arms = pl.DataFrame(
        {"treatment": ["0", "1"], "n": [190, 8], "below": [0.02, 0.4], "above": [0.0, 0.5], "effective_n": [150.0, 3.0],
         "effective_share": [0.8, 0.4]}
    )  # fmt: skip
    shown = replace(found, arms=arms).table()
    assert shown["n"].to_list() == ["withheld", "<11"]
    # 4 of 198 patients lie below: a share that says so is no better than the count.
    assert shown["below"].to_list() == [None, 0.4] and shown["effective_n"].to_list() == [None, None]
    assert "<11" in replace(found, arms=arms)._repr_html_().replace("&lt;", "<")
