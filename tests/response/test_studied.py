"""Counting the training patients who are like a new one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError
from medresponse.families import Gaussian
from medresponse.inference import Fit
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from medresponse.response import Studied, applicability, respond, studied
from medresponse.response.columns import main_columns
from tests.hand_made import hand_made_fit, patients_like, trial_of

SPEC = ModelSpec(family=Gaussian(), blocks={"history": Normal(), "lifestyle": Normal()})
OBSERVATIONAL = replace(SPEC, confounding="measured")
KNOWN = {"coefficients": {}, "intercept": 0.0, "sigma": 1.0}


@pytest.fixture(scope="module")
def training() -> Cohort:
    return trial_of(150, arms=("A", "B", "C"))


@pytest.fixture(scope="module")
def fit(training: Cohort) -> Fit:
    return hand_made_fit(SPEC, training, outcome="score", **KNOWN)


@pytest.fixture(scope="module")
def ready(fit: Fit, training: Cohort) -> Studied:
    return studied(fit, training)


def test_effective_numbers_are_kishs_of_epanechnikovs_weights_by_a_second_computation(
    fit: Fit, training: Cohort, ready: Studied
) -> None:
    columns = main_columns(fit, training)
    inverse = np.linalg.inv(np.cov(columns.T) + 1e-3 * np.eye(columns.shape[1]))
    difference = columns[:, None] - columns[None]
    distance = np.sqrt(np.einsum("ijp,pq,ijq->ij", difference, inverse, difference))
    reach = np.quantile(distance[np.triu_indices(len(columns), 1)], 0.3)
    found = ready.similar(columns, training.patients, share=0.3)
    for i in (0, 40, 149):
        weights = np.clip(1 - (distance[i] / reach) ** 2, 0, None)
        weights[i] = 0.0  # nobody is similar to himself
        for k in range(3):
            own = weights[training.treatment_idx == k]
            expected = own.sum() ** 2 / (own**2).sum() if own.any() else 0.0
            assert found[i, k] == pytest.approx(expected, rel=1e-6)


def test_patients_who_are_not_in_training_are_like_all_of_it(
    fit: Fit, training: Cohort, ready: Studied
) -> None:
    columns = main_columns(fit, training)[:1]
    itself, twin = (ready.similar(columns, (name,), share=0.3) for name in (training.patients[0], "new"))
    assert twin[0, training.treatment_idx[0]] > itself[0, training.treatment_idx[0]]


def test_nobody_is_similar_to_a_patient_far_away(fit: Fit, training: Cohort, ready: Studied) -> None:
    new = patients_like(training, [{"age": 400.0}])
    assert applicability(respond(fit, new), new, "N0", training=ready).similar == (0.0, 0.0, 0.0)


def test_an_option_that_patients_like_this_one_did_not_get_has_no_similar_patients(training: Cohort) -> None:
    women_not_on_c = training.where(
        ~((pl.col("sex").cast(pl.String) == "f") & (pl.col("arm").cast(pl.String) == "C"))
    )
    fit = hand_made_fit(SPEC, women_not_on_c, outcome="score", **KNOWN)
    new = patients_like(training, [{"sex": "f"}, {"sex": "m"}])
    ready, responses = studied(fit, women_not_on_c), respond(fit, new)
    woman, man = (
        applicability(responses, new, i, training=ready, similar_share=0.1).similar for i in ("N0", "N1")
    )
    assert woman is not None and man is not None
    assert woman[2] < 0.2 * woman[0] and man[2] > 0.5 * man[0]


def test_only_where_options_were_chosen_is_there_a_propensity(training: Cohort) -> None:
    cohort = trial_of(150, assignment="observational")
    fit = hand_made_fit(OBSERVATIONAL, cohort, outcome="score", **KNOWN)
    responses = respond(fit, cohort)
    chances = applicability(responses, cohort, "P000", training=studied(fit, cohort)).propensity
    assert chances is not None and sum(chances) == pytest.approx(1.0)
    assert applicability(responses, cohort, "P000").propensity is None
    random = hand_made_fit(SPEC, training, outcome="score", **KNOWN)
    assert (
        applicability(
            respond(random, training), training, "P000", training=studied(random, training)
        ).propensity
        is None
    )


def test_the_average_is_over_all_training_patients_and_computed_once(
    fit: Fit, training: Cohort, ready: Studied
) -> None:
    new = respond(fit, patients_like(training, [{}]))
    average = ready.average(new)
    np.testing.assert_allclose(average, respond(fit, training).mean_over_patients())
    assert ready.average(new) is average


def test_without_features_everybody_is_similar(training: Cohort) -> None:
    bare = hand_made_fit(replace(SPEC, blocks={}), training, outcome="score", **KNOWN)
    new = patients_like(training, [{}])
    assert applicability(respond(bare, new), new, "N0", training=studied(bare, training)).similar == (
        50.0,
        50.0,
        50.0,
    )


def test_another_cohort_is_refused(fit: Fit) -> None:
    with pytest.raises(DataError, match="not the cohort that the model learned from"):
        studied(fit, trial_of(80))
