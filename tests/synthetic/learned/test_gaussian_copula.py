import numpy as np
import pytest
from scipy.stats import norm

from medresponse.synthetic.learned.gaussian_copula import correlations
from medresponse.synthetic.learned.latent import Scores


def scores_of(z, *, binary=(), missing=0.0, rng=None):
    lower, upper = z.copy(), z.copy()
    for j in binary:
        lower[:, j], upper[:, j] = np.where(z[:, j] > 0.5, 0.5, -np.inf), np.where(z[:, j] > 0.5, np.inf, 0.5)
    if missing:
        gone = rng.uniform(size=z.shape) < missing
        lower[gone], upper[gone] = -np.inf, np.inf
    return Scores(lower, upper)


@pytest.mark.parametrize(("binary", "missing"), [((), 0.0), ((0,), 0.0), ((0, 1), 0.0), ((0,), 0.2)])
def test_the_correlation_behind_levels_ties_and_gaps_is_recovered_without_attenuation(binary, missing):
    rng = np.random.default_rng(1)
    truth = np.array([[1, 0.6, -0.3], [0.6, 1, 0.0], [-0.3, 0.0, 1]])
    z = rng.multivariate_normal(np.zeros(3), truth, size=12_000)
    found = correlations(scores_of(z, binary=binary, missing=missing, rng=rng), sweeps=60, rng=rng)
    # With a level and a fifth missing the standard error is about 0.015.
    np.testing.assert_allclose(found, truth, atol=0.06)


def test_without_gaps_it_is_the_sample_correlation_shrunken_by_the_prior():
    rng = np.random.default_rng(2)
    z = norm.ppf((np.argsort(np.argsort(rng.normal(size=(200, 2)), axis=0), axis=0) + 0.5) / 200)
    found = correlations(Scores(z, z), sweeps=10, rng=rng)[0, 1]
    cross, squares = z[:, 0] @ z[:, 1], (z**2).sum(axis=0) + 4
    assert found == pytest.approx(cross / np.sqrt(squares.prod()), rel=1e-12)
