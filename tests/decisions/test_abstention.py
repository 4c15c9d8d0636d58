"""Each reason to withhold an estimate, at its boundary and on either side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort, cohort_from_frame
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import DataError, SpecError
from medresponse.core.strict_yaml import read_yaml
from medresponse.decisions import AbstentionRules, Contraindication, Verdict, judge, verdict_table
from medresponse.families import Gaussian
from medresponse.inference import Fit
from medresponse.model import ModelSpec
from medresponse.model.spec import PropensityScore
from medresponse.priors import Normal
from medresponse.response import Responses, Studied, measure, respond, studied
from tests.hand_made import frame_of, hand_made_fit, patients_like, schema_of, trial_of

BLOCKS = {"history": Normal(), "lifestyle": Normal()}
# Small trials of inputs that go together less than real ones: bounds that leave room for the one that is tested.
RULES = AbstentionRules(most_beyond=1.0, most_distance=1.25, fewest_similar=3.0, least_alike=0.0, widest=1.0)
TYPICAL = {"age": 60.0, "sex": "f", "stage": "2", "smoking": "never"}
CONF = Path(__file__).parents[2] / "conf" / "abstention"


def made(cohort: Cohort, *, spread: float = 0.5, **changes: Any) -> Fit:
    """A fit whose benefit of B over A is 1 with posterior standard deviation `spread`."""
    spec = ModelSpec(family=Gaussian(), blocks=BLOCKS, **changes)
    draws = 400
    contrast = (1.0 + spread * np.random.default_rng(5).standard_normal(draws)) / np.sqrt(2)
    return hand_made_fit(
        spec, cohort, outcome="score", draws=draws, coefficients={"contrast 1": contrast}, intercept=50.0, sigma=5.0
    )  # fmt: skip


@pytest.fixture(scope="module")
def training() -> Cohort:
    return trial_of(240)


@pytest.fixture(scope="module")
def fit(training: Cohort) -> Fit:
    return made(training)


@pytest.fixture(scope="module")
def ready(fit: Fit, training: Cohort) -> Studied:
    return studied(fit, training)


def one(fit: Fit, ready: Studied | None, rules: AbstentionRules = RULES, **row: Any) -> Verdict:
    """The verdict on a typical patient with some entries changed; a difference of 3 points is worthwhile."""
    training = trial_of(240)
    new = patients_like(training, [TYPICAL | row])
    return judge(respond(fit, new), new, rules, training=ready, worthwhile=3.0)[0]


def codes(verdict: Verdict, k: int) -> list[str]:
    return [reason.code for reason in verdict.reasons(k)]


def test_a_typical_patient_is_estimated_under_every_option(fit: Fit, ready: Studied) -> None:
    verdict = one(fit, ready)
    assert verdict.shown == (True, True) and verdict.compared == (False, True) and not verdict.whole


def test_one_input_far_outside_withholds_every_option_and_the_bound_itself_does_not(
    fit: Fit, ready: Studied
) -> None:
    age = next(f for f in fit.encoding.features if f.name == "age")
    limit = age.high + RULES.most_beyond * age.scale
    assert "input_outside" not in codes(one(fit, ready, age=limit - 1e-9), 0)
    verdict = one(fit, ready, age=limit + 1e-6)
    reason = next(r for r in verdict.shared if r.code == "input_outside")
    assert reason.inputs == ("age",) and reason.lift == "studied_patients"
    assert reason.value == pytest.approx(1.0, abs=1e-5) and reason.threshold == 1.0
    assert verdict.whole and verdict.compared == (False, False)


def test_a_level_that_nobody_had_withholds_every_option() -> None:
    cohort = trial_of(300).where(pl.col("smoking").cast(pl.String) != "current")
    fit = made(cohort)
    new = patients_like(cohort, [TYPICAL, TYPICAL | {"smoking": "current"}])
    known, unseen = judge(respond(fit, new), new, RULES, training=studied(fit, cohort), worthwhile=3.0)
    assert known.shown == (True, True)
    assert [r.inputs for r in unseen.shared if r.code == "level_unseen"] == [("smoking",)]


def test_the_joint_distance_is_compared_with_its_bound(fit: Fit, training: Cohort) -> None:
    responses = respond(fit, training)
    ratios = measure(responses).distance / fit.support.distances[-1]
    bound = float(np.sort(ratios)[-5])
    rules = replace(RULES, most_distance=bound, most_beyond=9.0, fewest_similar=0.0)
    found = judge(responses, training, rules, worthwhile=3.0)
    assert sum("jointly_outside" in codes(v, 0) for v in found) == 4  # the fifth is at the bound


def test_too_few_similar_patients_withhold_one_option_only(training: Cohort) -> None:
    cohort = training.where(
        ~((pl.col("sex").cast(pl.String) == "f") & (pl.col("arm").cast(pl.String) == "B"))
    )
    fit = made(cohort)
    new = patients_like(cohort, [TYPICAL | {"sex": "f"}, TYPICAL | {"sex": "m"}])
    responses, ready = respond(fit, new), studied(fit, cohort)
    rules = replace(RULES, similar_share=0.05)
    woman, man = judge(responses, new, rules, training=ready, worthwhile=3.0)
    assert codes(woman, 1) == ["few_similar"] and woman.shown == (True, False)
    assert woman.compared == (False, False) and not woman.whole and man.shown == (True, True)
    measured = measure(responses, training=ready, similar_share=0.05).similar
    assert measured is not None
    at = replace(rules, fewest_similar=float(measured[1].min()))
    assert judge(responses, new, at, training=ready, worthwhile=3.0)[1].shown == (True, True)
    above = replace(rules, fewest_similar=float(np.nextafter(measured[1].min(), np.inf)))
    assert judge(responses, new, above, training=ready, worthwhile=3.0)[1].shown.count(False) == 1


def test_an_option_of_patients_who_are_unlike_this_one_is_withheld_however_many_they_are(
    training: Cohort, fit: Fit, ready: Studied
) -> None:
    responses = respond(fit, training)
    similar = measure(responses, training=ready).similar
    assert similar is not None
    shares = similar / ready.counts
    bound = float(np.sort(shares[:, 1])[7])
    rules = replace(RULES, least_alike=bound, most_beyond=9.0, most_distance=9.0, fewest_similar=0.0)
    found = judge(responses, training, rules, training=ready, worthwhile=3.0)
    assert sum("few_alike" in codes(v, 1) for v in found) == 7  # the eighth is at the bound
    twice = replace(ready, received=np.zeros_like(ready.received))  # all on A: B has nobody
    assert codes(judge(responses, training, rules, training=twice, worthwhile=3.0)[0], 1) == [
        "nobody_studied"
    ]


def test_an_option_that_is_hardly_ever_chosen_is_withheld_and_the_other_stays() -> None:
    frame = frame_of(400)
    chosen = 1 / (1 + np.exp(-(frame["age"].to_numpy() - 60) / 2.5)) > np.random.default_rng(3).random(400)
    frame = frame.with_columns(arm=pl.Series(np.where(chosen, "B", "A")))
    cohort = cohort_from_frame(frame, schema_of(assignment="observational"))
    fit = made(cohort, confounding="measured")
    new = patients_like(cohort, [TYPICAL | {"age": 48.0}, TYPICAL | {"age": 60.0}])
    responses, ready = respond(fit, new), studied(fit, cohort)
    rules = replace(RULES, fewest_similar=0.0)
    young, middle = judge(responses, new, rules, training=ready, worthwhile=3.0)
    assert codes(young, 0) == [] and codes(young, 1) == ["rarely_given"] and middle.shown == (True, True)
    chance = young.own[1][0].value
    assert chance is not None and chance < 0.05
    at = replace(rules, least_propensity=chance)
    assert judge(responses, new, at, training=ready, worthwhile=3.0)[0].shown == (True, True)
    unknown = judge(responses, new, rules, worthwhile=3.0)[0]
    assert [codes(unknown, k) for k in (0, 1)] == [["overlap_unknown"], ["overlap_unknown"]]


def test_a_fit_with_a_propensity_score_of_its_own_says_who_received_an_option_without_the_training_cohort() -> (
    None
):
    cohort = trial_of(240, assignment="observational")
    fit = made(cohort, confounding=PropensityScore(prior=Normal()))
    verdict = judge(respond(fit, cohort), cohort, RULES, worthwhile=3.0)[0]
    assert verdict.shown == (True, True)
    found = measure(respond(fit, cohort))
    assert found.similar is None and found.propensity is not None
    np.testing.assert_allclose(found.propensity.sum(axis=1), 1.0)


def test_without_the_training_cohort_a_randomised_comparison_is_still_shown(fit: Fit) -> None:
    assert one(fit, None).shown == (True, True)


def test_a_required_input_that_is_missing_withholds_every_option(fit: Fit, ready: Studied) -> None:
    rules = replace(RULES, required=("age",))
    assert one(fit, ready, rules, stage=None).shown == (True, True)
    verdict = one(fit, ready, rules, age=None)
    assert verdict.whole and [r.inputs for r in verdict.shared] == [("age",)]
    assert verdict.shared[0].code == "required_missing" and verdict.shared[0].lift == "inputs"


def test_half_of_the_inputs_may_be_missing_and_no_more(fit: Fit, ready: Studied) -> None:
    assert one(fit, ready, age=None, stage=None).shown == (True, True)
    verdict = one(fit, ready, age=None, stage=None, sex=None)
    assert [(r.code, r.value, r.threshold) for r in verdict.shared] == [("mostly_missing", 0.75, 0.5)]


def test_a_patient_without_any_input_is_withheld_whatever_the_rules(fit: Fit, ready: Studied) -> None:
    nothing = dict.fromkeys(TYPICAL)
    assert "mostly_missing" in codes(one(fit, ready, replace(RULES, most_missing=1.0), **nothing), 0)


def test_an_interval_is_too_wide_if_it_holds_worthwhile_benefit_and_as_much_harm(training: Cohort) -> None:
    fit = made(training, spread=3.0)
    new = patients_like(training, [TYPICAL])
    responses = respond(fit, new)
    draws = responses.draws().values[0]
    lower, upper = np.quantile(draws[1] - draws[0], [0.025, 0.975])
    assert lower < 0 < upper and -lower < upper
    for worthwhile, shown in ((-lower * 0.999, False), (-lower * 1.001, True), (upper, True)):
        verdict = judge(responses, new, RULES, training=studied(fit, training), worthwhile=worthwhile)[0]
        assert verdict.shown == (True, shown)
    wide = judge(responses, new, RULES, worthwhile=1.0)[0]
    assert [(r.code, r.value, r.lift) for r in wide.own[1]] == [("too_wide", None, "larger_study")]


def test_an_outcome_without_a_better_side_has_no_interval_too_wide() -> None:
    cohort = trial_of(240, direction="neither")
    fit = made(cohort, spread=30.0)
    assert judge(respond(fit, cohort), cohort, RULES, worthwhile=0.1)[0].shown == (True, True)


def test_failed_diagnostics_withhold_everything(fit: Fit, ready: Studied) -> None:
    broken = replace(fit, diagnostics=replace(fit.diagnostics, rhat=1.3))
    verdict = one(broken, ready)
    assert verdict.whole and codes(verdict, 1) == ["diagnostics_failed"]


def rule(**changes: Any) -> Contraindication:
    plain = {
        "feature": "age", "comparison": "at_least", "values": [75], "treatments": ["B"], "reason": "bleeding",
        "source": "label",
    }  # fmt: skip
    return from_plain(Contraindication, plain | changes)


@pytest.mark.parametrize(
    ("changes", "row", "withheld"),
    [
        ({}, {"age": 74.999}, False),
        ({}, {"age": 75.0}, True),
        ({"comparison": "above"}, {"age": 75.0}, False),
        ({"comparison": "below", "values": [60.0]}, {"age": 60.0}, False),
        ({"comparison": "at_most", "values": [60.0]}, {"age": 60.0}, True),
        ({"feature": "smoking", "comparison": "one_of", "values": ["current", "former"]}, {"smoking": "former"}, True),
        ({"feature": "smoking", "comparison": "one_of", "values": ["current"]}, {"smoking": "former"}, False),
        ({"feature": "smoking", "comparison": "none_of", "values": ["never"]}, {"smoking": "former"}, True),
        ({"feature": "stage", "comparison": "above", "values": [2]}, {"stage": "3"}, True),
        ({"feature": "stage", "comparison": "above", "values": [2]}, {"stage": "2"}, False),
        ({"feature": "snp", "comparison": "at_least", "values": [2]}, {"snp": "2"}, True),
    ],
)  # fmt: skip
def test_a_contraindication_withholds_its_treatment_only(
    fit: Fit, ready: Studied, changes: dict[str, Any], row: dict[str, Any], withheld: bool
) -> None:
    rules = replace(RULES, contraindications=(rule(**changes),), most_beyond=9.0, fewest_similar=0.0)
    verdict = one(fit, ready, rules, **row)
    assert verdict.shown == (True, not withheld)
    if withheld:
        reason = verdict.own[1][0]
        assert (reason.code, reason.words, reason.source) == ("contraindicated", "bleeding", "label")


def test_a_contraindication_whose_input_is_missing_cannot_be_ruled_out(fit: Fit, ready: Studied) -> None:
    rules = replace(RULES, contraindications=(rule(),))
    assert codes(one(fit, ready, rules, age=None), 1) == ["contraindication_unchecked"]


def test_a_contraindication_of_the_reference_leaves_the_others_and_no_difference(
    fit: Fit, ready: Studied
) -> None:
    rules = replace(RULES, contraindications=(rule(treatments=["A"], values=[20]),))
    verdict = one(fit, ready, rules)
    assert verdict.shown == (False, True) and verdict.compared == (False, False) and not verdict.whole


def test_an_option_that_nobody_had_is_withheld(training: Cohort, fit: Fit, ready: Studied) -> None:
    only_a = replace(ready, received=np.zeros_like(ready.received))
    assert codes(one(fit, only_a), 1) == ["nobody_studied"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feature": "agge"}, r"contraindications\[0\]\.feature: no feature 'agge'; did you mean 'age'"),
        ({"treatments": ["b"]}, "no treatment 'b'; did you mean 'B'"),
        ({"values": ["old"]}, "age is continuous"),
        ({"comparison": "one_of"}, "age is continuous"),
        ({"feature": "smoking", "comparison": "above", "values": ["never"]}, "levels of smoking have no order"),
        ({"feature": "smoking", "comparison": "one_of", "values": ["nevr"]}, "no level 'nevr'; did you mean 'never'"),
    ],
)  # fmt: skip
def test_rules_that_name_what_is_not_there_are_refused(
    fit: Fit, ready: Studied, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        one(fit, ready, replace(RULES, contraindications=(rule(**changes),)))
    with pytest.raises(SpecError, match=r"required\[0\]: no feature 'agee'"):
        one(fit, ready, replace(RULES, required=("agee",)))


def test_a_cohort_without_the_column_of_a_rule_is_refused(fit: Fit, training: Cohort) -> None:
    table = training.table.drop("snp")
    rules = replace(RULES, contraindications=(rule(feature="snp", values=[2]),))
    with pytest.raises(DataError, match="no column snp"):
        judge(respond(fit, training), replace(training, table=table), rules)


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"most_beyond": -1.0}, "most_beyond"),
        ({"fewest_similar": float("nan")}, "fewest_similar"),
        ({"similar_share": 0.0}, "similar_share"),
        ({"least_propensity": 0.6}, "least_propensity"),
        ({"least_alike": 1.1}, "least_alike"),
        ({"unconverged": "show"}, "unconverged"),
        ({"fewest_simlar": 1.0}, "did you mean 'fewest_similar'"),
        ({"contraindications": [to_plain(rule()) | {"values": []}]}, "needs one value"),
        ({"contraindications": [to_plain(rule()) | {"source": ""}]}, "reason and source"),
    ],
)  # fmt: skip
def test_rules_out_of_range_do_not_decode(plain: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        from_plain(AbstentionRules, plain)


@pytest.mark.parametrize("file", sorted(CONF.glob("*.yaml")), ids=lambda file: file.stem)
def test_configured_rules_decode_and_survive_plain_data(file: Path) -> None:
    rules = from_plain(AbstentionRules, read_yaml(file, what="rules"), path="rules")
    assert from_plain(AbstentionRules, to_plain(rules)) == rules and rules.name == file.stem
    if file.stem == "default":
        assert rules == AbstentionRules()


def planted(training: Cohort) -> tuple[Cohort, Cohort]:
    """Sixty more patients of the same kind, and as many who are 60 years older."""
    fresh = frame_of(60, seed=9)
    schema = training.schema
    older = fresh.with_columns(pl.col("age") + 60.0)
    return tuple(cohort_from_frame(f, schema, for_prediction=True) for f in (fresh, older))  # type: ignore[return-value]


def test_a_planted_cohort_outside_is_withheld_whole_and_one_like_training_is_not(
    training: Cohort, fit: Fit, ready: Studied
) -> None:
    inside, outside = planted(training)
    tables = [
        verdict_table(judge(respond(fit, c), c, AbstentionRules(), training=ready, worthwhile=3.0))
        for c in (inside, outside)
    ]
    assert (tables[1]["verdict"] == "withheld").all()
    assert (
        tables[0].group_by("patient", "treatment").agg(pl.col("verdict").first())["verdict"] == "estimate"
    ).mean() > 0.8


def test_the_table_has_a_row_a_reason_and_agrees_with_one_patient_at_a_time(
    training: Cohort, fit: Fit, ready: Studied
) -> None:
    responses: Responses = respond(fit, training)
    rules = replace(RULES, most_beyond=0.2, most_distance=1.0, fewest_similar=8.0)
    together = judge(responses, training, rules, training=ready, worthwhile=3.0)
    for i in (0, 17, 111):
        patient = responses.ids[i]
        single = judge(
            responses.select([patient]), training.select([patient]), rules, training=ready, worthwhile=3.0
        )
        assert single[0] == together[i]
    table = verdict_table(together)
    assert set(table["verdict"]) == {"estimate", "withheld"}
    assert table.filter(verdict="withheld")["code"].null_count() == 0
    assert table.height == sum(max(1, len(v.reasons(k))) for v in together for k in (0, 1))
