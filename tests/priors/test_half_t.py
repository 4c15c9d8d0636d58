"""The coordinate of half-t scales: it loses nothing, and makes the half-Cauchy nearly normal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytest
from scipy import stats

from medresponse.priors.half_t import half_t

Z = np.linspace(-6, 6, 49)


def coordinate(df: float) -> tuple[Any, Any]:
    """The transform of a half-t variable, and the log density of its coordinate."""
    with pm.Model() as model:
        scale = half_t("scale", df)
    (value,) = model.value_vars
    return model.rvs_to_transforms[scale], model.compile_fn(
        model.logp(), inputs=[value], mode="FAST_COMPILE", point_fn=False
    )


@pytest.mark.parametrize("df", [1.0, 3.0])
def test_the_density_is_that_of_a_half_t_and_the_jacobian(df: float) -> None:
    transform, density = coordinate(df)
    scale = transform.backward(Z).eval()
    assert (np.diff(scale) > 0).all()
    np.testing.assert_allclose(transform.forward(scale).eval(), Z, rtol=1e-10, atol=1e-12)
    step = 1e-5
    slope = (transform.backward(Z + step).eval() - transform.backward(Z - step).eval()) / (2 * step)
    expected = np.log(2) + stats.t(df).logpdf(scale) + np.log(slope)
    np.testing.assert_allclose([float(density(z)) for z in Z], expected, rtol=1e-7, atol=1e-7)


def test_a_half_cauchy_is_nearly_standard_normal() -> None:
    transform, _ = coordinate(1.0)
    z = np.linspace(-3, 3, 61)
    exact = np.tan(np.pi / 2 * stats.norm.cdf(z))
    assert np.abs(transform.forward(exact).eval() - z).max() < 0.11
