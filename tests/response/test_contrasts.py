"""Benefit: its sign, its reference, and the probabilities said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medresponse.cohort import Cohort
from medresponse.core.errors import SpecError, UnknownTreatmentError
from medresponse.families import Gaussian
from medresponse.inference import Fit
from medresponse.model import ModelSpec
from medresponse.response import Responses, benefit_of, contrast, pairwise, respond, summarise_benefit
from tests.hand_made import hand_made_fit, trial_of
from tests.response_kinds import responses_of

# Ten draws of the difference B - A: by hand, 6 above 0, 3 above 1, 2 below -1, one exactly 0, one exactly 1.
DIFFERENCE = np.array([-2.0, -1.5, -0.5, 0.0, 0.2, 0.6, 1.0, 1.5, 2.0, 3.0])


def two_arms(direction: str, **options: Any) -> Responses:
    """Responses whose difference between the arms is given draw by draw, the same for every patient."""
    cohort = trial_of(12, direction=direction)
    spec = ModelSpec(family=Gaussian(), blocks={})
    fit = hand_made_fit(spec, cohort, outcome="score", coefficients={}, draws=10, intercept=50.0, sigma=1.0)
    (low,), (high,) = fit.layout.contrast_matrix
    fit = hand_made_fit(
        spec,
        cohort,
        outcome="score",
        draws=10,
        coefficients={"contrast 1": DIFFERENCE / (high - low)},
        intercept=50.0,
        sigma=1.0,
    )
    return respond(fit, cohort, **options)


def test_positive_is_better_where_higher_is_better() -> None:
    row = contrast(two_arms("higher_is_better"), worthwhile=1.0 + 1e-9).row(0, named=True)
    assert row["treatment"] == "B" and row["benefit"] == pytest.approx(DIFFERENCE.mean())
    assert row["sd"] == pytest.approx(DIFFERENCE.std(ddof=1))
    assert row["p_worthwhile"] == 0.3
    assert row["p_worse"] == pytest.approx(0.3, abs=0.1 + 1e-9)
    assert row["p_benefit"] == pytest.approx(0.6, abs=0.1 + 1e-9)  # the draw at 0 may round to either side


def test_positive_is_better_where_lower_is_better() -> None:
    higher, lower = (
        contrast(two_arms(d), worthwhile=1.0 + 1e-9).row(0, named=True)
        for d in ("higher_is_better", "lower_is_better")
    )
    assert lower["benefit"] == pytest.approx(-higher["benefit"])
    assert (lower["lower"], lower["upper"]) == pytest.approx((-higher["upper"], -higher["lower"]))
    assert (lower["p_worthwhile"], higher["p_worthwhile"]) == (0.2, 0.3)
    assert (lower["p_benefit"], lower["p_worse"]) == (higher["p_worse"], higher["p_benefit"])


def test_intervals_are_equal_tailed_quantiles_of_the_draws() -> None:
    row = contrast(two_arms("higher_is_better"), level=0.5).row(0, named=True)
    assert (row["lower"], row["upper"]) == pytest.approx(tuple(np.quantile(DIFFERENCE, [0.25, 0.75])))


def test_probabilities_are_strict_and_worse_is_on_the_other_side_of_zero() -> None:
    found = summarise_benefit(DIFFERENCE[None, None], 1.0, 0.95)[0, 0]
    np.testing.assert_allclose(found[4:], [0.6, 0.3, 0.3])  # > 0, > 1, < 0: neither the 0 nor the 1 counts


def test_benefit_is_taken_draw_by_draw_against_the_reference() -> None:
    values = np.arange(24.0).reshape(2, 3, 4) ** 2
    found = benefit_of(values, 1, [0, 2], -1)
    assert found.shape == (2, 2, 4)
    np.testing.assert_array_equal(found[:, 0], values[:, 1] - values[:, 0])
    np.testing.assert_array_equal(found[:, 1], values[:, 1] - values[:, 2])


@pytest.mark.parametrize("against", [None, "A", "B", "C"])
def test_every_other_treatment_is_held_against_the_reference(
    linear: Fit, cohort: Cohort, against: str | None
) -> None:
    responses = respond(linear, cohort)
    table, draws = contrast(responses, against=against), responses.draws()
    reference = against or "A"
    others = [t for t in "ABC" if t != reference]
    assert table["treatment"].to_list() == others * 60
    assert table["patient"].to_list() == [p for p in responses.ids for _ in others]
    for patient in (responses.ids[0], responses.ids[41]):
        for treatment in others:
            at = draws.sel(patient=patient)
            expected = float((at.sel(treatment=treatment) - at.sel(treatment=reference)).mean())
            assert table.filter(patient=patient, treatment=treatment)["benefit"][0] == pytest.approx(expected)


def test_a_treatment_effect_known_by_construction_has_the_sign_of_the_better_arm(
    survival: Fit, cohort: Cohort
) -> None:
    for kind in ("survival", "rmst"):
        table = contrast(respond(survival, cohort, horizon=12.0, estimand=kind))
        by_arm = {arm: table.filter(treatment=arm)["benefit"].mean() for arm in "BC"}
        assert by_arm["B"] > 0 > by_arm["C"]


def test_what_has_no_better_side_or_no_alternative_has_no_benefit() -> None:
    with pytest.raises(SpecError) as caught:
        contrast(two_arms("neither"))
    assert caught.value.code == "no_direction"
    single = trial_of(12, arms=("A",))
    fit = hand_made_fit(
        ModelSpec(family=Gaussian(), blocks={}),
        single,
        outcome="score",
        coefficients={},
        intercept=1.0,
        sigma=1.0,
    )
    with pytest.raises(SpecError) as caught:
        contrast(respond(fit, single))
    assert caught.value.code == "single_arm"


def test_an_unknown_reference_is_refused(linear: Fit, cohort: Cohort) -> None:
    with pytest.raises(UnknownTreatmentError, match="D"):
        contrast(respond(linear, cohort), against="D")


def test_every_pair_is_compared_once_in_the_fixed_order_on_the_average_over_patients(
    linear: Fit, cohort: Cohort
) -> None:
    responses = respond(linear, cohort)
    table, mean = pairwise(responses, worthwhile=0.5), responses.draws().mean("patient")
    assert list(zip(table["treatment"], table["against"], strict=True)) == [
        ("B", "A"),
        ("C", "A"),
        ("C", "B"),
    ]
    for row in table.iter_rows(named=True):
        gain = (mean.sel(treatment=row["treatment"]) - mean.sel(treatment=row["against"])).values
        assert row["benefit"] == pytest.approx(gain.mean())
        assert (row["lower"], row["upper"]) == pytest.approx(tuple(np.quantile(gain, [0.025, 0.975])))
        assert row["p_worthwhile"] == (gain > 0.5).mean()
    np.testing.assert_allclose(table["benefit"][1], table["benefit"][0] + table["benefit"][2])


def test_the_average_is_of_the_patients_asked_for(linear: Fit, cohort: Cohort) -> None:
    responses = respond(linear, cohort)
    one = pairwise(responses.select(["P010"])).row(0, named=True)
    own = contrast(responses.select(["P010"])).row(0, named=True)
    assert {name: one[name] for name in ("benefit", "sd", "p_worse")} == pytest.approx(
        {name: own[name] for name in ("benefit", "sd", "p_worse")}
    )


def test_fewer_events_are_a_benefit_where_the_event_is_worse() -> None:
    for kind, question in (
        ("binary", {}),
        ("count", {}),
        ("competing_risks", {"part": "death", "horizon": 12}),
    ):
        responses, _ = responses_of(kind, arms=3, effect=-0.8, **question)
        assert (pairwise(responses)["benefit"] > 0).all()
        assert (contrast(responses, against="C")["benefit"] < 0).all()


def test_more_of_one_category_is_no_benefit_and_the_message_names_what_is() -> None:
    responses, _ = responses_of("ordinal", estimand="category", part="SD")
    for refused in (contrast, pairwise):
        with pytest.raises(SpecError, match="ask for one of at_least") as caught:
            refused(responses)
        assert caught.value.code == "no_direction"
