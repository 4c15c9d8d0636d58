"""Normal priors and the scale priors, against scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from medresponse.priors import HalfNormal, LogNormal, Normal


def draw(build: Any, *, draws: int) -> Any:
    import pymc as pm

    with pm.Model(coords={"term": range(50)}):
        return pm.draw(build(), draws=draws, random_seed=9, mode="FAST_COMPILE")


def block(prior: Normal) -> Any:
    return lambda: prior.coefficients("b", size=50, dims="term", unit_information_sd=123.0)


def test_coefficients_have_the_stated_standard_deviation_whatever_the_data_could_tell() -> None:
    values = draw(block(Normal(sigma=0.4)), draws=100)
    assert stats.kstest(values.ravel(), stats.norm(scale=0.4).cdf).pvalue > 1e-3


@pytest.mark.parametrize("centred", [False, True])
def test_a_pooled_block_shares_a_half_normal_scale_however_it_is_sampled(centred: bool) -> None:
    import pymc as pm

    with pm.Model(coords={"term": range(50)}) as model:
        b = Normal(sigma=0.4, pooled=True, centred=centred).coefficients(
            "b", size=50, dims="term", unit_information_sd=1.0
        )
    values, scale = pm.draw([b, model["b_scale"]], draws=3000, random_seed=9, mode="FAST_COMPILE")
    assert stats.kstest(scale, stats.halfnorm(scale=0.4).cdf).pvalue > 1e-3
    assert stats.kstest((values / scale[:, None])[:, 0], stats.norm.cdf).pvalue > 1e-3
    # E[b^2] = E[scale^2] = sigma^2; Var(scale^2) = 2 sigma^4 dominates with 50 coefficients a draw.
    assert (values**2).mean() == pytest.approx(0.16, abs=4 * np.sqrt(2 * 0.16**2 * (1 + 2 / 50) / 3000))


@pytest.mark.parametrize("form", [{}, {"pooled": True}, {"pooled": True, "centred": True}])
def test_harder_halves_the_scale_and_nothing_else(form: dict[str, bool]) -> None:
    assert Normal(sigma=0.6, **form).harder() == Normal(sigma=0.3, **form)


def test_only_a_pooled_block_can_be_sampled_centred() -> None:
    with pytest.raises(ValueError, match="pooled"):
        Normal(centred=True)


@pytest.mark.parametrize(
    ("prior", "law"),
    [
        (HalfNormal(sigma=0.7), stats.halfnorm(scale=0.7)),
        (LogNormal(mu=0.3, sigma=0.5), stats.lognorm(0.5, scale=np.exp(0.3))),
    ],
    ids=["half_normal", "lognormal"],
)
def test_scale_priors_are_scipys_laws(prior: Any, law: Any) -> None:
    values = draw(lambda: prior.sample("s"), draws=4000)
    assert stats.kstest(values, law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("kind", [Normal, HalfNormal, LogNormal])
@pytest.mark.parametrize("sigma", [0.0, -0.5, float("inf"), float("nan")])
def test_scales_must_be_positive_and_finite(kind: Any, sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma"):
        kind(sigma=sigma)
