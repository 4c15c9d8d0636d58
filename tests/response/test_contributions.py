"""What moved an estimate: in a linear model exactly the coefficient times the distance from the mean."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort
from medresponse.families import Gaussian
from medresponse.inference import Fit
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from medresponse.response import contributions, respond
from tests.hand_made import hand_made_fit, patients_like, trial_of
from tests.response.conftest import ARMS, BLOCKS


@pytest.fixture(scope="module")
def plain(cohort: Cohort) -> Fit:
    """Linear, with effect modification, without interactions."""
    rng, draws = np.random.default_rng(4), 30
    spec = ModelSpec(family=Gaussian(), blocks=BLOCKS)
    labels = hand_made_fit(
        spec, cohort, outcome="score", coefficients={}, intercept=0.0, sigma=1.0
    ).layout.coefficient_labels
    return hand_made_fit(
        spec, cohort, outcome="score", draws=draws, coefficients={label: rng.normal(size=draws) for label in labels},
        intercept=rng.normal(50, 1, draws), sigma=1.0,
    )  # fmt: skip


def expected_change(fit: Fit, cohort: Cohort, row: int, feature: str) -> np.ndarray:
    """Coefficient times centred column, summed over the feature's columns; (treatment, draw)."""
    b = dict(zip(fit.layout.coefficient_labels, fit.draws("coefficients").T, strict=True))
    x = dict(zip(fit.layout.columns, fit.encoding.columns(fit.encoding.codes(cohort))[row], strict=True))
    change = np.zeros((3, fit.n_draws))
    for k, contrasts in enumerate(fit.layout.contrasts):
        for label in x:
            if label.split("=")[0] == feature:
                change[k] += b[label] * x[label]
                for r, c in enumerate(contrasts):
                    change[k] += c * b[f"contrast {r + 1} x {label}"] * x[label]
    return change


@pytest.mark.parametrize("row", [0, 13, 44])
def test_in_a_linear_model_it_is_the_coefficient_times_the_distance_from_the_mean(
    plain: Fit, cohort: Cohort, row: int
) -> None:
    responses = respond(plain, cohort)
    table = contributions(responses, responses.ids[row], level=0.9)
    assert table["feature"].unique(maintain_order=True).to_list() == ["smoking", "age", "sex", "stage"]
    assert table.filter(feature="age")["treatment"].to_list() == ["A", "B", "C", "benefit:B", "benefit:C"]
    for feature in ("smoking", "age", "sex", "stage"):
        change = expected_change(plain, cohort, row, feature)
        for k, arm in enumerate("ABC"):
            found = table.filter(feature=feature, treatment=arm).row(0)[2:]
            assert found == pytest.approx(
                (change[k].mean(), *np.quantile(change[k], [0.05, 0.95])), abs=1e-10
            )
            if arm != "A":
                found = table.filter(feature=feature, treatment=f"benefit:{arm}").row(0)[2:]
                benefit = change[k] - change[0]
                assert found == pytest.approx(
                    (benefit.mean(), *np.quantile(benefit, [0.05, 0.95])), abs=1e-10
                )


def test_in_a_linear_model_they_sum_to_the_distance_from_the_average_patient(
    plain: Fit, cohort: Cohort
) -> None:
    responses = respond(plain, cohort)
    table = contributions(responses, responses.ids[7])
    at_mean = plain.draws("intercept").mean() + plain.layout.contrast_matrix @ plain.draws("coefficients")[
        :, plain.layout.slices["treatment"]
    ].mean(axis=0)
    total = responses.draws([responses.ids[7]]).values[0].mean(axis=-1) - at_mean
    for k, arm in enumerate("ABC"):
        assert table.filter(treatment=arm)["change"].sum() == pytest.approx(total[k], abs=1e-10)


def test_an_input_at_its_mean_moves_nothing_even_if_it_interacts() -> None:
    cohort = trial_of(60, arms=ARMS)
    spec = ModelSpec(family=Gaussian(), blocks=BLOCKS, interactions=(("age", "stage"),))
    fit = hand_made_fit(
        spec,
        cohort,
        outcome="score",
        coefficients={"age": 1.0, "age : stage": 2.0, "stage": 3.0},
        intercept=0.0,
        sigma=1.0,
    )
    mean = float(cohort.table["age"].mean())  # type: ignore[arg-type]
    responses = respond(
        fit, patients_like(cohort, [{"age": mean, "stage": "3"}, {"age": mean + 9.0, "stage": "3"}])
    )
    assert contributions(responses, "N0").filter(feature="age")["change"].abs().max() == pytest.approx(
        0.0, abs=1e-10
    )
    # With the product: age adds (b + g * stage) * age, stage adds (s + g * age) * stage, both centred.
    codes = fit.encoding.columns(
        fit.encoding.codes(patients_like(cohort, [{"age": mean + 9.0, "stage": "3"}]))
    )[0]
    age, stage = (codes[fit.layout.columns.index(name)] for name in ("age", "stage"))
    table = contributions(responses, "N1").filter(treatment="A")
    assert table.filter(feature="age")["change"][0] == pytest.approx((1.0 + 2.0 * stage) * age, rel=1e-10)
    assert table.filter(feature="stage")["change"][0] == pytest.approx((3.0 + 2.0 * age) * stage, rel=1e-10)


def test_an_input_that_is_not_known_moves_nothing_that_could_be_said(plain: Fit, cohort: Cohort) -> None:
    responses = respond(plain, patients_like(cohort, [{"age": None, "smoking": "current"}]))
    table = contributions(responses, "N0")
    assert "age" not in table["feature"].to_list()
    expected = expected_change(plain, patients_like(cohort, [{"smoking": "current"}]), 0, "smoking")[1].mean()
    assert table.filter(feature="smoking", treatment="B")["change"][0] == pytest.approx(expected, abs=1e-10)


def test_changes_in_benefit_are_signed_so_that_positive_is_better() -> None:
    tables = []
    for direction in ("higher_is_better", "lower_is_better"):
        cohort = trial_of(60, direction=direction)
        spec = ModelSpec(family=Gaussian(), blocks={"history": Normal()})
        fit = hand_made_fit(
            spec,
            cohort,
            outcome="score",
            coefficients={"age": 1.0, "contrast 1 x age": 2.0},
            intercept=0.0,
            sigma=1.0,
        )
        tables.append(contributions(respond(fit, cohort), "P004"))
    benefit = pl.col("treatment").str.starts_with("benefit:")
    higher, lower = (t.filter(benefit)["change"].to_numpy() for t in tables)
    np.testing.assert_allclose(lower, -higher, atol=1e-12)
    assert np.abs(higher).max() > 0
    higher, lower = (t.filter(~benefit)["change"].to_numpy() for t in tables)
    np.testing.assert_allclose(
        lower, higher, atol=1e-12
    )  # the change in the response itself has no better side


def test_a_single_arm_has_contributions_without_benefit() -> None:
    cohort = trial_of(40, arms=("A",))
    fit = hand_made_fit(
        ModelSpec(family=Gaussian(), blocks={"history": Normal()}), cohort, outcome="score", coefficients={"age": 1.0},
        intercept=0.0, sigma=1.0,
    )  # fmt: skip
    table = contributions(respond(fit, cohort), "P004")
    assert table["treatment"].unique().to_list() == ["all"] and table.height == 3
