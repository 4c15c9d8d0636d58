"""The Gibbs steps without trees: scales by slices and the linear block, against their exact laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import gamma, halfnorm, kstest, lognorm, multivariate_normal

from medresponse.families import Gaussian
from medresponse.features import group_indices
from medresponse.inference.linear import LinearPart
from medresponse.inference.slices import ScaleStep
from medresponse.model import ModelSpec, Trees, prepare
from medresponse.priors import Gamma, HalfNormal, LogNormal, Normal
from tests.hand_made import trial_of


@pytest.mark.parametrize(
    ("prior", "law"),
    [
        (HalfNormal(sigma=0.7), halfnorm(scale=0.7)),
        (LogNormal(mu=0.2, sigma=0.5), lognorm(0.5, scale=np.exp(0.2))),
        (Gamma(shape=2.0, rate=0.5, minimum=1.0), gamma(2.0, loc=1.0, scale=2.0)),
    ],
)
def test_slices_under_a_flat_likelihood_draw_from_the_prior(prior: Any, law: Any) -> None:
    step, rng = ScaleStep(prior), np.random.default_rng(1)
    chain = np.array([step.draw(lambda value: 0.0, rng) for _ in range(6000)])[
        ::10
    ]  # far enough apart for the test
    assert kstest(chain, law.cdf).pvalue > 0.001
    assert kstest(ScaleStep(prior).prior_draws(1000, rng), law.cdf).pvalue > 0.001


def test_the_linear_block_and_its_scale_follow_their_exact_posterior() -> None:
    """Groups integrated out, the outcome is multivariate normal and the scale's posterior known on a grid."""
    cohort = trial_of(45, arms=("A",))
    spec = ModelSpec(
        family=Gaussian(), blocks={"lifestyle": Normal(sigma=0.3)}, trees=Trees(blocks=("history",)), pooling=("site",),
        pooling_scale=HalfNormal(sigma=0.8),
    )  # fmt: skip
    prepared = prepare(spec, cohort, outcome="score", seed=1)
    columns, groups = prepared.encoding.columns(prepared.codes[0]), group_indices(prepared.layout, cohort)
    rng = np.random.default_rng(2)
    precision = rng.uniform(0.5, 2.0, cohort.n)
    target = 1.0 + 0.8 * (groups["site"] == 0) + rng.standard_normal(cohort.n) / np.sqrt(precision)

    part = LinearPart(spec, prepared, columns, cohort.treatment_idx, groups, intercept=(0.5, 2.0))
    residual, kept = target - part.fitted, []
    for _ in range(6000):
        residual = part.draw(residual, precision, rng)
        kept.append([part.intercept, float(part.scales["site_scale"])])
    np.testing.assert_allclose(residual, target - part.fitted, atol=1e-9)

    design = prepared.layout.matrix(columns, cohort.treatment_idx, groups)
    linear = np.array(prepared.encoding.column_blocks) == "lifestyle"
    site = prepared.layout.slices["site.intercept"]
    own, onehot = design[:, : len(linear)][:, linear], design[:, site]
    fixed = np.diag(1 / precision) + 4.0 + 0.09 * own @ own.T
    grid = np.linspace(0.005, 4.0, 400)
    log = np.array(
        [
            multivariate_normal.logpdf(target, np.full(cohort.n, 0.5), fixed + s**2 * onehot @ onehot.T)
            for s in grid
        ]
    )
    weight = np.exp(log - log.max()) * halfnorm.pdf(grid, scale=0.8)
    weight /= weight.sum()
    mean = weight @ grid
    sd = np.sqrt(weight @ (grid - mean) ** 2)
    found = np.array(kept)[1000:, 1]
    assert abs(found.mean() - mean) < 0.1 * sd
    assert found.std() == pytest.approx(sd, rel=0.1)
