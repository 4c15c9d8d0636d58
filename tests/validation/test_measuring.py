"""The gate itself is tested: models that are broken on purpose fail it, the clean one passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from medresponse.cohort import Cohort, random_folds
from medresponse.core.errors import DataError, SpecError
from medresponse.inference import Fit
from medresponse.response import respond
from medresponse.validation import GateLimits, HeldOut, ValidationRecord, held_out, make_record
from medresponse.validation.estimates import area_under_curve, concordance, pit_distance
from medresponse.validation.held_out import feature_columns
from tests.hand_made import trial_of
from tests.response_kinds import responses_of
from tests.validation.closed_form import fitted, swapped, trial

WORTHWHILE = {"continuous": 0.3, "binary": 0.1}


def held(cohort: Cohort, fit: Callable[[Cohort], Fit] = fitted) -> HeldOut:
    """Five-fold held-out predictions by refits."""
    fold = random_folds(cohort, folds=5, seed=1)
    masks = [fold == k for k in range(5)]
    fits = [fit(cohort.where(~mask)) for mask in masks]
    responses = respond(fit(cohort), cohort)
    return held_out(responses, fits, cohort, masks, method="5-fold cross-validation", seed=1)


def record(cohort: Cohort, fit: Callable[[Cohort], Fit] = fitted, **options: Any) -> ValidationRecord:
    smallest = WORTHWHILE[cohort.schema.outcomes["y"].kind]
    return make_record(held(cohort, fit), **{"worthwhile": smallest} | options)


@pytest.fixture(scope="module", params=["continuous", "binary"])
def randomised(request: pytest.FixtureRequest) -> Cohort:
    return trial(1000, kind=request.param)


@pytest.fixture(scope="module", params=["continuous", "binary"])
def observational(request: pytest.FixtureRequest) -> Cohort:
    return trial(1000, kind=request.param, observational=True)


def test_the_clean_model_passes(randomised: Cohort, observational: Cohort) -> None:
    for cohort in (randomised, observational):
        made = record(cohort)
        assert made.passed and made.failures == ()
        assert {g.name for g in made.gates} >= {
            "sampler", "calibration_in_the_large", "calibration_slope", "calibration_curve", "benefit_in_the_large",
            "benefit_slope", "concordance", "skill", "interval_width",
        }  # fmt: skip


# What is wrong -> the gates that must see it.
BROKEN: dict[str, tuple[Callable[[Cohort], Fit], set[str]]] = {
    "arms exchanged": (
        lambda c: fitted(swapped(c)),
        {"calibration_in_the_large", "calibration_slope", "benefit_in_the_large", "benefit_slope"},
    ),
    "a prior that lets nothing matter": (lambda c: fitted(c, prior_sd=0.02), {"calibration_slope", "benefit_in_the_large"}),
    "a prior in the wrong place": (lambda c: fitted(c, prior_sd=0.1, prior_mean=1.2), {"benefit_slope"}),
    "posterior intervals of half their width": (lambda c: fitted(c, narrow=0.5), {"interval_width"}),
    "posterior intervals of no width": (lambda c: fitted(c, narrow=0.0), {"interval_width"}),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_model_broken_on_purpose_fails_the_gates_that_are_there_for_it(
    randomised: Cohort, name: str
) -> None:
    fit, seen_by = BROKEN[name]
    made = record(randomised, fit)
    assert not made.passed
    assert {g.name for g in made.gates if not g.passed} >= seen_by


@pytest.mark.parametrize("seed", [1010, 1011, 1036])
def test_a_clean_model_is_not_failed_where_the_treatment_does_the_same_for_all(seed: int) -> None:
    """Refits run against the patients left out: without a true slope to speak of, that alone makes it negative."""
    made = record(trial(1000, kind="binary", seed=seed, effect=0.0, modification=0.0))
    slope = next(gate for gate in made.gates if gate.name == "benefit_slope")
    assert slope.measured is not None and slope.measured < 0
    assert made.failures == ()


def test_predictive_intervals_of_half_their_width_fail() -> None:
    made = record(trial(1000), lambda c: fitted(c, sigma=0.5))
    assert {g.name for g in made.gates if not g.passed} == {"predictive_distribution", "predictive_coverage"}


def test_confounding_by_a_recorded_feature_that_the_model_left_out_fails(observational: Cohort) -> None:
    made = record(observational, lambda c: fitted(c, blocks=("lifestyle",)))
    assert "benefit_in_the_large" in {g.name for g in made.gates if not g.passed}


def test_a_fit_or_refit_that_fails_its_diagnostics_fails_the_gate() -> None:
    whole = held(trial(1000))
    broken = replace(whole.fits[2].diagnostics, divergences=7)
    fits = tuple(replace(f, diagnostics=broken) if i == 2 else f for i, f in enumerate(whole.fits))
    made = make_record(replace(whole, fits=fits), worthwhile=0.3)
    assert [(g.name, g.measured, g.reason) for g in made.gates if not g.passed] == [
        ("sampler", 1.0, "diagnostics")
    ]


def test_few_patients_validate_nothing() -> None:
    made = record(trial(60, kind="binary"))
    assert not made.passed
    assert any(g.reason == "too_few" for g in made.gates)


@pytest.mark.parametrize("spoiled", ["predicted", "observed", "propensity"])
def test_a_nan_among_the_predictions_or_outcomes_passes_no_gate_that_uses_it(spoiled: str) -> None:
    whole = held(trial(1000))
    if spoiled == "observed":
        assert whole.observed is not None
        value = whole.observed.value.copy()
        value[7] = np.nan
        changed = replace(whole, observed=replace(whole.observed, value=value))
    else:
        array = getattr(whole, spoiled).copy()
        array[7] = np.nan
        changed = replace(whole, **{spoiled: array})
    made = make_record(changed, worthwhile=0.3)
    failed = {g.name for g in made.gates if not g.passed}
    assert "benefit_in_the_large" in failed and not made.passed
    if spoiled != "propensity":
        assert failed >= {
            "calibration_in_the_large",
            "calibration_slope",
            "calibration_curve",
            "concordance",
            "skill",
        }


def test_limits_decide_and_are_part_of_the_record() -> None:
    cohort = trial(1000)
    strict = GateLimits(gap_resolution=0.001)
    made = record(cohort, limits=strict)
    assert made.limits == strict and {g.reason for g in made.gates if not g.passed} == {"too_few"}
    assert made.config_hash != record(cohort).config_hash


def test_a_record_says_what_it_is_of() -> None:
    cohort = trial(1000)
    made = record(cohort, days=30)
    fit = fitted(cohort)
    assert (made.model_hash, made.data_hash) == (fit.provenance.spec_hash, cohort.fingerprint)
    assert (
        made.question.worthwhile == 0.3
        and made.n_patients == 1000
        and made.validated_in == cohort.fingerprint
    )
    assert made.table().height == len(made.gates)
    for broken in ({"worthwhile": None}, {"worthwhile": 0.0}, {"worthwhile": float("nan")}, {"days": 0}):
        with pytest.raises(SpecError):
            record(cohort, **broken)


def test_masks_must_divide_the_patients() -> None:
    cohort = trial(40)
    responses, n = respond(fitted(cohort), cohort), cohort.n
    for masks in ([np.zeros(n, bool)], [np.ones(n, bool), np.ones(n, bool)], [np.arange(n) < 3]):
        with pytest.raises(DataError, match="each patient once"):
            held_out(responses, [responses.fit] * len(masks), cohort, masks, method="", seed=1)
    only = cohort.where(cohort.treatment_idx == 0)
    with pytest.raises(DataError, match="given to nobody"):
        held_out(responses, [responses.fit], only, [np.ones(only.n, bool)], method="", seed=1)


@pytest.mark.parametrize(
    ("kind", "question"),
    [
        ("binary", {}), ("ordinal", {"estimand": "at_least", "part": "SD"}), ("ordinal", {"estimand": "category", "part": "CR"}),
        ("count", {"estimand": "rate"}), ("count", {"estimand": "count", "horizon": 2.0}),
        ("cured", {"estimand": "survival", "horizon": 6.0}), ("cured", {"estimand": "rmst", "horizon": 6.0}),
        ("competing_risks", {"estimand": "cumulative_incidence", "part": "relapse", "horizon": 6.0}),
        ("competing_risks", {"estimand": "time_lost", "part": "relapse", "horizon": 6.0}),
    ],
)  # fmt: skip
def test_every_question_with_an_observed_counterpart_is_measured(kind: str, question: dict[str, Any]) -> None:
    responses, cohort = responses_of(kind, **question)
    whole = held_out(responses, [responses.fit], cohort, [np.ones(cohort.n, bool)], method="", seed=1)
    assert whole.observed is not None and whole.spread is None
    made = make_record(whole, worthwhile=0.01)
    measured = [g for g in made.gates if g.measured is not None]
    assert {g.name for g in measured} >= {
        "calibration_in_the_large",
        "benefit_in_the_large",
        "concordance",
        "skill",
    }


def test_a_question_that_no_outcome_answers_cannot_pass() -> None:
    responses, cohort = responses_of("cured", estimand="cured")
    whole = held_out(responses, [responses.fit], cohort, [np.ones(cohort.n, bool)], method="", seed=1)
    made = make_record(whole, worthwhile=0.05)
    gate = next(g for g in made.gates if g.name == "calibration_in_the_large")
    assert not made.passed and gate.reason == "not_measured"


# The parts.


def test_the_area_under_the_curve_is_that_of_pairs() -> None:
    rng = np.random.default_rng(3)
    predicted, event = rng.integers(0, 6, 80).astype(float), rng.random(80) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in predicted[event] for b in predicted[~event]]
    assert area_under_curve(predicted, event.astype(float)) == pytest.approx(np.mean(pairs))
    assert np.isnan(area_under_curve(predicted, np.ones(80)))


def test_concordance_counts_pairs_of_different_outcomes() -> None:
    rng = np.random.default_rng(4)
    predicted, value = rng.integers(0, 9, 60).astype(float), rng.integers(0, 9, 60).astype(float)
    pairs = [
        (predicted[i] > predicted[j]) + 0.5 * (predicted[i] == predicted[j])
        for i in range(60) for j in range(60) if value[i] > value[j]
    ]  # fmt: skip
    assert concordance(predicted, value) == pytest.approx(np.mean(pairs))
    assert concordance(np.zeros(60), value) == 0.5 and np.isnan(concordance(predicted, np.zeros(60)))


def test_the_distance_of_pit_values_is_kolmogorovs_where_nothing_is_censored() -> None:
    pit = np.random.default_rng(5).beta(2.0, 2.0, 500)
    distance, lower, upper = pit_distance(pit, np.zeros(500), np.ones(500, bool), 0.95)
    # The last step, whose variance is not known, is left out.
    assert distance == pytest.approx(kstest(pit, "uniform").statistic, abs=1e-3)
    assert upper - distance == pytest.approx(1.358 / np.sqrt(500), abs=1e-3) and lower > 0


def test_censored_pit_values_of_a_right_law_are_uniform_and_of_a_wrong_one_are_not() -> None:
    rng = np.random.default_rng(6)
    n = 4000
    event, until, entry = (
        rng.exponential(10.0, n),
        rng.uniform(1.0, 20.0, n),
        rng.uniform(0.0, 2.0, n) * (rng.random(n) < 0.5),
    )
    there = np.minimum(event, until) > entry
    time, seen, entry = np.minimum(event, until)[there], (event <= until)[there], entry[there]
    for scale, right in ((10.0, True), (20.0, False)):
        law = (1 - np.exp(-time / scale), 1 - np.exp(-entry / scale), seen)
        distance, lower, _ = pit_distance(*law, 0.99)
        assert (lower == 0.0) is right and (distance < 0.04) is right


def test_pit_values_are_looked_at_only_as_far_as_patients_are_followed() -> None:
    rng = np.random.default_rng(7)
    event = rng.exponential(10.0, 1000)
    followed = np.where(np.arange(1000) < 5, 100.0, 1.5)  # five patients far beyond the others
    time, seen = np.minimum(event, followed), event <= followed
    _, lower, upper = pit_distance(1 - np.exp(-time / 10.0), np.zeros(1000), seen, 0.99)
    assert lower == 0.0 and upper < 0.2


def test_feature_columns_take_every_type_and_what_is_missing() -> None:
    cohort = trial_of(60, missing={"age": 5, "smoking": 4})
    columns = feature_columns(cohort)
    assert np.isfinite(columns).all() and np.linalg.matrix_rank(columns) >= 8
    np.testing.assert_allclose(columns.mean(axis=0), 0.0, atol=1e-12)


def test_one_fit_to_few_patients_is_allowed_the_error_that_its_posterior_owns_up_to() -> None:
    """In new patients the intervals of what is measured hold the ideal as often as they say, 18 or more times of 20."""
    wanted = [("calibration_in_the_large", "B"), ("calibration_slope", ""), ("benefit_in_the_large", "B")]
    found = []
    for seed in range(20):
        fit, others = fitted(trial(150, seed=seed)), trial(500, seed=1000 + seed)
        everybody = [np.ones(500, bool)]
        whole = held_out(respond(fit, others), [fit], others, everybody, method="", seed=1)
        assert whole.doubt is not None and whole.spread is None
        made = make_record(whole, worthwhile=0.3, limits=GateLimits(level=0.99))
        gates = {(g.name, g.of): (g.lower, g.ideal[0], g.upper) for g in made.gates}
        found.append([gates[name] for name in wanted])
    lower, ideal, upper = np.moveaxis(np.array(found, dtype=float), -1, 0)
    assert ((lower <= ideal) & (ideal <= upper)).mean(axis=0).min() >= 0.9
    # Without it they would not: what 150 patients leave unknown is more than the noise of 500.
    assert ((lower + upper) / 2).std(axis=0)[0] > 1.5 / np.sqrt(250)
