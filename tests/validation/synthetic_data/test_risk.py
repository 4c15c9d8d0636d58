import numpy as np
import pytest
from scipy.stats import binomtest

from medresponse.validation.synthetic_data.risk import Tally, risk_of, wilson


@pytest.mark.parametrize(("hits", "tries"), [(0, 10), (3, 17), (17, 17), (120, 343)])
def test_wilson_intervals_are_scipys(hits, tries):
    theirs = binomtest(hits, tries).proportion_ci(method="wilson")
    assert wilson(hits, tries) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_the_excess_of_paired_rates_has_the_interval_of_one():
    theirs = binomtest(60, 100).proportion_ci(method="wilson")
    found = risk_of([Tally("x", 60, 100, 40, 100, paired=True)], most=1000)
    assert (found.value, found.lower, found.upper) == pytest.approx(
        (0.2, 2 * theirs.low - 1, 2 * theirs.high - 1)
    )


def test_the_interval_of_paired_rates_covers_no_excess():
    rng = np.random.default_rng(2)
    hits = rng.binomial(343, 0.5, size=2000)
    found = [risk_of([Tally("x", h, 343, 343 - h, 343, paired=True)], most=343) for h in hits]
    covered = np.mean([r.lower <= 0 <= r.upper for r in found])
    assert covered == pytest.approx(
        0.95, abs=0.02
    )  # 4 Monte Carlo standard errors; 0.83 were both rates independent


def test_the_excess_counts_of_what_the_control_leaves():
    assert risk_of([Tally("x", 60, 100, 20, 100)], most=1000).value == pytest.approx(0.5)
    assert risk_of([Tally("x", 20, 100, 20, 100)], most=1000).value == 0
    assert risk_of([Tally("x", 20, 100, 100, 100)], most=1000).value == 0


def test_splits_of_the_same_patients_do_not_narrow_the_interval_beyond_them():
    one, many = [Tally("x", 30, 100, 10, 100)], [Tally("x", 30, 100, 10, 100)] * 50
    narrow, wide = risk_of(one, most=100), risk_of(many, most=100)
    assert (narrow.lower, narrow.upper) == pytest.approx((wide.lower, wide.upper))
    assert risk_of(many, most=5000).lower > narrow.lower


def test_no_attempt_says_nothing():
    found = risk_of([Tally("x", 0, 0, 0, 0)], most=10)
    assert (found.value, found.lower, found.upper) == (0.0, 0.0, 1.0)


def test_the_interval_covers_the_true_excess():
    rng, covered = np.random.default_rng(1), 0
    for _ in range(400):
        found = risk_of([Tally("x", rng.binomial(343, 0.4), 343, rng.binomial(343, 0.25), 343)], most=343)
        covered += found.lower <= 0.2 <= found.upper
    assert covered / 400 == pytest.approx(0.95, abs=0.04)  # 4 Monte Carlo standard errors
