"""R2D2 against Aguilar & Bürkner (2023): the beta of R^2, the Dirichlet of its shares, closed moments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from medresponse.priors import R2D2
from tests.priors.graph import block_model, joint_draws, scales_of

COLUMN_SD = np.array([0.5, 1.0, 2.0, 1.0, 1.0, 0.3])
LATENT_SD = np.pi / np.sqrt(3)


def draws_of(prior: R2D2, *, draws: int, column_sd: np.ndarray = COLUMN_SD) -> dict[str, np.ndarray]:
    p = len(column_sd)
    scales = scales_of(p, latent_sd=LATENT_SD, column_sd=column_sd)
    return joint_draws(block_model(prior, p, scales=scales), draws=draws)


def variances(p: dict[str, np.ndarray]) -> np.ndarray:
    """Variance that each column explains given the scales, shape (draw, column)."""
    return (p["b"] / p["b_raw"] * COLUMN_SD) ** 2


@pytest.mark.parametrize("prior", [R2D2(), R2D2(mean=0.5, precision=2), R2D2(mean=0.1, precision=20)])
def test_the_share_of_variance_that_the_coefficients_explain_is_the_stated_beta(prior: R2D2) -> None:
    explained = variances(draws_of(prior, draws=4000)).sum(axis=1)
    share = explained / (explained + LATENT_SD**2)
    law = stats.beta(prior.mean * prior.precision, (1 - prior.mean) * prior.precision)
    assert law.mean() == pytest.approx(prior.mean)
    assert stats.kstest(share, law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("concentration", [0.5, 3.0])
def test_it_is_dealt_out_over_the_columns_by_a_dirichlet(concentration: float) -> None:
    by_column = variances(draws_of(R2D2(concentration=concentration), draws=4000))
    share = by_column / by_column.sum(axis=1, keepdims=True)
    law = stats.beta(concentration, 5 * concentration)  # a margin of the Dirichlet over six columns
    for j in range(6):
        assert stats.kstest(share[:, j], law.cdf).pvalue > 1e-3


def test_a_coefficients_variance_is_the_closed_form_for_the_columns_unit() -> None:
    """E[b_j^2] = latent_sd^2 / column_sd_j^2 * E[R^2 / (1 - R^2)] / p, a beta prime mean of a / (b - 1)."""
    b = draws_of(R2D2(mean=0.3, precision=30, concentration=2), draws=4000)["b"]
    squares = (b * COLUMN_SD / LATENT_SD) ** 2
    expected = 9 / (21 - 1) / 6
    error = squares.std(axis=0) / np.sqrt(len(b))
    assert (np.abs(squares.mean(axis=0) - expected) < 4 * error).all()


def test_a_column_without_spread_has_a_finite_coefficient() -> None:
    p = draws_of(R2D2(), draws=20, column_sd=np.array([0.0, 1.0]))
    ratio = p["b"] / p["b_raw"]
    np.testing.assert_allclose(
        ratio[:, 0] / ratio[:, 1], np.sqrt(p["b_portion"][:, 0] / p["b_portion"][:, 1])
    )


def test_harder_halves_the_mean_of_r2() -> None:
    prior = R2D2(mean=0.4, precision=8, concentration=0.3)
    assert prior.harder() == R2D2(mean=0.2, precision=8, concentration=0.3)


@pytest.mark.parametrize("settings", [
    {"mean": 0.0}, {"mean": 1.0}, {"mean": float("nan")}, {"precision": 0.0}, {"precision": float("inf")},
    {"concentration": -1.0},
])  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        R2D2(**settings)
