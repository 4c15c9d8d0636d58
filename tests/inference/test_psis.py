"""Smoothed importance weights of many patients at once: as one patient's by arviz, and where there is no tail to smooth."""

from __future__ import annotations

import numpy as np
import pytest
from arviz_stats.base import array_stats

from medresponse.inference.psis import smoothed_weights


@pytest.mark.parametrize("draws", [100, 1000])
def test_every_row_is_smoothed_as_arviz_smooths_it_alone(draws: int) -> None:
    rng = np.random.default_rng(1)
    spread = rng.gamma(1.0, 1.0, (40, 1))  # from weights that are nearly equal to one that has them all
    ratios = 0.5 * (spread * rng.standard_normal((40, draws)) + rng.standard_normal((40, 1))) ** 2
    weights, k = smoothed_weights(ratios)
    expected, shapes = array_stats.psislw(-ratios, axis=-1)
    np.testing.assert_allclose(weights, expected, atol=1e-10)
    np.testing.assert_allclose(k, shapes, rtol=1e-10)
    assert k.min() < 0.5 < 0.7 < k.max()


def test_rows_do_not_depend_on_how_many_are_smoothed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    ratios = np.random.default_rng(2).standard_normal((7, 300))
    weights, k = smoothed_weights(ratios)
    monkeypatch.setattr("medresponse.inference.psis._AT_ONCE", 1)
    each, shapes = smoothed_weights(ratios)
    np.testing.assert_array_equal(each, weights)
    np.testing.assert_array_equal(shapes, k)


def test_a_patient_whom_every_draw_fits_alike_leans_on_no_draw() -> None:
    weights, k = smoothed_weights(np.full((1, 200), 3.0))
    np.testing.assert_allclose(weights, -np.log(200))
    assert k == -np.inf


def test_ratios_that_are_no_tail_are_left_as_they_are_and_said_to_be_unknown() -> None:
    ratios = np.zeros((1, 200))
    ratios[0, :3] = [1.0, 2.0, 3.0]
    weights, k = smoothed_weights(ratios)
    assert np.isnan(k)
    np.testing.assert_allclose(np.exp(weights[0]), np.exp(ratios[0]) / np.exp(ratios[0]).sum())


def test_too_few_draws_have_no_tail() -> None:
    with pytest.raises(ValueError, match="24 draws"):
        smoothed_weights(np.zeros((2, 24)))
