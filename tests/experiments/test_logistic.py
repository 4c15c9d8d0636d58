import numpy as np
import pytest

from experiments.logistic import logistic


def test_one_indicator_gives_the_log_odds_ratio_of_the_table():
    exposed = np.repeat([1.0, 0.0], [50, 70])
    value = np.concatenate([np.repeat([1.0, 0.0], [20, 30]), np.repeat([1.0, 0.0], [15, 55])])
    beta, log_likelihood = logistic(np.column_stack([np.ones(120), exposed]), value)
    np.testing.assert_allclose(beta, [np.log(15 / 55), np.log(20 * 55 / (30 * 15))], rtol=1e-10)
    shares = np.where(exposed == 1, 20 / 50, 15 / 70)
    assert log_likelihood == pytest.approx(np.log(np.where(value == 1, shares, 1 - shares)).sum(), rel=1e-10)
