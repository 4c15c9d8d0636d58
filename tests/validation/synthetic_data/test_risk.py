import numpy as np
import pytest
from scipy.stats import binomtest

from medresponse.validation.synthetic_data.risk import Tally, risk_of, wilson


@pytest.mark.parametrize(("hits", "tries"), [(0, 10), (3, 17), (17, 17), (120, 343)])
def test_wilson_intervals_are_scipys(hits, tries):
    theirs = binomtest(hits, tries).proportion_ci(method="wilson")
    assert wilson(hits, tries) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_a_difference_has_newcombes_interval():
    # Newcombe 1998, Stat Med 17:873, table II, example (a), method 10: 56/70 - 48/80, 0.0524 to 0.3339.
    found = risk_of([Tally("x", 56, 70, 48, 80, of_the_rest=False)], most=1000)
    assert (found.value, found.lower, found.upper) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


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
