"""The value of rules: by hand, by an independent formula, and against the truth of made-up patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError, SpecError
from medresponse.decisions import (
    CategoryUtility,
    Decision,
    ExpectedUtility,
    Harm,
    HighestUtility,
    Rate,
    Reason,
    TreatAll,
    Verdict,
    decide,
    rule_value,
    true_value,
    value_of_choices,
)
from medresponse.features import fit_propensity
from medresponse.response import main_columns, respond
from medresponse.validation import Known, known
from tests import response_kinds
from tests.decisions.made import responses_of
from tests.hand_made import trial_of
from tests.validation.observational import fit_of, smokers

TRAINED = trial_of(40, seed=9)


def patients(n: int, scores: np.ndarray | None = None, **changes: object) -> Cohort:
    cohort = trial_of(n, seed=2)
    table = cohort.table if scores is None else cohort.table.with_columns(score=pl.Series(scores))
    return replace(cohort, table=table.with_columns(**changes))


def decision_on(cohort: Cohort, *, age: float = 0.0, modifier: float = 6.0, **options: object) -> Decision:
    """B is better than A for the older half, by `modifier` points a standard deviation of age."""
    values = np.stack([np.full(4, 50.0), np.full(4, 50.0)])
    responses = responses_of(
        values, trained_on=TRAINED, cohort=cohort, coefficients={"age": age, "contrast 1 x age": modifier}
    )
    return decide(responses, **options)  # type: ignore[arg-type]


def row_of(table: pl.DataFrame, name: str) -> dict[str, float]:
    return table.filter(pl.col(table.columns[0]) == name).row(0, named=True)


def test_four_patients_by_hand() -> None:
    """phi_i(k) = m_i(k) + 1[A_i = k] (Y_i - m_i(k)) / e(k), with m = 50, e = 1/4 for A and 3/4 for B."""
    age = TRAINED.table["age"].mean()
    cohort = patients(
        4, np.array([40.0, 56.0, 54.0, 62.0]), arm=pl.Series(["A", "B", "A", "B"]).cast(pl.Enum(["A", "B"])),
        age=pl.Series([age] * 4),
    )  # fmt: skip
    decision = decision_on(cohort, rule=TreatAll(treatment="B"))
    found = rule_value(decision, cohort, propensity={"A": 0.25, "B": 0.75})
    a = np.array([50 - 10 * 4, 50, 50 + 4 * 4, 50.0])
    b = np.array([50, 50 + 6 / 0.75, 50, 50 + 12 / 0.75])
    assert row_of(found.values, "rule")["value"] == pytest.approx(b.mean())
    assert row_of(found.values, "all on A")["value"] == pytest.approx(a.mean())
    assert row_of(found.values, "all on A")["se"] == pytest.approx(a.std(ddof=1) / 2)
    gain = row_of(found.differences, "all on A")
    assert gain["difference"] == pytest.approx((b - a).mean())
    assert gain["se"] == pytest.approx((b - a).std(ddof=1) / 2)
    assert gain["upper"] - gain["lower"] == pytest.approx(2 * norm.ppf(0.975) * gain["se"])
    same = row_of(found.differences, "all on B")
    assert (same["difference"], same["se"]) == pytest.approx((0.0, 0.0))
    assert (
        found.agreement == 0.5
        and found.smallest_propensity == 0.25
        and found.effective_n == pytest.approx(2.0)
    )
    # By weights alone: 40 and 54, 56 and 62 count alike within an arm.
    weighed = rule_value(decision, cohort, propensity={"A": 0.25, "B": 0.75}, method="ipw")
    assert row_of(weighed.values, "rule")["value"] == pytest.approx(59.0)
    assert row_of(weighed.values, "all on A")["value"] == pytest.approx(47.0)
    # Influence values 2 (Y - 59) for the two who received B, 0 for the others.
    assert row_of(weighed.values, "rule")["se"] == pytest.approx(np.std([-6.0, 6.0, 0, 0], ddof=1) / 2)


@pytest.mark.parametrize("method", ["aipw", "ipw"])
def test_a_wrong_model_and_a_known_propensity_find_the_truth(method: str) -> None:
    n, rng = 6000, np.random.default_rng(5)
    cohort = patients(n)
    x = (cohort.table["age"].to_numpy() - TRAINED.table["age"].mean()) / TRAINED.table["age"].std(ddof=0)  # type: ignore[operator]
    p = 1 / (1 + np.exp(-0.8 * x))  # the older get B more often
    received = (rng.random(n) < p).astype(int)
    benefit = 4 * x + 1.0
    score = 30 + 5 * x**2 + received * benefit + rng.normal(0, 3, n)  # the model knows nothing of the curve
    cohort = patients(n, score, arm=pl.Series(np.array(["A", "B"])[received]).cast(pl.Enum(["A", "B"])))
    decision = decision_on(cohort, age=-2.0, modifier=6.0)
    chosen = decision.chosen_idx
    np.testing.assert_array_equal(chosen, x > 0)
    found = rule_value(decision, cohort, propensity=np.column_stack([1 - p, p]), method=method)  # type: ignore[arg-type]
    truth = 30 + 5 * x**2 + np.stack([0 * x, benefit], axis=1)[np.arange(n), chosen]
    for name, mean in (("rule", truth.mean()), ("all on A", (30 + 5 * x**2).mean())):
        row = row_of(found.values, name)
        assert abs(row["value"] - mean) < 4 * row["se"] < 2.5
    gain = row_of(found.differences, "all on B")
    assert abs(gain["difference"] - np.where(x > 0, 0.0, -benefit).mean()) < 4 * gain["se"] < 1.5
    # Taken as randomised the comparison is confounded, and wrong by far more than its error.
    naive = row_of(rule_value(decision, cohort, method="ipw").values, "all on B")
    assert abs(naive["value"] - (30 + 5 * x**2 + benefit).mean()) > 6 * naive["se"]


def test_against_the_best_single_treatment() -> None:
    rng = np.random.default_rng(3)
    cohort = patients(300, rng.normal(50, 5, 300))
    found = rule_value(decision_on(cohort), cohort)
    rows, best = found.differences.head(2), found.differences.row(2, named=True)
    assert best["difference"] == rows["difference"].min() and best["se"] is None
    assert best["lower"] == rows["lower"].min()
    wide = rows["difference"] + norm.ppf(1 - 0.025 / 2) * rows["se"]
    assert best["upper"] == pytest.approx(wide.min())


def test_the_interval_against_the_best_covers_when_all_treatments_are_alike() -> None:
    """Both treatments are worth the same, so is every rule: the true difference is zero."""
    covered = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        cohort = patients(120, rng.normal(50, 5, 120))
        if seed == 0:
            decision = decision_on(cohort)
        best = rule_value(decision, cohort).differences.row(2, named=True)
        covered += best["lower"] <= 0 <= best["upper"]
    # Of 30 intervals that cover in at least 95 of 100, 24 or fewer do so once in 300 times.
    assert covered >= 25


def test_lower_is_better_values_are_not_signed_and_differences_are() -> None:
    training = trial_of(40, seed=9, direction="lower_is_better")
    cohort = trial_of(200, seed=2, direction="lower_is_better")
    responses = responses_of(np.array([[60.0, 60.0], [40.0, 40.0]]), trained_on=training, cohort=cohort)
    found = rule_value(decide(responses), cohort)
    means = [cohort.table.filter(arm=arm)["score"].mean() for arm in "AB"]
    values = [row_of(found.values, f"all on {arm}")["value"] for arm in "AB"]
    # A constant prediction cancels where the propensity is the share that was observed.
    assert values == pytest.approx(means)
    assert row_of(found.values, "rule")["value"] == pytest.approx(means[1])
    assert row_of(found.differences, "all on A")["difference"] == pytest.approx(means[0] - means[1])  # type: ignore[operator]


def test_utility_takes_off_harms_and_what_is_not_known_of_them() -> None:
    cohort = patients(200, np.random.default_rng(1).normal(50, 5, 200))
    rates = {"A": Rate(mean=0.1, lower=0.1, upper=0.1), "B": Rate(mean=0.4, lower=0.2, upper=0.6)}
    harm = Harm(name="rash", rates=rates, source="trial")
    responses = responses_of(np.full((2, 400), 50.0), trained_on=TRAINED, cohort=cohort)
    utility = ExpectedUtility(burden={"B": 1.0}, harm_weights={"rash": 10.0})
    decision = decide(responses, utility, harms=[harm], rule=TreatAll(treatment="B"))
    plain, net = (rule_value(decision, cohort, scale=scale) for scale in ("response", "utility"))  # type: ignore[arg-type]
    loss = decision.losses.mean(axis=1)
    for name, k in (("all on A", 0), ("rule", 1)):
        assert row_of(net.values, name)["value"] == pytest.approx(
            row_of(plain.values, name)["value"] - loss[k]
        )
    spread = decision.losses[1].std()
    assert row_of(net.values, "rule")["se"] == pytest.approx(
        np.hypot(row_of(plain.values, "rule")["se"], spread)
    )
    assert row_of(net.values, "all on A")["se"] == pytest.approx(row_of(plain.values, "all on A")["se"])


def test_patients_without_a_recommendation_count_as_on_the_reference() -> None:
    cohort = patients(60)
    plain = decision_on(cohort)
    why = (Reason(code="jointly_outside"),)
    verdicts = [
        Verdict(patient=p, treatments=("A", "B"), reference="A", shared=why if i < 20 else (), own=((), ()))
        for i, p in enumerate(cohort.patients)
    ]
    abstaining = decision_on(cohort, verdicts=verdicts)
    np.testing.assert_array_equal(abstaining.chosen_idx, np.where(np.arange(60) < 20, 0, plain.chosen_idx))
    assert any(
        "withheld for 20 patients, who count as on A" in n for n in rule_value(abstaining, cohort).notes
    )
    assert not any("withheld" in note for note in rule_value(plain, cohort).notes)


def test_folds_join_to_one_value() -> None:
    cohort = patients(60)
    halves = [cohort.where(np.arange(60) % 2 == k) for k in (1, 0)]
    whole = rule_value(decision_on(cohort), cohort)
    joined = rule_value([decision_on(half) for half in halves], cohort)
    assert joined.values.equals(whole.values) and joined.differences.equals(whole.differences)
    with pytest.raises(DataError, match="each patient of the cohort is to be decided on once"):
        rule_value(decision_on(halves[0]), cohort)
    other = decision_on(halves[1], rule=HighestUtility(margin=1.0))
    with pytest.raises(SpecError, match="not of one question"):
        rule_value([decision_on(halves[0]), other], cohort)


def test_training_patients_are_refused_unless_asked_for() -> None:
    decision = decision_on(TRAINED)
    with pytest.raises(DataError, match="learned from"):
        rule_value(decision, TRAINED)
    assert any("optimistic" in note for note in rule_value(decision, TRAINED, in_sample=True).notes)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"A": 0.5}, "none for B"),
        ({"A": 0.5, "b": 0.5}, "no treatment 'b'; did you mean 'B'"),
        ({"A": 0.5, "B": 0.6}, "sum to one"),
        ({"A": 0.0, "B": 1.0}, "between 0 and 1"),
        (np.full((3, 2), 0.5), "shape"),
    ],
)
def test_impossible_propensities_are_refused(given: object, words: str) -> None:
    cohort = patients(40)
    with pytest.raises(DataError, match=words):
        rule_value(decision_on(cohort), cohort, propensity=given)  # type: ignore[arg-type]


def test_an_arm_nobody_received_is_refused() -> None:
    cohort = patients(40)
    alone = cohort.where(pl.col("arm") == "A")
    with pytest.raises(DataError, match="nobody received B"):
        rule_value(decision_on(alone), alone)


@pytest.mark.parametrize("score", [True, False])
def test_observational_patients_are_weighed_by_a_propensity_score(score: bool) -> None:
    training, cohort = (smokers(800, by_age=1.0, seed=seed) for seed in (2, 3))
    sided = [replace(c, schema=_higher(c)) for c in (training, cohort)]
    fit = fit_of(sided[0], score=score)
    decision = decide(respond(fit, sided[1], draws=None), rule=TreatAll(treatment="quit"))
    found = rule_value(decision, sided[1], method="ipw")
    assert any("no confounder is unmeasured" in note for note in found.notes)
    assert found.notes[0].startswith("treatment probabilities: propensity score ")
    # Weight is 3 kg higher after quitting; without weights age adds a good kilogram.
    gain = row_of(found.differences, "all on stay")
    assert abs(gain["difference"] - 3.0) < 3 * gain["se"] < 2.5
    if score:
        p = fit_propensity(main_columns(fit, sided[0]), sided[0].treatment_idx, sided[0].treatments)
        assert found.smallest_propensity == pytest.approx(p.probabilities(main_columns(fit, sided[1])).min())


def _higher(cohort: Cohort) -> object:
    outcome = replace(cohort.schema.outcomes["weight"], direction="higher_is_better")  # type: ignore[type-var]
    return replace(cohort.schema, outcomes={"weight": outcome})


def test_exact_value_by_hand_and_its_refusals() -> None:
    worth = np.array([[1.0, 3.0], [2.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    found = value_of_choices(np.array([1, 1, 0, 0]), worth)
    assert (found.value, found.best_single, found.oracle, found.best_treatment) == (0.75, 1.0, 1.5, 1)
    assert (found.regret, found.gain) == pytest.approx((0.75, -0.25))
    assert found.regret_se == pytest.approx(np.std([0, 2, 1, 0], ddof=1) / 2)
    assert found.gain_se == pytest.approx(np.std([0, 0, -1, 0], ddof=1) / 2)

    cohort = patients(4)
    decision = decision_on(cohort)
    truth = Known(mean=worth, treatments=("A", "B"))
    exact = true_value(decision, truth)
    assert exact.value == pytest.approx(worth[np.arange(4), decision.chosen_idx].mean())
    with pytest.raises(DataError, match="without truth"):
        true_value(decision, None)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="comes without truth"):
        true_value(decision, known(None))
    with pytest.raises(DataError, match="truth of shape"):
        true_value(decision, Known(mean=worth[:3], treatments=("A", "B")))
    with pytest.raises(DataError, match="which side is better"):
        true_value(decision, replace(truth, direction=-1))
    assert true_value(decision, replace(truth, patients=cohort.patients)) == exact
    with pytest.raises(DataError, match="in another order"):
        true_value(decision, replace(truth, patients=tuple(reversed(cohort.patients))))


def test_exact_value_is_signed_back_and_net_of_losses() -> None:
    worth = np.array([[1.0, 3.0], [2.0, 0.0]])
    training = trial_of(40, seed=9, direction="lower_is_better")
    cohort = trial_of(2, seed=2, direction="lower_is_better")
    responses = responses_of(np.array([[60.0, 60.0], [40.0, 40.0]]), trained_on=training, cohort=cohort)
    decision = decide(responses, ExpectedUtility(burden={"B": 0.25}))
    truth = Known(mean=-worth, treatments=("A", "B"), direction=-1)
    found, net = true_value(decision, truth), true_value(decision, truth, scale="utility")
    assert (found.value, found.oracle, found.regret) == pytest.approx((-1.5, -2.5, 1.0))
    assert (net.value, net.oracle) == pytest.approx((1.25, (2.75 + 2.0) / 2))


def test_weights_of_categories_are_valued_by_the_categories_observed() -> None:
    responses, cohort = response_kinds.responses_of("ordinal", estimand="at_least", part="SD")
    utility = CategoryUtility(categories={"PD": 0.0, "SD": 0.6, "CR": 1.0}, burden={"B": 0.1})
    decision = decide(responses, utility, rule=TreatAll(treatment="B"))
    found = rule_value(decision, cohort, scale="utility", method="ipw", in_sample=True)
    column = cohort.outcome_schema(responses.fit.outcome).column  # type: ignore[attr-defined]
    weights = cohort.table[column].cast(pl.String).replace_strict({"PD": 0.0, "SD": 0.6, "CR": 1.0})
    own = weights.filter(cohort.table["arm"] == "B")
    assert row_of(found.values, "rule")["value"] == pytest.approx(own.mean() - 0.1)  # type: ignore[operator]
    with pytest.raises(SpecError, match="mean responses do not tell"):
        true_value(decision, Known(mean=np.zeros((cohort.n, 2)), treatments=("A", "B")), scale="utility")
