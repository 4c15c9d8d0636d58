"""The regularised horseshoe against Piironen & Vehtari (2017), and its half-t scales against scipy's Student t."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from medresponse.priors import Horseshoe
from tests.priors.graph import block_model, joint_draws, scales_of


def draws_of(prior: Horseshoe, *, size: int, unit_sd: float, draws: int = 1) -> dict[str, np.ndarray]:
    """Joint draws of the coefficients and everything they are made of."""
    return joint_draws(block_model(prior, size, scales=scales_of(size, unit_sd=unit_sd)), draws=draws)


@pytest.mark.parametrize("df", [1.0, 3.0])
def test_local_scales_are_half_t(df: float) -> None:
    local = draws_of(Horseshoe(expected_nonzero=3, local_df=df), size=20_000, unit_sd=0.1)["b_local"]
    assert stats.kstest(local, lambda x: 2 * stats.t(df).cdf(x) - 1).pvalue > 1e-3


@pytest.mark.parametrize("df", [1.0, 4.0])
def test_the_global_scale_is_half_t(df: float) -> None:
    parts = draws_of(Horseshoe(expected_nonzero=3, global_df=df), size=5, unit_sd=0.1, draws=4000)
    assert stats.kstest(parts["b_global"], lambda x: 2 * stats.t(df).cdf(x) - 1).pvalue > 1e-3


@pytest.mark.parametrize(
    ("expected_nonzero", "size", "ratio"),
    [(5.0, 105, 5 / 100), (3.0, 9, 3 / 6), (8.0, 4, 8.0), (2.0, 2, 2.0)],  # the last two: p - p0 taken at 1
)
def test_coefficients_follow_the_papers_formula(expected_nonzero: float, size: int, ratio: float) -> None:
    """Eq. 2.8, with tau0 = p0 / (p - p0) * sigma / sqrt(n) of eq. 3.12."""
    unit_sd, slab_scale = 0.07, 0.8
    prior = Horseshoe(expected_nonzero=expected_nonzero, slab_scale=slab_scale)
    p = draws_of(prior, size=size, unit_sd=unit_sd, draws=20)
    for d in range(20):
        at: Any = {name: values[d] for name, values in p.items()}
        tau = ratio * unit_sd * at["b_global"]
        c2 = slab_scale**2 * at["b_slab"]
        for j in range(size):
            local2 = at["b_local"][j] ** 2
            regularised = np.sqrt(c2 * local2 / (c2 + tau**2 * local2))
            assert at["b"][j] == pytest.approx(at["b_raw"][j] * tau * regularised, rel=1e-10)


def test_a_coefficient_that_escapes_shrinkage_is_student_t_of_the_slabs_scale() -> None:
    prior = Horseshoe(
        expected_nonzero=1e6, slab_scale=0.8, slab_df=4
    )  # tau so large that only the slab holds
    draws = draws_of(prior, size=1, unit_sd=10.0, draws=4000)["b"][:, 0]
    assert stats.kstest(draws, stats.t(4, scale=0.8).cdf).pvalue > 1e-3


def test_most_coefficients_are_small_and_about_as_many_as_expected_are_not() -> None:
    size, expected, unit_sd, draws = 200, 5.0, 1 / np.sqrt(400), 2000
    p = draws_of(Horseshoe(expected_nonzero=expected), size=size, unit_sd=unit_sd, draws=draws)
    assert np.median(np.abs(p["b"])) < unit_sd / 10  # far under what the data could tell from zero
    tau = expected / (size - expected) * unit_sd * p["b_global"]
    shrinkage = 1 / (1 + (tau[:, None] * p["b_local"] / unit_sd) ** 2)
    # Eq. 3.10: given tau, sum(1 - shrinkage) has mean p0 at the median of the half-Cauchy scale. The median of n
    # draws of that scale has standard error (1 / 2 sqrt(n)) / density(1) = pi / (2 sqrt(n)).
    effective = np.median((1 - shrinkage).sum(axis=1))
    assert effective == pytest.approx(expected, rel=4 * np.pi / (2 * np.sqrt(draws)) + 0.05)


def test_harder_halves_the_expected_number_and_the_slab() -> None:
    prior = Horseshoe(expected_nonzero=6, slab_scale=0.5, slab_df=3, local_df=2, global_df=3)
    assert prior.harder() == Horseshoe(
        expected_nonzero=3, slab_scale=0.25, slab_df=3, local_df=2, global_df=3
    )


@pytest.mark.parametrize("what", ["expected_nonzero", "slab_scale", "slab_df", "local_df", "global_df"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_settings_must_be_positive_and_finite(what: str, value: float) -> None:
    with pytest.raises(ValueError, match=what):
        Horseshoe(**{"expected_nonzero": 2.0} | {what: value})
