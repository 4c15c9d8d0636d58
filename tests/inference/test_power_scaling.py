"""Weights for weaker and stronger priors, against a model whose power-scaled posterior is known."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import halfnorm, norm

from medresponse.inference.graphs import flatten, log_prior_of
from medresponse.inference.power_scaling import LOG_PRIOR, POWERS, power_scaled
from medresponse.priors import Scales
from medresponse.priors.base import scaled_normal

DRAWS = 4000


def stats(log_prior, imputation=(0, 0)):
    values = np.reshape(log_prior, (len(imputation), -1))
    return xr.Dataset({LOG_PRIOR: (("chain", "draw"), values)}, {"imputation": ("chain", list(imputation))})


def test_weighted_draws_have_the_mean_of_the_posterior_under_the_scaled_prior():
    # y ~ N(theta, 1) once, theta ~ N(0, 1): under the prior to the power a, theta | y ~ N(y / (1 + a), 1 / (1 + a)).
    y = 1.0
    theta = norm.ppf((np.arange(DRAWS) + 0.5) / DRAWS, loc=y / 2, scale=np.sqrt(0.5))
    theta = np.random.default_rng(1).permutation(theta)
    scaled, k = power_scaled(stats(norm.logpdf(theta)))
    assert k < 0.5
    for name, power in POWERS.items():
        weights = np.exp(scaled[name].values.ravel())
        mean, spread = y / (1 + power), np.sqrt(1 / (1 + power) / DRAWS)
        assert weights.sum() == pytest.approx(1.0)
        assert (weights * theta).sum() == pytest.approx(mean, abs=3 * spread)


def test_each_imputation_keeps_its_share():
    rng = np.random.default_rng(2)
    log_prior = np.stack([rng.normal(size=500), rng.normal(5.0, size=500)])
    scaled, _ = power_scaled(stats(log_prior, imputation=(0, 1)))
    for name in POWERS:
        np.testing.assert_allclose(np.exp(scaled[name].values).sum(axis=1), 1.0)


@pytest.mark.parametrize("coordinates", ["multiples of the scale", "informed", "themselves"])
def test_the_priors_density_is_that_of_standardised_coefficients_in_whatever_coordinates(coordinates):
    import pymc as pm
    import pytensor

    b, s, size = np.array([0.3, -1.2, 0.1]), 0.4, 3
    known = {"estimate": np.array([0.5, -1.0, 0.0]), "error": np.array([0.1, 0.2, 3.0])}
    with pm.Model() as model:
        scale = pm.HalfNormal("scale", 2.0)
        if coordinates == "themselves":
            pm.Normal("b", 0.0, scale, shape=size)
        else:
            scales = Scales(
                unit_information_sd=1.0, latent_sd=1.0, column_sd=np.ones(size),
                **(known if coordinates == "informed" else {}),
            )  # fmt: skip
            scaled_normal("b", scale, size=size, dims=None, scales=scales)
    width = np.hypot(s, known["error"])
    own = {
        "b": b, "b_raw": b / s,
        "b_informed__": (b - known["estimate"] * (s / width) ** 2) * width / (s * known["error"]),
    }  # fmt: skip
    point = {"scale_log__": np.log(s)} | {
        value.name: own[value.name] for value in model.value_vars if value.name != "scale_log__"
    }
    expected = halfnorm.logpdf(s, scale=2.0) + norm.logpdf(b / s).sum()
    by_pymc = model.compile_fn(log_prior_of(model), inputs=model.value_vars, mode="FAST_COMPILE")(point)
    assert float(by_pymc) == pytest.approx(expected, rel=1e-7)  # PyMC rounds constants in the ninth digit
    flat = flatten(model)
    x = np.concatenate([np.ravel(point[value.name]) for value in model.value_vars])
    kept = pytensor.function([flat.x], flat.everything, mode="FAST_COMPILE")(x)
    assert kept[-1] == pytest.approx(expected, rel=1e-7)


def test_a_small_scale_of_many_coefficients_moves_as_under_the_scaled_priors():
    # y_j ~ N(b_j, e^2), b_j = s z_j. Under priors to the power a, z_j ~ N(0, 1 / a), and p(s)^a.
    rng, e, draws = np.random.default_rng(1), 0.3, 8000
    y, s = rng.normal(scale=0.4, size=9), np.exp(np.linspace(-9.0, 3.0, 3000))

    def chances(power):
        log = power * halfnorm.logpdf(s) + np.log(s)
        log += norm.logpdf(y[:, None], 0.0, np.hypot(e, s / np.sqrt(power))).sum(axis=0)
        return np.exp(log - log.max()) / np.exp(log - log.max()).sum()

    scale = rng.choice(s, draws, p=chances(1.0))
    mean, sd = (scale / np.hypot(scale, e)) ** 2, scale * e / np.hypot(scale, e)
    b = mean[:, None] * y + sd[:, None] * rng.normal(size=(draws, len(y)))
    standardised = halfnorm.logpdf(scale) + norm.logpdf(b / scale[:, None]).sum(axis=1)
    scaled, k = power_scaled(stats(standardised))
    assert k < 0.5
    for name, power in POWERS.items():
        weights = np.exp(scaled[name].values.ravel())
        found, wanted = (weights * scale).sum(), (chances(power) * s).sum()
        error = np.sqrt((weights**2 * (scale - found) ** 2).sum())
        assert abs(found - wanted) < 4 * error < abs(wanted - scale.mean())
    themselves = halfnorm.logpdf(scale) + norm.logpdf(b, 0.0, scale[:, None]).sum(axis=1)
    assert power_scaled(stats(themselves))[1] > 1.0  # of which no more than this can be said


def test_priors_that_a_few_draws_dominate_are_found_out():
    # Under the power 0.8 the weights are p^-0.2: Pareto of shape 0.9 where -log p / 4.5 is exponential.
    heavy = -4.5 * np.random.default_rng(3).exponential(size=DRAWS)
    assert power_scaled(stats(heavy))[1] == pytest.approx(0.9, abs=0.15)


def test_without_a_prior_density_nothing_is_said():
    blank = xr.Dataset(
        {"diverging": (("chain", "draw"), np.zeros((2, 3)))}, {"imputation": ("chain", [0, 0])}
    )
    assert power_scaled(blank) == (blank, None)
