"""Groups of a calibration plot: their points by arithmetic of the tests' own, and none that must not be shown."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from medresponse.cohort import Cohort
from medresponse.core.errors import IntegrityError
from medresponse.response import respond
from medresponse.validation import HeldOut, ValidationRecord, held_out, make_record
from medresponse.validation.calibration_groups import GroupedCalibration, calibration_groups
from tests.validation.closed_form import fitted, trial


def held(cohort: Cohort) -> HeldOut:
    """Predictions for new patients by one fit to others."""
    fit = fitted(trial(600, kind=cohort.schema.outcomes["y"].kind, seed=99))
    everybody = [np.ones(cohort.n, bool)]
    return held_out(respond(fit, cohort), [fit], cohort, everybody, method="new patients", seed=1)


def points(found: tuple[GroupedCalibration, ...], quantity: str) -> np.ndarray:
    (one,) = (g for g in found if g.quantity == quantity)
    return np.array([(p.predicted, p.observed, p.lower, p.upper, p.n) for p in one.points])


def test_each_point_is_the_mean_of_its_tenth_of_the_patients() -> None:
    whole = held(trial(500))
    assert whole.observed is not None
    own = whole.predicted[np.arange(500), whole.received]
    groups = np.array_split(np.argsort(own), 10)
    y = whole.observed.value
    expected = [
        (own[g].mean(), y[g].mean(), y[g].mean() - 1.959964 * y[g].std(ddof=1) / np.sqrt(50),
         y[g].mean() + 1.959964 * y[g].std(ddof=1) / np.sqrt(50), 50)
        for g in groups
    ]  # fmt: skip
    np.testing.assert_allclose(points(calibration_groups(whole), "response"), expected, rtol=1e-6)


def test_observed_benefits_are_those_of_the_trial() -> None:
    """Weighted by the arms' shares, scores average to a difference of means plus what the model's own errors leave."""
    whole = held(trial(500))
    assert whole.observed is not None
    m, y, b = whole.predicted, whole.observed.value, whole.received == 1
    share = b.mean()
    score = m[:, 1] - m[:, 0] + np.where(b, (y - m[:, 1]) / share, -(y - m[:, 0]) / (1 - share))
    groups = np.array_split(np.argsort(m[:, 1] - m[:, 0]), 5)
    found = points(calibration_groups(whole), "benefit")
    np.testing.assert_allclose(found[:, 1], [score[g].mean() for g in groups])
    np.testing.assert_allclose(found[:, 0], [(m[g, 1] - m[g, 0]).mean() for g in groups])
    assert (np.diff(found[:, 0]) > 0).all() and (found[:, 4] == 100).all()


def test_the_intervals_of_a_right_model_hold_what_it_predicts() -> None:
    inside = []
    for seed in range(4):
        for kind in ("binary", "continuous"):
            found = points(calibration_groups(held(trial(1000, kind=kind, seed=seed))), "response")
            inside += list((found[:, 2] <= found[:, 0]) & (found[:, 0] <= found[:, 3]))
    assert np.mean(inside) > 0.85


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.04, 0.5, 0.97])
def test_no_group_is_few_nor_has_few_with_or_without_the_event(rate: float) -> None:
    whole = held(trial(400, kind="binary"))
    assert whole.observed is not None
    value = (np.random.default_rng(3).random(400) < rate).astype(float)
    changed = replace(whole, observed=replace(whole.observed, value=value))
    shown = [p for g in calibration_groups(changed) if g.quantity == "response" for p in g.points]
    for p in shown:
        events = round(p.observed * p.n)
        assert p.n >= 11 and not 0 < events < 11 and not 0 < p.n - events < 11
        assert 0.0 <= p.lower <= p.observed <= p.upper <= 1.0 and p.lower < p.upper
    few = any(0 < count < 11 for count in (value.sum(), (1 - value).sum()))
    assert few == (rate in (0.01, 0.97)) and sum(p.n for p in shown) == (0 if few else 400)


def test_patients_alike_stay_together_and_ten_are_no_group() -> None:
    whole = held(trial(120))
    level = np.repeat([0.0, 1.0, 2.0], [10, 60, 50])
    same = replace(whole, predicted=np.stack([level, level], axis=1))
    found = points(calibration_groups(same), "response")
    assert found[:, 4].tolist() == [70, 50] and found[0, 0] == pytest.approx(60 / 70)
    assert calibration_groups(held(trial(10))) == ()


def test_what_is_no_number_has_no_points() -> None:
    whole = held(trial(100))
    predicted = whole.predicted.copy()
    predicted[3] = np.nan
    assert calibration_groups(replace(whole, predicted=predicted)) == ()
    assert calibration_groups(replace(whole, observed=None)) == ()


def test_a_record_keeps_the_points_and_one_without_them_is_to_be_made_again() -> None:
    made = make_record(held(trial(200)), worthwhile=0.3)
    assert [g.quantity for g in made.calibration] == ["response", "benefit"]
    assert ValidationRecord.from_json(made.to_json()) == made
    older = json.loads(made.to_json())
    del older["calibration"]
    with pytest.raises(IntegrityError, match="validate again"):
        ValidationRecord.from_json(json.dumps(older | {"schema_version": 2}))
