"""Scores of continuous predictions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from medresponse.validation import coverage, mean_absolute_error, within_share, within_share_point


def test_the_absolute_error_and_the_share_within_20_percent_by_hand() -> None:
    observed, predicted = np.array([10.0, 20.0, 50.0, 40.0]), np.array([12.0, 15.0, 41.0, 40.0])
    assert mean_absolute_error(observed, predicted) == (2 + 5 + 9 + 0) / 4
    assert within_share(observed, predicted) == 3 / 4  # 12 is exactly 20% above 10, and counts
    assert within_share(observed, predicted, relative=0.1) == 1 / 4


def test_coverage_counts_the_ends_of_the_interval() -> None:
    observed = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert coverage(observed, np.full(5, 2.0), np.full(5, 4.0)) == 3 / 5


def test_intervals_of_the_right_law_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    mean, observed = rng.normal(size=4000), rng.normal(size=4000)
    lower, upper = mean - 1.6449, mean + 1.6449
    assert coverage(mean + observed, lower, upper) == pytest.approx(0.9, abs=4 * np.sqrt(0.09 / 4000))


LAWS = {
    "log-normal": stats.lognorm(0.4, scale=30.0),
    "wide log-normal": stats.lognorm(0.8, scale=30.0),
    "squared normal": stats.ncx2(1, 9.0),
    "gamma": stats.gamma(2.0, scale=10.0),
}


def probability(law: stats.rv_continuous, point: float, relative: float) -> float:
    """P(|point - Y| <= relative * Y) under the true law."""
    return float(law.cdf(point / (1 - relative)) - law.cdf(point / (1 + relative)))


@pytest.mark.parametrize("name", sorted(LAWS))
@pytest.mark.parametrize("relative", [0.1, 0.2, 0.3])
def test_the_point_is_as_good_as_the_best_there_is(name: str, relative: float) -> None:
    """Against a brute-force optimum under the true law, to the Monte Carlo error of the share it maximises."""
    law = LAWS[name]
    draws = law.rvs(size=(40, 4000), random_state=1)
    grid = law.ppf(np.linspace(0.01, 0.99, 3000))
    best = max(probability(law, point, relative) for point in grid)
    found = np.array(
        [probability(law, point, relative) for point in within_share_point(draws, relative=relative)]
    )
    assert found.mean() > best - np.sqrt(best * (1 - best) / draws.shape[1])


def test_it_beats_the_median_on_skewed_outcomes() -> None:
    """Log-normal: the best point lies at the median times sqrt(1 - relative^2), below the median."""
    rng, relative, sigma = np.random.default_rng(2), 0.3, 0.35
    centre = rng.uniform(2.5, 4.0, 3000)
    draws = np.exp(centre[:, None] + sigma * rng.standard_normal((3000, 2000)))
    observed = np.exp(centre + sigma * rng.standard_normal(3000))
    point, median = within_share_point(draws, relative=relative), np.median(draws, axis=1)
    ratio = point / np.exp(centre)
    assert ratio.mean() == pytest.approx(np.sqrt(1 - relative**2), abs=0.02)
    law = stats.lognorm(sigma)
    assert np.mean([probability(law, r, relative) for r in ratio]) > probability(law, 1.0, relative)
    # On 3000 outcomes the two are compared on the same patients: a difference, not two shares.
    gain = within_share(observed, point, relative=relative) - within_share(
        observed, median, relative=relative
    )
    assert gain > -2 * 0.5 / np.sqrt(3000)


def test_it_beats_the_median_clearly_on_a_right_skewed_dose() -> None:
    rng = np.random.default_rng(3)
    law = stats.gamma(2.0, scale=10.0)
    draws, observed = law.rvs(size=(2000, 2000), random_state=4), law.rvs(size=2000, random_state=rng)
    point = within_share_point(draws)
    numeric = optimize.minimize_scalar(
        lambda p: -probability(law, p, 0.2), bounds=(1, 60), method="bounded"
    ).x
    assert point.mean() == pytest.approx(numeric, rel=0.1)
    assert within_share(observed, point) > within_share(observed, np.median(draws, axis=1)) - 0.01
    assert probability(law, float(point.mean()), 0.2) > probability(law, law.median(), 0.2)


def test_patients_are_served_one_by_one() -> None:
    rng = np.random.default_rng(5)
    draws = np.exp(rng.normal(3.0, 0.4, (5, 500)))
    together = within_share_point(draws)
    np.testing.assert_array_equal(together, [within_share_point(row[None])[0] for row in draws])
    np.testing.assert_allclose(within_share_point(10 * draws), 10 * together, rtol=1e-12)
    shuffled = rng.permuted(draws, axis=1)
    np.testing.assert_array_equal(within_share_point(shuffled), together)
