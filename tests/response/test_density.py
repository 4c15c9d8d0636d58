"""The log predictive density against the posterior-averaged density by scipy, and chain by chain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from medresponse.cohort import Cohort, cohort_from_frame
from medresponse.families import Gaussian
from medresponse.inference import Fit
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from medresponse.response import chain_densities, log_predictive_density
from tests.hand_made import frame_of, hand_made_fit, schema_of, trial_of

DRAWS, CHAINS = 60, 3


@pytest.fixture(scope="module")
def fitted() -> Fit:
    rng = np.random.default_rng(4)
    spec = ModelSpec(family=Gaussian(), blocks={"genomic": Normal(sigma=5.0)}, modifiers={})
    return hand_made_fit(
        spec, trial_of(), outcome="score", draws=DRAWS, imputation=(0,) * CHAINS, coefficients={"snp": rng.normal(2.0, 1.0, DRAWS)},
        intercept=50 + rng.normal(0.0, 2.0, DRAWS), sigma=15 + rng.normal(0.0, 1.0, DRAWS),
    )  # fmt: skip


@pytest.fixture(scope="module")
def others() -> Cohort:
    return cohort_from_frame(frame_of(12, seed=9), schema_of())


def expected(fitted: Fit, others: Cohort) -> np.ndarray:
    """log p(y | draw) of shape (patient, draw), from the design written out."""
    snp = frame_of(12, seed=9)["snp"].to_numpy() - frame_of()["snp"].mean()
    slope = fitted.draws("coefficients")[:, fitted.layout.coefficient_labels.index("snp")]
    mean = fitted.draws("intercept") + np.outer(snp, slope)
    return norm.logpdf(others.table["score"].to_numpy()[:, None], mean, fitted.draws("sigma"))


def test_it_is_the_log_of_the_density_averaged_over_draws(fitted: Fit, others: Cohort) -> None:
    found = log_predictive_density(fitted, others)
    np.testing.assert_allclose(found, logsumexp(expected(fitted, others), axis=1) - np.log(DRAWS), rtol=1e-10)


def test_each_chain_has_that_of_its_own_draws(fitted: Fit, others: Cohort) -> None:
    each = DRAWS // CHAINS
    by_chain = expected(fitted, others).reshape(others.n, CHAINS, each)
    wanted = logsumexp(by_chain, axis=-1).T - np.log(each)
    np.testing.assert_allclose(chain_densities(fitted, others), wanted, rtol=1e-10)
