"""Normal priors, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medresponse.priors import Normal
from tests.priors.graph import block_model, joint_draws, scales_of


def test_coefficients_have_the_stated_standard_deviation_whatever_the_data_could_tell() -> None:
    model = block_model(Normal(sigma=0.4), 50, scales=scales_of(50, unit_sd=123.0))
    values = joint_draws(model, draws=100)["b"]
    assert stats.kstest(values.ravel(), stats.norm(scale=0.4).cdf).pvalue > 1e-3


@pytest.mark.parametrize("centred", [False, True])
def test_a_pooled_block_shares_a_half_normal_scale_however_it_is_sampled(centred: bool) -> None:
    p = joint_draws(block_model(Normal(sigma=0.4, pooled=True, centred=centred), 50), draws=3000)
    values, scale = p["b"], p["b_scale"]
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


@pytest.mark.parametrize("sigma", [0.0, -0.5, float("inf"), float("nan")])
def test_the_scale_must_be_positive_and_finite(sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma"):
        Normal(sigma=sigma)
