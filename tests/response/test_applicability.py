"""Whether the model applies to a patient: ranges, levels, distance, missing inputs, new sites."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort, cohort_from_frame
from medresponse.core.errors import UnknownPatientError
from medresponse.families import Gaussian
from medresponse.inference import Fit
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from medresponse.response import Applicability, applicability, respond
from tests.hand_made import frame_of, hand_made_fit, patients_like, schema_of, trial_of


@pytest.fixture(scope="module")
def training() -> Cohort:
    """Two hundred patients, none of them a current smoker."""
    return trial_of(300).where(pl.col("smoking").cast(pl.String) != "current")


@pytest.fixture(scope="module")
def fit(training: Cohort) -> Fit:
    spec = ModelSpec(
        family=Gaussian(), blocks={"history": Normal(), "lifestyle": Normal()}, pooling=("site",)
    )
    return hand_made_fit(
        spec,
        training,
        outcome="score",
        coefficients={},
        intercept=0.0,
        sigma=1.0,
        site_scale=0.1,
        site_treatment_scale=0.1,
    )


def check(fit: Fit, training: Cohort, **row: Any) -> Applicability:
    typical = {"age": 60.0, "sex": "f", "stage": "2", "smoking": "never", "site": "north"}
    new = patients_like(training, [typical | row])
    return applicability(respond(fit, new), new, "N0")


def test_a_typical_patient_is_within(fit: Fit, training: Cohort) -> None:
    found = check(fit, training)
    assert found.within and found.n_inputs == 4
    assert (found.outside, found.unusual_levels, found.missing, found.new_groups) == ((), (), (), ())


@pytest.mark.parametrize("side", ["low", "high"])
def test_a_value_beyond_the_central_98_percent_is_named_and_the_limits_themselves_are_inside(
    fit: Fit, training: Cohort, side: str
) -> None:
    limit = np.percentile(training.table["age"].to_numpy(), {"low": 1, "high": 99}[side])
    beyond = np.nextafter(limit, -np.inf if side == "low" else np.inf)
    assert check(fit, training, age=float(limit)).outside == ()
    found = check(fit, training, age=float(beyond))
    assert found.outside == ("age",) and not found.within


def test_a_level_that_training_hardly_saw_is_named(fit: Fit, training: Cohort) -> None:
    found = check(fit, training, smoking="current")
    assert found.unusual_levels == ("smoking",) and not found.within


@pytest.mark.parametrize(("share", "unusual"), [(0.0099, True), (0.01, False)])
def test_a_level_is_unusual_if_fewer_than_one_in_a_hundred_had_it(
    fit: Fit, training: Cohort, share: float, unusual: bool
) -> None:
    features = tuple(
        replace(f, shares=(share, 1 - share)) if f.name == "sex" else f for f in fit.encoding.features
    )
    other = replace(fit, encoding=replace(fit.encoding, features=features))
    assert check(other, training, sex="f").unusual_levels == (("sex",) if unusual else ())


def test_missing_inputs_are_named_and_do_not_put_a_patient_outside(fit: Fit, training: Cohort) -> None:
    found = check(fit, training, age=None, stage=None)
    assert found.missing == ("age", "stage") and found.n_inputs == 4
    assert found.within


def test_a_site_that_training_never_saw_is_named(fit: Fit, training: Cohort) -> None:
    assert check(fit, training, site="elsewhere").new_groups == ("site",)


def test_a_nested_group_is_new_if_training_never_saw_that_combination() -> None:
    schema = replace(schema_of(), sites=("country", "site"))
    two = cohort_from_frame(frame_of(60).with_columns(country=pl.Series(["X", "Y"] * 30)), schema)
    nested = ModelSpec(family=Gaussian(), blocks={"history": Normal()}, pooling=("country", "country/site"))
    of_two = hand_made_fit(
        nested, two.where(~((pl.col("country") == "X") & (pl.col("site") == "north"))), outcome="score",
        coefficients={}, intercept=0.0, sigma=1.0, country_scale=0.1, country_treatment_scale=0.1,
        country_in_site_scale=0.1, country_in_site_treatment_scale=0.1,
    )  # fmt: skip
    new = patients_like(two, [{"country": "X", "site": "north"}, {"country": "Y", "site": "north"}])
    responses = respond(of_two, new)
    assert applicability(responses, new, "N0").new_groups == ("country/site",)
    assert applicability(responses, new, "N1").new_groups == ()


def test_the_distance_percentile_is_the_share_of_training_patients_nearer_the_centre(
    fit: Fit, training: Cohort
) -> None:
    """Mahalanobis distances by a second formula, on the training patients themselves."""
    columns = fit.encoding.columns(fit.encoding.codes(training))
    covariance = np.cov(columns.T) + 1e-3 * np.eye(columns.shape[1])
    centred = columns - columns.mean(axis=0)
    distance = np.sqrt(np.sum(centred * np.linalg.solve(covariance, centred.T).T, axis=1))
    np.testing.assert_allclose(fit.support.distance(columns), distance, rtol=1e-8)
    responses = respond(fit, training)
    order = np.argsort(distance)
    for share in (0.55, 0.8, 0.97):
        row = order[int(share * len(order))]
        found = applicability(responses, training, responses.ids[row]).distance_percentile
        assert found == pytest.approx(100 * np.mean(distance < distance[row]), abs=1.5)  # whole percents
    nearest, farthest = (
        applicability(responses, training, responses.ids[order[i]]).distance_percentile for i in (0, -1)
    )
    assert nearest < 50 and farthest == 99.0


def test_an_unusual_combination_of_usual_values_is_outside(training: Cohort) -> None:
    """Age and stage go together in this cohort: an old patient in stage 1 is unlike any of them."""
    age = training.table["age"].to_numpy()
    stage = np.searchsorted(np.quantile(age, [1 / 3, 2 / 3]), age) + 1
    together = training.where(pl.lit(True))
    table = together.table.with_columns(pl.Series("stage", stage.astype(str), dtype=pl.Enum(["1", "2", "3"])))
    together = replace(together, table=table)
    fit = hand_made_fit(
        ModelSpec(family=Gaussian(), blocks={"history": Normal()}),
        together,
        outcome="score",
        coefficients={},
        intercept=0.0,
        sigma=1.0,
    )
    old = float(np.percentile(age, 97))
    for level, within in (("3", True), ("1", False)):
        new = patients_like(training, [{"age": old, "stage": level, "sex": "f"}])
        found = applicability(respond(fit, new), new, "N0")
        assert found.outside == () and found.within is within


def test_an_unknown_patient_is_refused(fit: Fit, training: Cohort) -> None:
    with pytest.raises(UnknownPatientError, match="nobody"):
        applicability(respond(fit, training), training, "nobody")
