"""Lognormal: the estimates that R publishes; everything else is in test_log_time."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.families import Lognormal
from tests.families.published import maximum_of, six, turbine


def test_the_maximum_on_left_and_right_censored_wheels_is_rs() -> None:
    """survreg in R survival's tests/r_sas.Rout.save, data turbine: 3.6999, log sigma -0.3287, log likelihood -190.7."""
    point, log_likelihood = maximum_of(Lognormal(), *turbine(), centre="log_median", spread="sigma")
    np.testing.assert_allclose(point, [3.6999, -0.3287], atol=5e-5)
    assert log_likelihood == pytest.approx(-190.7, abs=0.05)


def test_the_maximum_on_six_patients_is_rs() -> None:
    """survreg in R survival's tests/testreg.Rout.save: 2.210, -1.268, log scale -0.446, log likelihood -10.5."""
    point, log_likelihood = maximum_of(Lognormal(), *six(), centre="log_median", spread="sigma")
    np.testing.assert_allclose(point, [-1.268, 2.210, -0.446], atol=5e-4)
    assert log_likelihood == pytest.approx(-10.5, abs=0.05)
