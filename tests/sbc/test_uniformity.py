"""The test of uniform ranks: how often it is wrong, and what it sees."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medresponse.sbc import ecdf_band, uniformity
from medresponse.sbc.calibration import rank
from medresponse.sbc.uniformity import ecdf_p, judged, mean_rank_p

DRAWS = 99


def ranks_of(bias: float, width: float, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Ranks of the truth among normal posterior draws that lie `bias` too high and are `width` times as wide."""
    truth = rng.standard_normal(replicates)
    draws = bias + width * rng.standard_normal((DRAWS, replicates))
    return np.asarray((draws < truth).sum(axis=0))


def test_uniform_ranks_are_doubted_as_rarely_as_stated() -> None:
    rng = np.random.default_rng(1)
    found = [uniformity(rng.integers(0, DRAWS + 1, 100), DRAWS) for _ in range(1000)]
    # Half of the chance is each test's, and they overlap: less than stated, never more.
    assert 0.025 < np.mean(np.array(found) < 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)


@pytest.mark.parametrize(("replicates", "least"), [(100, 0.15), (200, 0.62), (400, 0.95)])
def test_a_bias_of_a_third_of_one_quantity_among_thirteen_is_seen_as_often_as_documented(
    replicates: int, least: float
) -> None:
    """docs/calibration.md says 0.25, 0.71 and 0.98; the least are three standard errors below."""
    rng = np.random.default_rng(4)
    seen = [uniformity(ranks_of(0.3, 1.0, replicates, rng), DRAWS) < 0.01 / 13 for _ in range(200)]
    assert np.mean(seen) > least


def test_the_mean_rank_sees_a_bias_before_the_whole_distribution_does() -> None:
    rng = np.random.default_rng(6)
    ranks = [ranks_of(0.3, 1.0, 100, rng) for _ in range(200)]
    by_mean, by_ecdf = (np.mean([f(r, DRAWS) < 0.01 for r in ranks]) for f in (mean_rank_p, ecdf_p))
    assert by_mean > by_ecdf + 0.1


@pytest.mark.parametrize(("bias", "width"), [(0.3, 1.0), (-0.3, 1.0), (0.0, 0.5), (0.0, 2.0)])
def test_four_hundred_replicates_see_a_bias_of_a_third_and_a_wrong_width(bias: float, width: float) -> None:
    """After Holm's correction for a dozen quantities, in nine runs of ten."""
    rng = np.random.default_rng(2)
    seen = [uniformity(ranks_of(bias, width, 400, rng), DRAWS) < 0.01 / 12 for _ in range(50)]
    assert np.mean(seen) > 0.9


def test_a_wrong_width_is_seen_however_many_quantities_are_right() -> None:
    """What simulation resolves, 1 in 20,000, is not enough for some hundreds of quantities after Holm's correction."""
    rng = np.random.default_rng(5)
    p = {f"right {j}": 0.5 for j in range(2000)} | {"narrow": uniformity(ranks_of(0.0, 0.3, 400, rng), DRAWS)}
    assert judged(p, alpha=0.01, between={})[0] == ("narrow", pytest.approx(0.0, abs=1e-6), "off")


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


def test_ranks_stay_uniform_where_draws_equal_the_truth() -> None:
    """Counts take few values: ties are broken at random, by a chi-squared test of 4,000 ranks."""
    rng = np.random.default_rng(8)
    ranks = [rank(v[:-1], v[-1], rng) for v in rng.poisson(1.0, (4000, 10)).astype(float)]
    assert stats.chisquare(np.bincount(ranks, minlength=10)).pvalue > 0.001


def test_a_rank_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 9"):
        uniformity(np.array([3, 10]), 9)


def test_ranks_among_one_draw_an_imputation_are_judged_in_the_place_of_pooled_ones() -> None:
    p = {"a": 0.3, "b": 0.001, "b, one draw an imputation": 0.002, "c": 0.5}
    assert judged(p, alpha=0.01, between={"b": 0.2})[0] == ("b", pytest.approx(0.004), "off")
    rows = judged(p, alpha=0.01, between={"a": 0.9, "b": 0.4})
    assert [name for name, *_ in rows] == ["b, one draw an imputation", "a", "c", "b"]
    assert [holm for _, holm, _ in rows] == [
        pytest.approx(0.006),
        pytest.approx(0.6),
        pytest.approx(0.6),
        None,
    ]
    assert [verdict for *_, verdict in rows] == ["off", "uniform", "uniform", "pooled"]
