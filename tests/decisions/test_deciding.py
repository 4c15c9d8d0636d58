"""Utilities, probabilities and regret against closed forms and by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from medresponse import decide
from medresponse.core.errors import DataError, SpecError, UnknownTreatmentError
from medresponse.decisions import (
    CategoryUtility,
    ExpectedUtility,
    Harm,
    HighestUtility,
    Rate,
    Reason,
    TreatAll,
    Verdict,
    WorthwhileBenefit,
)
from medresponse.response import category_probabilities, contrast
from tests import response_kinds
from tests.decisions.made import responses_of

RATES = {
    "A": Rate(mean=0.1, lower=0.1, upper=0.1),
    "B": Rate(mean=0.3, lower=0.3, upper=0.3),
    "C": Rate(mean=0.2, lower=0.2, upper=0.2),
}
RASH = Harm(name="rash", rates=RATES, source="made up")


def first(table: pl.DataFrame, treatment: str) -> dict[str, float]:
    return table.filter(treatment=treatment).row(0, named=True)


def test_probabilities_and_regret_of_a_normal_benefit_are_the_closed_forms() -> None:
    mean, sd, draws = 1.0, 2.0, 20001
    benefit = mean + sd * norm.ppf((np.arange(draws) + 0.5) / draws)
    table = decide(responses_of(np.stack([np.full(draws, 40.0), 40.0 + benefit])), worthwhile=1.5).table
    b = first(table, "B")
    z = mean / sd
    assert b["p_benefit"] == pytest.approx(norm.cdf(z), abs=1e-4)
    assert b["p_worthwhile"] == pytest.approx(norm.sf((1.5 - mean) / sd), abs=1e-4)
    assert b["p_worse"] == pytest.approx(norm.sf(z), abs=1e-4)
    assert (b["benefit"], b["benefit_lower"], b["benefit_upper"]) == pytest.approx(
        (mean, *norm.ppf([0.025, 0.975], mean, sd)), abs=2e-3
    )
    assert b["p_best"] == pytest.approx(norm.cdf(z), abs=1e-4)
    # E[max(0, b)] = mean Phi(z) + sd phi(z), and what is lost by taking B is that less the mean.
    gain = mean * norm.cdf(z) + sd * norm.pdf(z)
    assert first(table, "A")["regret"] == pytest.approx(gain, abs=1e-3)
    assert b["regret"] == pytest.approx(gain - mean, abs=1e-3)
    assert b["chosen"] and not first(table, "A")["chosen"]


def test_regret_and_the_probability_of_being_best_by_hand() -> None:
    #                A        B        C
    draws = np.array([[1.0, 2.0], [3.0, 2.0], [0.0, 5.0]]) + 50.0
    table = decide(responses_of(draws)).table
    # Highest: 3 in the first draw, 5 in the second. B is best once, C once.
    assert [first(table, k)["regret"] for k in "ABC"] == pytest.approx(
        [(2 + 3) / 2, (0 + 3) / 2, (3 + 0) / 2]
    )
    assert [first(table, k)["p_best"] for k in "ABC"] == pytest.approx([0.0, 0.5, 0.5])
    # Equal expected utility (2.5): the earlier in the schema.
    assert [first(table, k)["chosen"] for k in "ABC"] == [False, True, False]


def test_equals_share_being_best() -> None:
    draws = np.array([[3.0, 4.0], [3.0, 1.0], [3.0, 4.0]])
    table = decide(responses_of(draws)).table
    assert [first(table, k)["p_best"] for k in "ABC"] == pytest.approx([5 / 12, 1 / 6, 5 / 12])


def test_utility_is_the_response_less_burden_and_weighted_harms() -> None:
    draws = np.array([[1.0, 3.0], [2.0, 4.0], [3.0, 8.0]]) + 50.0
    utility = ExpectedUtility(burden={"C": 5.0}, harm_weights={"rash": 10.0})
    decision = decide(responses_of(draws), utility, harms=[RASH])
    expected = draws.mean(axis=1) - np.array([0.0, 0.0, 5.0]) - 10.0 * np.array([0.1, 0.3, 0.2])
    assert [first(decision.table, k)["utility"] for k in "ABC"] == pytest.approx(expected.tolist())
    # Harms change what is chosen, never the benefit.
    assert first(decision.table, "C")["benefit"] == pytest.approx(3.5)
    assert first(decision.table, "A")["chosen"]


def test_uncertain_rates_widen_the_utility() -> None:
    draws = np.full((2, 4000), 50.0)
    wide = Harm(
        name="rash", rates={"A": RATES["A"], "B": Rate(mean=0.3, lower=0.2, upper=0.41)}, source="trial"
    )
    decision = decide(responses_of(draws), ExpectedUtility(harm_weights={"rash": 10.0}), harms=[wide])
    b = first(decision.table, "B")
    assert b["utility_upper"] - b["utility_lower"] == pytest.approx(10 * (0.41 - 0.2), rel=0.05)
    a = first(decision.table, "A")
    assert a["utility_lower"] == pytest.approx(a["utility_upper"])


def test_lower_is_better_is_signed() -> None:
    draws = np.array([[1.0, 3.0], [2.0, 6.0]]) + 50.0
    table = decide(responses_of(draws, direction="lower_is_better")).table
    assert first(table, "B")["benefit"] == pytest.approx(-2.0)
    assert first(table, "A")["chosen"] and first(table, "A")["utility"] == pytest.approx(-52.0)


def test_benefits_are_those_of_contrast_in_every_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    responses = responses_of(
        rng.normal(50, 3, (3, 40)),
        coefficients={"age": rng.normal(size=40), "contrast 1 x age": rng.normal(size=40)},
    )
    whole = decide(responses, worthwhile=1.0)
    monkeypatch.setattr("medresponse.response.predict._CHUNK_NUMBERS", 40 * 3 * 7)
    assert sum(1 for _ in responses.chunks()) == 5
    chunked = decide(responses, worthwhile=1.0)
    assert chunked.table.equals(whole.table)
    mine = whole.table.filter(pl.col("treatment") != "A")
    theirs = contrast(responses, worthwhile=1.0)
    for own, other in (("benefit", "benefit"), ("benefit_lower", "lower"), ("p_worthwhile", "p_worthwhile")):
        np.testing.assert_allclose(mine[own].to_numpy(), theirs[other].to_numpy(), atol=1e-12)
    assert whole.table.filter(treatment="A")["benefit"].null_count() == 30
    assert whole.matrix("chosen").sum(axis=1).tolist() == [1] * 30
    assert whole.chosen()["treatment"].to_list() == [responses.treatments[k] for k in whole.chosen_idx]


def test_rules() -> None:
    draws = np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, -1.0], [5.0, 5.0, -1.0, -1.0]]) + 50.0
    responses = responses_of(draws)

    def taken(rule: object) -> str:
        return decide(responses, rule=rule, worthwhile=0.5).chosen()["treatment"][0]  # type: ignore[arg-type]

    assert taken(HighestUtility()) == "C"  # 2 against 0.5
    assert taken(HighestUtility(margin=3.0)) == "A"
    assert taken(WorthwhileBenefit(probability=0.7)) == "B"  # 3 of 4 draws; C has 2 of 4
    assert taken(WorthwhileBenefit(probability=0.5)) == "C"  # both qualify
    assert taken(WorthwhileBenefit(probability=0.9)) == "A"
    assert taken(TreatAll(treatment="B")) == "B"
    with pytest.raises(UnknownTreatmentError, match="no treatment 'D'"):
        taken(TreatAll(treatment="D"))


def test_an_option_whose_estimate_is_withheld_is_not_chosen() -> None:
    draws = np.array([[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]]) + 50.0
    responses = responses_of(draws).select(["P000", "P001", "P002", "P003"])
    why = (Reason(code="few_similar"),)
    own = [((), (), ()), ((), (), why), (why, (), ()), ((), why, why)]
    verdicts = [
        Verdict(patient=patient, treatments=responses.treatments, reference="A", shared=(), own=reasons)
        for patient, reasons in zip(responses.ids, own, strict=True)
    ]
    decision = decide(responses, verdicts=verdicts)
    # C; B, since C is withheld; A, since A is withheld and nothing can be compared with it; A, since both others are.
    assert decision.chosen()["treatment"].to_list() == ["C", "B", "A", "A"]
    assert decision.abstained.tolist() == [False, False, True, True]
    assert decision.overview()["withheld"].to_list() == [1, 1, 2]
    with pytest.raises(DataError, match="of other patients"):
        decide(responses, verdicts=verdicts[::-1])


def test_weights_of_categories() -> None:
    responses, _ = response_kinds.responses_of("ordinal", estimand="at_least", part="SD")
    schema = responses.outcome_schema
    weights = dict(zip(schema.parts, (0.0, 0.5, 1.0), strict=True))
    table = decide(responses, CategoryUtility(categories=weights)).table
    probabilities = next(category_probabilities(responses, 3))[:, 0].mean(axis=-1)  # (category, treatment)
    expected = 0.5 * probabilities[1] + probabilities[2]
    assert table["utility"].head(2).to_list() == pytest.approx(expected.tolist())
    with pytest.raises(SpecError, match="no weight for"):
        decide(responses, CategoryUtility(categories={schema.parts[0]: 1.0}))
    with pytest.raises(SpecError, match="no category 'none'"):
        decide(responses, CategoryUtility(categories={"none": 1.0}))
    with pytest.raises(SpecError, match="no categories"):
        decide(responses_of(np.ones((2, 3))), CategoryUtility(categories={}))


@pytest.mark.parametrize(
    ("utility", "harms", "error", "words"),
    [
        (ExpectedUtility(), [RASH], SpecError, "harm_weights: none for 'rash'"),
        (ExpectedUtility(harm_weights={"rush": 1.0}), [RASH], SpecError, "none for 'rash'"),
        (ExpectedUtility(harm_weights={"rash": 1.0}), [], SpecError, "no harm 'rash'; no harms were given"),
        (
            ExpectedUtility(harm_weights={"rash": float("nan")}),
            [RASH],
            SpecError,
            "harm_weights.rash: nan is no weight",
        ),
        (
            ExpectedUtility(burden={"D": 1.0}),
            [],
            UnknownTreatmentError,
            "no treatment 'D'; valid are: A, B, C",
        ),
        (
            ExpectedUtility(harm_weights={"rash": 1.0}),
            [Harm(name="rash", rates={"A": RATES["A"]}, source="")],
            SpecError,
            "rate under B, C is not known",
        ),
        (
            ExpectedUtility(harm_weights={"rash": 1.0}),
            [Harm(name="rash", rates={**RATES, "D": RATES["A"]}, source="")],
            UnknownTreatmentError,
            "no treatment 'D'",
        ),
        (ExpectedUtility(harm_weights={"rash": 1.0}), [RASH, RASH], SpecError, "'rash' is there twice"),
        (
            ExpectedUtility(harm_weights={"rash": 1.0}),
            [Harm(name="rash", rates={**RATES, "B": Rate(mean=0.001, lower=0.0, upper=0.5)}, source="")],
            SpecError,
            "harm 'rash' under B: no beta distribution",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    utility: ExpectedUtility, harms: list[Harm], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        decide(responses_of(np.ones((3, 4))), utility, harms=harms)


def test_a_harm_of_weight_zero_needs_no_rate() -> None:
    unknown = Harm(name="rash", rates={}, source="")
    decision = decide(
        responses_of(np.ones((2, 4))), ExpectedUtility(harm_weights={"rash": 0.0}), harms=[unknown]
    )
    assert not decision.losses.any()


def test_no_side_and_no_second_arm_are_refused() -> None:
    with pytest.raises(SpecError, match="no side is a benefit"):
        decide(responses_of(np.ones((2, 4)), direction="neither"))
    with pytest.raises(SpecError, match="worthwhile: -1"):
        decide(responses_of(np.ones((2, 4))), worthwhile=-1)
    with pytest.raises(UnknownTreatmentError, match="no treatment 'Z'"):
        decide(responses_of(np.ones((2, 4))), against="Z")


def test_its_display_holds_no_patient_and_no_small_number_of_patients() -> None:
    rng = np.random.default_rng(0)
    responses = responses_of(
        rng.normal(50, 1, (2, 40)), coefficients={"contrast 1 x age": rng.normal(3, 0.1, 40)}
    )
    decision = decide(responses, rule=HighestUtility(margin=3.0))
    few = decision.overview()["chosen"].to_list()[1]
    assert 0 < few < 11
    text = decision._repr_html_() + repr(decision)
    assert "P0" not in text and "HighestUtility" in text
    assert "&lt;11" in text and f">{few}<" not in text and f">{30 - few}<" not in text
