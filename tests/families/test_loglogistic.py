"""Log-logistic: the estimates that R publishes; everything else is in test_log_time."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.core.estimand import Estimand
from medresponse.families import Loglogistic
from tests.families.published import maximum_of, six


def test_the_maximum_on_six_patients_is_rs_to_seven_digits() -> None:
    """survreg in R survival's tests/testreg.Rout.save: 2.177208, -1.195672, scale 0.3847582, log likelihood -10.7."""
    point, log_likelihood = maximum_of(Loglogistic(), *six(), centre="log_scale", spread="shape")
    np.testing.assert_allclose(point[:2], [-1.195672, 2.177208], atol=1e-6)
    assert np.exp(-point[2]) == pytest.approx(0.3847582, abs=1e-6)
    assert log_likelihood == pytest.approx(-10.7, abs=0.05)


def test_the_predictor_is_a_log_odds_ratio_divided_by_the_shape() -> None:
    parameters = {"log_scale": np.array([1.0]), "shape": np.array([1.7])}
    eta = np.array([0.0, 0.6]).reshape(2, 1, 1)
    for horizon in (0.5, 3.0, 20.0):
        estimand = Estimand(kind="survival", horizon=horizon)
        low, high = Loglogistic().response(estimand, eta, parameters, {"end": np.array(30.0)}).ravel()
        odds_ratio = ((1 - high) / high) / ((1 - low) / low)
        assert odds_ratio == pytest.approx(np.exp(-1.7 * 0.6), rel=1e-12)
