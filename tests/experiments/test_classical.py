import numpy as np
import pytest
from scipy.stats import nbinom

from experiments.classical import (
    arms,
    cox_log_hazards,
    least_squares,
    negative_binomial_log_rates,
)
from tests.experiments import classical


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(3)


def test_least_squares_is_that_of_the_tests_own_code(rng):
    columns, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    ours, (beta, error, _) = least_squares(columns, y), classical.least_squares(*columns.T, y=y)
    np.testing.assert_allclose(ours.value, beta)
    value, spread = ours.difference(np.array([0.0, 1.0]))
    assert (value, spread) == pytest.approx((beta[1], error[1]))


def test_hazard_ratios_are_those_of_the_tests_own_code(rng):
    arm = np.repeat([0, 1, 2], 30)
    outcome = {"time": rng.exponential(1 + arm).round(1) + 0.1, "event": rng.random(90) < 0.7}
    ours = np.exp(cox_log_hazards(arm, outcome))
    np.testing.assert_allclose(ours, [1.0, *classical.hazard_ratios(arm, outcome)])


def test_negative_binomial_rates_maximise_scipys_likelihood(rng):
    arm, exposure = np.repeat([0, 1], 60), rng.uniform(0.5, 2.0, size=120)
    count = rng.negative_binomial(2, 2 / (2 + exposure * np.where(arm, 6.0, 3.0))).astype(float)
    rates, overdispersion = negative_binomial_log_rates(arm, {"value": count, "exposure": exposure})

    def log_likelihood(rates, overdispersion):
        mean, phi = np.exp(rates)[arm] * exposure, overdispersion**-2.0
        return nbinom.logpmf(count, phi, phi / (phi + mean)).sum()

    best = log_likelihood(rates, overdispersion)
    for step in (-1e-2, 1e-2):
        assert log_likelihood(rates + np.array([step, 0.0]), overdispersion) < best
        assert log_likelihood(rates + np.array([0.0, step]), overdispersion) < best
        assert log_likelihood(rates, overdispersion + step) < best


def test_the_first_treatment_has_no_indicator():
    assert arms(np.array([0, 2, 1]), 3).tolist() == [[0, 0], [0, 1], [1, 0]]
