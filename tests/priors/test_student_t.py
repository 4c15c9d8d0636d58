"""Student-t coefficients, against scipy."""

from __future__ import annotations

import pytest
from scipy import stats

from medresponse.priors import StudentT
from tests.priors.graph import block_model, joint_draws


@pytest.mark.parametrize("df", [1.0, 4.0])
def test_coefficients_are_independent_student_t(df: float) -> None:
    values = joint_draws(block_model(StudentT(sigma=0.4, df=df), 40), draws=100)["b"]
    assert stats.kstest(values.ravel(), stats.t(df, scale=0.4).cdf).pvalue > 1e-3


def test_harder_halves_the_scale_and_keeps_the_tails() -> None:
    assert StudentT(sigma=0.6, df=3).harder() == StudentT(sigma=0.3, df=3)


@pytest.mark.parametrize("what", ["sigma", "df"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_settings_must_be_positive_and_finite(what: str, value: float) -> None:
    with pytest.raises(ValueError, match=what):
        StudentT(**{what: value})
