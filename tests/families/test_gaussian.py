"""Gaussian outcomes: the compressed likelihood against scipy's normal, responses against numerical expectations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from medresponse.core.errors import DataError
from medresponse.core.estimand import Estimand
from medresponse.families import Gaussian
from tests.families.graph import as_draws, evaluate, likelihood_model

FORWARD = {"identity": lambda y: y, "log": np.log, "sqrt": np.sqrt, "cbrt": np.cbrt}
BACK = {
    "identity": lambda z: z,
    "log": np.exp,
    "sqrt": lambda z: max(z, 0.0) ** 2,
    "cbrt": lambda z: max(z, 0.0) ** 3,
}
MEAN = Estimand(kind="mean")


def data_of(n: int, p: int, *, seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, p)), {"value": rng.uniform(1.0, 60.0, n)}


@pytest.mark.parametrize("scale", sorted(FORWARD))
@pytest.mark.parametrize(
    ("n", "p"), [(40, 3), (40, 0), (4, 3), (3, 5)], ids=["tall", "no columns", "square", "wide"]
)
def test_the_compressed_likelihood_is_the_sum_of_normal_densities(scale: Any, n: int, p: int) -> None:
    design, outcome = data_of(n, p)
    family = Gaussian(scale=scale)
    model = likelihood_model(family, design, outcome, np.zeros(n, int), n_treatments=1)
    rng, z = np.random.default_rng(9), FORWARD[scale](outcome["value"])
    values = []
    for alpha, log_residual in ((0.2, -0.1), (-1.0, 0.6), (0.0, -2.0)):
        b = rng.normal(size=p)
        # Sampled is the mean over patients, alpha and what the columns add to it.
        mean = alpha + (design.mean(axis=0) @ b) / z.std(ddof=1)
        found = evaluate(family, model, {"b": b, "mean": mean, "residual_log__": log_residual})
        assert float(found["intercept"]) == pytest.approx(z.mean() + alpha * z.std(ddof=1), rel=1e-10)
        assert float(found["sigma"]) == pytest.approx(np.exp(log_residual) * z.std(ddof=1), rel=1e-12)
        law = stats.norm(z.mean() + alpha * z.std(ddof=1) + design @ b, np.exp(log_residual) * z.std(ddof=1))
        values.append((float(found["likelihood"]), law.logpdf(z).sum()))
        pointwise = family.log_likelihood(
            (design @ b)[:, None], outcome, np.zeros(n, int), as_draws(found, family), {}
        )
        np.testing.assert_allclose(pointwise[:, 0], law.logpdf(z), rtol=1e-10)
    found_values, expected = np.array(values).T
    np.testing.assert_allclose(found_values, expected, rtol=1e-10)
    np.testing.assert_allclose(np.diff(found_values), np.diff(expected), rtol=1e-10)


def test_an_ill_conditioned_design_loses_nothing_in_compression() -> None:
    """Two columns that differ in the sixth digit."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=200)
    design = np.column_stack(
        [first, first + 1e-6 * rng.normal(size=200), np.full(200, 1e3) + rng.normal(size=200)]
    )
    outcome = {"value": rng.normal(size=200)}
    model = likelihood_model(Gaussian(), design, outcome, np.zeros(200, int), n_treatments=1)
    b, y = np.array([30.0, -30.0, 0.001]), outcome["value"]
    mean = 0.1 + (design.mean(axis=0) @ b) / y.std(ddof=1)
    found = evaluate(Gaussian(), model, {"b": b, "mean": mean, "residual_log__": 0.0})
    expected = stats.norm(y.mean() + 0.1 * y.std(ddof=1) + design @ b, y.std(ddof=1)).logpdf(y).sum()
    assert float(found["likelihood"]) == pytest.approx(expected, rel=1e-10)


def test_what_the_sampler_reads_does_not_grow_with_the_number_of_patients() -> None:
    sizes = []
    for n in (30, 3000):
        design, outcome = data_of(n, 3)
        family = Gaussian()
        data = family.compress(design, outcome, np.zeros(n, int), family.learn(outcome))
        sizes.append(sum(np.size(value) for value in data.values()))
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("scale", sorted(FORWARD))
@pytest.mark.parametrize(("mu", "sigma"), [(3.0, 0.3), (1.0, 0.8), (-0.5, 1.0)])
def test_the_mean_response_is_the_expectation_on_the_original_scale(
    scale: Any, mu: float, sigma: float
) -> None:
    """Also where the root would often be negative: it then counts as zero."""
    family = Gaussian(scale=scale)
    eta = np.array([[[0.4]]])
    found = family.response(MEAN, eta, {"intercept": np.array([mu - 0.4]), "sigma": np.array([sigma])}, {})
    law = stats.norm(mu, sigma)
    low = 0.0 if scale in ("sqrt", "cbrt") else mu - 12 * sigma
    expected, _ = integrate.quad(
        lambda z: BACK[scale](z) * law.pdf(z), low, mu + 15 * sigma, epsabs=1e-13, limit=200
    )
    assert found.shape == (1, 1, 1)
    assert found[0, 0, 0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("scale", sorted(FORWARD))
def test_simulated_outcomes_are_normal_on_the_models_scale(scale: Any) -> None:
    uniform = np.random.default_rng(1).random((1, 1, 20_000))
    parameters = {"intercept": np.array([2.5]), "sigma": np.array([0.4])}
    outcomes = Gaussian(scale=scale).simulate(np.full(uniform.shape, 0.5), parameters, {}, uniform)
    assert stats.kstest(FORWARD[scale](outcomes).ravel(), stats.norm(3.0, 0.4).cdf).pvalue > 1e-3


def test_a_root_that_would_be_negative_is_an_outcome_of_zero() -> None:
    for scale in ("sqrt", "cbrt"):
        low = Gaussian(scale=scale).simulate(
            np.zeros((1, 1, 1)),
            {"intercept": np.array([-1.0]), "sigma": np.array([0.5])},
            {},
            np.full((1, 1, 1), 0.5),
        )
        assert low[0, 0, 0] == 0.0


@pytest.mark.parametrize(
    ("scale", "values", "count"),
    [("log", [0.0, 1.0, -2.0], 2), ("sqrt", [0.0, 1.0, -2.0], 1), ("cbrt", [-1.0, 1.0, 2.0], 1),
     ("identity", [np.nan, 1.0, 2.0], 1)],
)  # fmt: skip
def test_outcomes_without_a_value_on_the_scale_are_counted_and_refused(
    scale: Any, values: list[float], count: int
) -> None:
    with pytest.raises(DataError, match=rf"{scale} scale.* {count} row") as caught:
        Gaussian(scale=scale).learn({"value": np.array(values)})
    assert caught.value.code == "outcome_scale"


def test_the_unit_information_sd_is_that_of_a_mean() -> None:
    _, outcome = data_of(50, 1)
    expected = np.sqrt(outcome["value"]).std(ddof=1) / np.sqrt(50)
    assert Gaussian(scale="sqrt").unit_information_sd(outcome) == pytest.approx(expected, rel=1e-12)
