"""Two like patients' categories compared, from draws written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from medresponse.cohort import Schema, cohort_from_frame
from medresponse.core.codec import from_plain
from medresponse.core.errors import SpecError, UnknownTreatmentError
from medresponse.families import Gaussian, Ordinal
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from medresponse.response import Responses, respond
from medresponse.response.ordinal import superiority
from tests.hand_made import hand_made_fit, trial_of

DRAWS = 40


def responses_of(
    cuts: np.ndarray,
    *,
    effect: Any = 0.0,
    direction: str = "higher_is_better",
    arms: tuple[str, ...] = ("A", "B"),
) -> Responses:
    """Two patients of age 50 and 70 (a log odds ratio of 1 apart), `effect` the log odds ratio of B against A."""
    levels = len(np.atleast_2d(cuts)[0]) + 1
    treatment = {
        "column": "arm", "reference": "A", "assignment": "randomised", "levels": {arm: {} for arm in arms}
    }  # fmt: skip
    schema = from_plain(
        Schema,
        {
            "name": "made-up trial", "source": "invented", "id": "patient", "synthetic": True,
            "treatment": treatment if len(arms) > 1 else None,
            "outcomes": {
                "state": {"kind": "ordinal", "column": "state", "levels": list(range(levels)), "label": "state", "direction": direction}
            },
            "features": {"history": {"age": {"type": "continuous", "unit": "year"}}},
        },
    )  # fmt: skip
    n = 40
    columns = {
        "patient": [f"P{i:02d}" for i in range(n)], "state": np.arange(n) % 2, "age": [50.0, 70.0] * (n // 2)
    } | ({"arm": [arms[i // 2 % len(arms)] for i in range(n)]} if len(arms) > 1 else {})  # fmt: skip
    cohort = cohort_from_frame(pl.DataFrame(columns), schema)
    spec = ModelSpec(family=Ordinal(), blocks={"history": Normal()}, modifiers={})
    # Treatment contrasts of two treatments are -1/2 and +1/2; ages lie one sd either side of their mean.
    coefficients = {"age": 0.5} | ({"contrast 1": effect} if len(arms) > 1 else {})
    draws = np.broadcast_to(cuts, (DRAWS, levels - 1))
    fit = hand_made_fit(spec, cohort, outcome="state", coefficients=coefficients, draws=DRAWS, cuts=draws)
    two = respond(fit, cohort, estimand="at_least", part="1")
    return two.select(["P00", "P01"])


def test_probabilities_are_sums_over_every_pair_of_categories() -> None:
    cuts = np.array([-0.7, 0.4, 1.5])
    table = superiority(responses_of(cuts, effect=1.2))
    assert table["patient"].to_list() == ["P00", "P01"] and table["treatment"].to_list() == ["B", "B"]
    for row, at in zip(table.iter_rows(named=True), (-0.5, 0.5), strict=True):
        of_a, of_b = (
            np.diff(stats.logistic.cdf(np.concatenate([[-np.inf], cuts, [np.inf]]) - at - shift))
            for shift in (-0.6, 0.6)
        )
        expected = np.zeros(3)
        for b, a in np.ndindex(4, 4):
            expected[[0, 1, 2][1 - np.sign(b - a)]] += of_b[b] * of_a[a]
        assert [row["p_better"], row["p_tied"], row["p_worse"]] == pytest.approx(expected, rel=1e-10)
        assert row["p_better"] + row["p_tied"] + row["p_worse"] == pytest.approx(1.0)


def test_with_very_many_categories_it_is_the_chance_that_one_logistic_variable_beats_another() -> None:
    """Closed form of P(X + d > Y) for standard logistic X and Y; ties take a share of the order of 1 / categories."""
    delta, cuts = 1.5, stats.logistic.ppf(np.arange(1, 400) / 400)
    row = superiority(responses_of(cuts, effect=delta)).row(0, named=True)
    closed = np.exp(delta) * (np.exp(delta) - 1 - delta) / (np.exp(delta) - 1) ** 2
    assert row["p_better"] + row["p_tied"] / 2 == pytest.approx(closed, abs=1e-4)
    assert row["p_tied"] < 0.01


def test_without_an_effect_neither_patient_is_favoured() -> None:
    for row in superiority(responses_of(np.array([-0.7, 0.4]))).iter_rows(named=True):
        assert row["p_better"] == pytest.approx(row["p_worse"], rel=1e-12)


def test_where_low_is_better_better_and_worse_change_places() -> None:
    cuts = np.array([-0.7, 0.4])
    high = superiority(responses_of(cuts, effect=1.0)).row(0, named=True)
    low = superiority(responses_of(cuts, effect=1.0, direction="lower_is_better")).row(0, named=True)
    assert high["p_better"] > high["p_worse"]
    assert (low["p_better"], low["p_tied"], low["p_worse"]) == (
        high["p_worse"],
        high["p_tied"],
        high["p_better"],
    )


def test_intervals_are_quantiles_of_the_draws() -> None:
    cuts, effect = np.array([-0.7, 0.4]), np.linspace(-0.5, 1.5, DRAWS)
    row = superiority(responses_of(cuts, effect=effect), level=0.8).row(0, named=True)
    each = [superiority(responses_of(cuts, effect=e)).row(0, named=True)["p_better"] for e in effect]
    assert row["p_better"] == pytest.approx(np.mean(each))
    assert [row["p_better_lower"], row["p_better_upper"]] == pytest.approx(np.quantile(each, [0.1, 0.9]))


def test_any_treatment_can_be_the_one_compared_with() -> None:
    responses = responses_of(np.array([-0.7, 0.4]), effect=1.0)
    against_a, against_b = superiority(responses), superiority(responses, against="B")
    assert against_b["treatment"].to_list() == ["A", "A"]
    assert against_b["p_better"].to_list() == pytest.approx(against_a["p_worse"].to_list())
    with pytest.raises(UnknownTreatmentError):
        superiority(responses, against="C")


def test_outcomes_that_cannot_be_compared_are_refused() -> None:
    cuts = np.array([-0.7, 0.4])
    cohort = trial_of()
    spec = ModelSpec(family=Gaussian(), blocks={"history": Normal()})
    score = hand_made_fit(spec, cohort, outcome="score", coefficients={}, intercept=50.0, sigma=1.0)
    for responses, code in (
        (respond(score, cohort), "no_categories"),
        (responses_of(cuts, direction="neither"), "no_direction"),
        (responses_of(cuts, arms=("all",)), "single_arm"),
    ):
        with pytest.raises(SpecError) as caught:
            superiority(responses)
        assert caught.value.code == code
