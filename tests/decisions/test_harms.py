"""Rates of harms and what is drawn of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from medresponse.core.codec import from_plain, to_plain
from medresponse.core.errors import SpecError
from medresponse.decisions import Harm, Rate


@pytest.mark.parametrize(("a", "b"), [(5, 95), (30, 20), (1.5, 200)])
def test_draws_are_of_the_beta_distribution_with_this_mean_and_interval(a: float, b: float) -> None:
    law = beta(a, b)
    lower, upper = law.ppf([0.025, 0.975])
    draws = Rate(mean=law.mean(), lower=lower, upper=upper).sample(200_000, np.random.default_rng(1))
    assert draws.mean() == pytest.approx(law.mean(), abs=4 * law.std() / np.sqrt(200_000))
    assert draws.std() == pytest.approx(law.std(), rel=0.01)
    np.testing.assert_allclose(np.quantile(draws, [0.025, 0.975]), [lower, upper], rtol=0.03)


def test_a_rate_without_interval_does_not_vary() -> None:
    assert (Rate(mean=0.2, lower=0.2, upper=0.2).sample(5, np.random.default_rng(1)) == 0.2).all()


def test_own_draws_are_used_each_as_often_as_any_other() -> None:
    rate = Rate.from_draws([0.1, 0.2, 0.3, 0.4])
    assert (rate.mean, rate.lower, rate.upper) == pytest.approx((0.25, 0.1075, 0.3925))
    drawn = rate.sample(10, np.random.default_rng(1))
    counts = np.unique(drawn, return_counts=True)[1]
    assert counts.sum() == 10 and set(counts) <= {2, 3}


@pytest.mark.parametrize(
    ("mean", "lower", "upper"), [(0.5, 0.6, 0.7), (0.5, 0.1, 0.4), (-0.1, -0.2, 0.1), (0.5, 0.4, 1.2)]
)
def test_impossible_rates_are_refused(mean: float, lower: float, upper: float) -> None:
    with pytest.raises(ValueError, match="0 <= lower <= mean <= upper <= 1"):
        Rate(mean=mean, lower=lower, upper=upper)


def test_a_mean_outside_the_middle_of_its_interval_has_no_beta_distribution() -> None:
    with pytest.raises(ValueError, match="no beta distribution has mean"):
        Rate(mean=0.3, lower=0.05, upper=0.31).sample(5, np.random.default_rng(1))


def test_harms_survive_plain_data_and_name_a_wrong_entry() -> None:
    harm = Harm(name="rash", rates={"A": Rate(mean=0.1, lower=0.05, upper=0.2)}, source="trial")
    plain = to_plain(harm)
    assert from_plain(Harm, plain) == harm
    plain["rates"]["A"]["mean"] = 0.3
    with pytest.raises(SpecError, match=r"harm.rates.A: a rate needs"):
        from_plain(Harm, plain)
