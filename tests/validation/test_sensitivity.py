"""Sensitivity to unmeasured confounding of average effects, from draws written by hand."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError, SpecError
from medresponse.response import Responses, respond
from medresponse.response.columns import column_owners, main_columns
from medresponse.validation import e_value, robustness_value, sensitivity
from medresponse.validation.observed import observed_strengths
from tests.response_kinds import responses_of
from tests.validation.observational import fit_of, smokers


def weights_of(difference: np.ndarray, *, by_age: float = 0.5) -> tuple[Responses, Cohort]:
    """Responses whose difference in weight is given draw by draw."""
    cohort = smokers(by_age=by_age)
    (low,), (high,) = fit_of(cohort).layout.contrast_matrix
    fit = fit_of(cohort, draws={"contrast 1": difference / (high - low)}, n_draws=len(difference))
    return respond(fit, cohort), cohort


@pytest.fixture(scope="module")
def gained() -> tuple[Responses, Cohort]:
    """3 kg more after quitting, with a standard deviation of 0.45 kg."""
    normal = np.random.default_rng(0).normal(size=400)
    return weights_of(3.0 + 0.45 * (normal - normal.mean()) / normal.std(ddof=1))


def test_a_mean_difference_has_an_e_value_and_a_robustness_value(gained: tuple[Responses, Cohort]) -> None:
    responses, cohort = gained
    row = sensitivity(responses, cohort).effects.row(0, named=True)
    assert (row["treatment"], row["against"]) == ("quit", "stay")
    assert (row["estimate"], row["sd"]) == pytest.approx((3.0, 0.45))
    weight = [cohort.outcome("weight")["value"][cohort.treatment_idx == k] for k in (0, 1)]
    pooled = np.sqrt(sum(((w - w.mean()) ** 2).sum() for w in weight) / 598)
    assert row["ratio"] == pytest.approx(np.exp(0.91 * 3.0 / pooled))
    assert row["e_value"] == pytest.approx(e_value(row["ratio"]))
    assert row["e_value_interval"] == pytest.approx(e_value(row["ratio_lower"]))
    assert row["df"] == 600 - 6  # intercept, treatment, age, sex, two levels of stage
    assert row["robustness"] == pytest.approx(robustness_value(3.0 / 0.45, 594))
    assert row["robustness_interval"] == pytest.approx(robustness_value(3.0 / 0.45, 594, level=0.95))


def test_a_confounder_as_strong_as_age_is_held_against_the_estimate(gained: tuple[Responses, Cohort]) -> None:
    found = sensitivity(*gained)
    by_feature = {row["feature"]: row for row in found.benchmarks.iter_rows(named=True)}
    assert set(by_feature) == {"age", "sex", "stage"}
    assert by_feature["age"]["r2_outcome"] > 10 * by_feature["sex"]["r2_outcome"]
    assert by_feature["age"]["adjusted"] < by_feature["sex"]["adjusted"] < 3.0
    assert by_feature["sex"]["lower"] > 0
    assert "one as strong as any single observed feature would not be enough" in found.sentences[2]


def test_a_weak_effect_falls_to_a_confounder_like_age_and_none_needs_no_explaining() -> None:
    normal = np.random.default_rng(0).normal(size=400)
    weak = sensitivity(*weights_of(0.8 + 0.2 * normal, by_age=1.0))
    assert "a confounder as strong as age would be enough" in weak.sentences[2]
    nothing = sensitivity(*weights_of(0.1 + 0.4 * normal))
    assert nothing.effects["e_value_interval"].to_list() == [1.0]
    assert nothing.effects["robustness_interval"].to_list() == [0.0]
    assert "includes no difference already" in nothing.sentences[0] and len(nothing.sentences) == 1


def test_partial_r2_are_those_of_regressions_without_the_feature() -> None:
    cohort = smokers(200, by_age=0.7, arms=("none", "patch", "gum"))
    fit = fit_of(cohort)
    columns, owners, received = main_columns(fit, cohort), column_owners(fit), cohort.treatment_idx
    weight = cohort.outcome("weight")["value"]
    found = observed_strengths(weight, received, columns, owners, n_treatments=3, reference=0)

    def residual(y: np.ndarray, *parts: np.ndarray) -> float:
        design = np.column_stack([np.ones(len(y)), *parts])
        return float(((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum())

    arms = (received[:, None] == [1, 2]).astype(float)
    for feature in ("age", "stage"):
        others = columns[:, [o != feature for o in owners]]
        with_gum, with_weight = found.strengths[2, feature]
        full, without = residual(weight, arms, columns), residual(weight, arms, others)
        assert with_weight == pytest.approx(1 - full / without)
        full, without = residual(arms[:, 1], arms[:, 0], columns), residual(arms[:, 1], arms[:, 0], others)
        assert with_gum == pytest.approx(1 - full / without)
    assert found.df == 200 - 7


def test_without_degrees_of_freedom_there_is_an_e_value_alone() -> None:
    rng = np.random.default_rng(1)
    args = (rng.normal(size=20), np.arange(20) % 2, rng.normal(size=(20, 30)), [f"g{i}" for i in range(30)])
    found = observed_strengths(*args, n_treatments=2, reference=0)
    assert found.df is None and found.strengths == {} and found.sd > 0
    twice = np.repeat(rng.normal(size=(20, 1)), 2, axis=1)
    assert observed_strengths(*args[:2], twice, ["a", "b"], n_treatments=2, reference=0).df is None


def test_probabilities_and_rates_have_the_e_value_of_their_ratio() -> None:
    for kind, question in (
        ("binary", {}),
        ("count", {}),
        ("competing_risks", {"part": "death", "horizon": 12}),
    ):
        responses, cohort = responses_of(kind, arms=3, **question)
        found = sensitivity(responses, cohort)
        means = responses.mean_over_patients()
        for k, row in enumerate(found.effects.iter_rows(named=True), start=1):
            ratio = np.median(means[k] / means[0])
            assert row["ratio"] == pytest.approx(ratio) and row["e_value"] == pytest.approx(e_value(ratio))
            assert row["robustness"] is None and row["df"] is None
        assert found.benchmarks.height == 0 and len(found.sentences) == 2


def test_where_the_response_is_having_no_event_the_ratio_is_of_the_event() -> None:
    responses, cohort = responses_of("competing_risks", estimand="survival", horizon=12)
    found = sensitivity(responses, cohort, against="B")
    means = 1 - responses.mean_over_patients()
    row = found.effects.row(0, named=True)
    assert (row["treatment"], row["against"]) == ("A", "B")
    assert row["ratio"] == pytest.approx(np.median(means[0] / means[1]))
    assert found.ratio_of == "ratio of average probabilities of the event"


def test_displays_hold_no_patient(gained: tuple[Responses, Cohort]) -> None:
    for responses, cohort in (gained, responses_of("binary")):
        found = sensitivity(responses, cohort)
        for text in (repr(found), found._repr_html_()):
            assert not any(patient in text for patient in cohort.patients)


def test_what_cannot_be_answered_is_refused(gained: tuple[Responses, Cohort]) -> None:
    responses, cohort = responses_of("competing_risks", estimand="rmst", horizon=12)
    with pytest.raises(SpecError, match="mean times"):
        sensitivity(responses, cohort)
    responses, cohort = gained
    with pytest.raises(DataError, match="other patients"):
        sensitivity(responses.select(responses.ids[:50]), cohort)
