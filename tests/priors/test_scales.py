"""Priors over one positive parameter, against scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from medresponse.priors import Exponential, Gamma, HalfNormal, HalfStudentT, LogNormal
from tests.priors.graph import joint_draws

LAWS = {
    "half_normal": (HalfNormal(sigma=0.7), stats.halfnorm(scale=0.7).cdf),
    "half_student_t": (HalfStudentT(sigma=0.7, df=3), lambda x: 2 * stats.t(3, scale=0.7).cdf(x) - 1),
    "lognormal": (LogNormal(mu=0.3, sigma=0.5), stats.lognorm(0.5, scale=np.exp(0.3)).cdf),
    "exponential": (Exponential(mean=0.4), stats.expon(scale=0.4).cdf),
    "gamma": (Gamma(shape=2, rate=0.1), stats.gamma(2, scale=10).cdf),
    "gamma above a minimum": (Gamma(shape=2, rate=0.1, minimum=2), stats.gamma(2, loc=2, scale=10).cdf),
}


@pytest.mark.parametrize(("prior", "cdf"), LAWS.values(), ids=LAWS)
def test_scale_priors_are_scipys_laws(prior: Any, cdf: Any) -> None:
    import pymc as pm

    with pm.Model() as model:
        prior.sample("s")
    assert stats.kstest(joint_draws(model, draws=4000)["s"], cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (HalfNormal, "sigma"), (LogNormal, "sigma"), (HalfStudentT, "sigma"), (HalfStudentT, "df"),
        (Exponential, "mean"), (Gamma, "shape"), (Gamma, "rate"), (Gamma, "minimum"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [-0.5, float("inf"), float("nan")])
def test_settings_must_be_positive_and_finite(kind: Any, what: str, value: float) -> None:
    with pytest.raises(ValueError, match=what):
        kind(**{what: value})
