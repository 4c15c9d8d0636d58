"""Monte Carlo errors by batches, against the theory of autocorrelated and of clustered draws."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.validation import Estimate, batch_error, batch_means, batched


def test_batches_are_consecutive_and_what_is_left_over_joins_none() -> None:
    values = np.arange(22.0).reshape(2, 11)
    np.testing.assert_array_equal(batch_means(values, batches=3), [[1.0, 4.0, 7.0], [12.0, 15.0, 18.0]])


def test_more_batches_than_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="3 draws cannot fill 4 batches"):
        batch_means(np.zeros((2, 3)), batches=4)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_the_error_of_a_mean_of_autocorrelated_draws_is_that_of_theory(phi: float) -> None:
    """AR(1) with unit variance: Var(mean) = (1 + phi) / (1 - phi) / n, for n far beyond the autocorrelation."""
    rng, n, runs = np.random.default_rng(0), 20_000, 60
    noise = rng.standard_normal((runs, n)) * np.sqrt(1 - phi**2)
    chain = np.empty((runs, n))
    chain[:, 0] = rng.standard_normal(runs)
    for t in range(1, n):
        chain[:, t] = phi * chain[:, t - 1] + noise[:, t]
    variances = [batched(float, batch_means(x, batches=20)).mcse ** 2 for x in chain]
    # 60 estimates with 19 degrees of freedom each: relative standard error sqrt(2 / (60 * 19)).
    expected = (1 + phi) / (1 - phi) / n
    assert np.mean(variances) == pytest.approx(expected, rel=4 * np.sqrt(2 / (60 * 19)) + 0.02)


def test_the_score_is_that_of_the_mean_prediction_not_the_mean_of_scores() -> None:
    predictions = np.array([[1.0, 3.0], [2.0, 6.0]])
    estimate = batched(lambda p: float((p**2).sum()), predictions, unit="points")
    assert estimate == Estimate(
        2.0**2 + 4.0**2, pytest.approx(np.std([5.0, 45.0], ddof=1) / np.sqrt(2)), "points"
    )


def test_batches_that_share_an_imputations_error_are_not_taken_for_independent() -> None:
    """Between-imputation sd 1, within 0.1: the error of the mean is that of five values, not of a hundred."""
    rng, runs = np.random.default_rng(1), 400
    shared = np.repeat(rng.standard_normal((runs, 5)), 20, axis=1)
    each = shared + 0.1 * rng.standard_normal((runs, 100))
    variances = np.array([batch_error(list(row), clusters=5) ** 2 for row in each])
    expected = (1.0 + 0.01 / 20) / 5
    assert variances.mean() == pytest.approx(expected, rel=4 * np.sqrt(2 / (4 * runs)))
    assert np.mean([batch_error(list(row)) ** 2 for row in each]) < expected / 10


def test_without_an_imputation_effect_the_larger_of_both_errors_stands() -> None:
    each = np.random.default_rng(2).standard_normal(100)
    naive = each.std(ddof=1) / 10
    between = each.reshape(5, 20).mean(axis=1).std(ddof=1) / np.sqrt(5)
    assert batch_error(list(each), clusters=5) == pytest.approx(max(naive, between))
