"""The test of uniform ranks: how often it is wrong, and what it sees."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medresponse.sbc import ecdf_band, uniformity

DRAWS = 99


def ranks_of(bias: float, width: float, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Ranks of the truth among normal posterior draws that lie `bias` too high and are `width` times as wide."""
    truth = rng.standard_normal(replicates)
    draws = bias + width * rng.standard_normal((DRAWS, replicates))
    return np.asarray((draws < truth).sum(axis=0))


def test_uniform_ranks_are_doubted_as_rarely_as_stated() -> None:
    rng = np.random.default_rng(1)
    found = [uniformity(rng.integers(0, DRAWS + 1, 100), DRAWS) for _ in range(1000)]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 1000))


@pytest.mark.parametrize(("bias", "width"), [(0.3, 1.0), (-0.3, 1.0), (0.0, 0.5), (0.0, 2.0)])
def test_four_hundred_replicates_see_a_bias_of_a_third_and_a_wrong_width(bias: float, width: float) -> None:
    """After Holm's correction for a dozen quantities, in nine runs of ten."""
    rng = np.random.default_rng(2)
    seen = [uniformity(ranks_of(bias, width, 400, rng), DRAWS) < 0.01 / 12 for _ in range(50)]
    assert np.mean(seen) > 0.9


def test_the_band_holds_at_all_ranks_at_once() -> None:
    rng = np.random.default_rng(3)
    lower, upper = ecdf_band(100, DRAWS)
    inside = []
    for _ in range(1000):
        share = np.bincount(rng.integers(0, DRAWS + 1, 100), minlength=DRAWS + 1).cumsum() / 100
        inside.append(bool(((share >= lower) & (share <= upper)).all()))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.04)
    pointwise = stats.binom(100, 0.5).ppf([0.025, 0.975]) / 100
    assert lower[49] < pointwise[0] and pointwise[1] < upper[49]


def test_a_rank_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 9"):
        uniformity(np.array([3, 10]), 9)
