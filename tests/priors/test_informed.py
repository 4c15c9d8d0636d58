"""Coordinates chosen by estimates: the coefficients' law is the same whatever the estimates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from medresponse.priors import Horseshoe, Normal
from tests.priors.graph import block_model, joint_draws, scales_of

ESTIMATE, ERROR = np.array([0.8, -0.01, 0.0]), np.array([0.05, 0.05, 1e6])


@pytest.mark.parametrize("prior", [Normal(pooled=True), Normal(), Horseshoe(expected_nonzero=1.0)])
def test_coefficients_have_the_density_of_the_prior_and_the_jacobian_of_the_coordinates(
    prior: object,
) -> None:
    known = replace(scales_of(3), estimate=ESTIMATE, error=ERROR)
    model = block_model(prior, 3, scales=known)  # type: ignore[arg-type]
    rng = np.random.default_rng(1)
    b = model["b"]
    value = model.rvs_to_values[b]
    sd = b.owner.inputs[-1]
    outputs = model.replace_rvs_by_values([b, sd + np.zeros(3), model.logp(vars=[b])])
    function = model.compile_fn(
        outputs, inputs=model.value_vars, on_unused_input="ignore", mode="FAST_COMPILE"
    )
    for _ in range(5):
        point = {v.name: rng.normal(size=v.type.shape) for v in model.value_vars}
        found, scale, density = function({name: np.asarray(x) for name, x in point.items()})
        width = np.sqrt(scale**2 + ERROR**2)
        mean, spread = ESTIMATE * scale**2 / width**2, scale * ERROR / width
        np.testing.assert_allclose(found, mean + spread * point[value.name], rtol=1e-10)
        expected = stats.norm.logpdf(found, scale=scale).sum() + np.log(spread).sum()
        assert float(density) == pytest.approx(expected, rel=1e-8)


def test_without_information_they_are_multiples_of_the_scale() -> None:
    known = replace(scales_of(3), estimate=np.zeros(3), error=np.full(3, 1e12))
    model = block_model(Normal(sigma=0.3), 3, scales=known)
    (b,) = model.replace_rvs_by_values([model["b"]])
    z = np.array([1.0, -2.0, 0.5])
    found = model.compile_fn(b, inputs=model.value_vars, mode="FAST_COMPILE")({model.value_vars[0].name: z})
    np.testing.assert_allclose(found, 0.3 * z, rtol=1e-9)


def test_draws_from_the_prior_do_not_see_the_estimates() -> None:
    plain = joint_draws(block_model(Normal(pooled=True), 3), draws=4000)["b"]
    known = replace(scales_of(3), estimate=ESTIMATE, error=ERROR)
    other = joint_draws(block_model(Normal(pooled=True), 3, scales=known), draws=4000, seed=5)["b"]
    for j in range(3):
        assert stats.ks_2samp(plain[:, j], other[:, j]).pvalue > 1e-4
