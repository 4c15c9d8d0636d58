"""Continuous outcomes with outliers against scipy's Student-t, numerical expectations and a published regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from medresponse.core.codec import from_plain
from medresponse.core.errors import DataError, SpecError
from medresponse.core.estimand import Estimand
from medresponse.families import Family, StudentT
from tests.families.graph import as_draws, evaluate, likelihood_model

FORWARD = {"identity": lambda y: y, "sqrt": np.sqrt, "cbrt": np.cbrt}
BACK = {"identity": lambda z: z, "sqrt": lambda z: max(z, 0.0) ** 2, "cbrt": lambda z: max(z, 0.0) ** 3}
LEAST = {"identity": 2.0, "sqrt": 3.0, "cbrt": 4.0}
MEAN = Estimand(kind="mean")


@pytest.mark.parametrize("scale", sorted(FORWARD))
def test_the_likelihood_is_scipys_student_t_on_the_models_scale(scale: Any) -> None:
    rng = np.random.default_rng(0)
    design, outcome = rng.normal(size=(30, 2)), {"value": rng.uniform(1.0, 60.0, 30)}
    family = StudentT(scale=scale)
    model = likelihood_model(family, design, outcome, np.zeros(30, int), n_treatments=1)
    b = np.array([0.6, -0.3])
    point = {"b": b, "alpha": 0.3, "residual_log__": np.log(0.7), "freedom_log__": np.log(5.0)}
    found, z = evaluate(family, model, point), FORWARD[scale](outcome["value"])
    spread = 1.4826 * np.median(np.abs(z - np.median(z)))
    law = stats.t(LEAST[scale] + 5.0, np.median(z) + 0.3 * spread + design @ b, 0.7 * spread)
    assert float(found["likelihood"]) == pytest.approx(law.logpdf(z).sum(), rel=1e-11)
    pointwise = family.log_likelihood(
        (design @ b)[:, None], outcome, np.zeros(30, int), as_draws(found, family), {}
    )
    np.testing.assert_allclose(pointwise[:, 0], law.logpdf(z), rtol=1e-10)


def test_maximum_likelihood_of_the_stack_loss_data_is_the_published_fit() -> None:
    """Lange, Little & Taylor (1989, J Am Stat Assoc 84:881), t with 1.1 degrees of freedom: 0.85, 0.49, -0.07."""
    air = [80, 80, 75, 62, 62, 62, 62, 62, 58, 58, 58, 58, 58, 58, 50, 50, 50, 50, 50, 56, 70]
    water = [27, 27, 25, 24, 22, 23, 24, 24, 23, 18, 18, 17, 18, 19, 18, 18, 19, 19, 20, 20, 20]
    acid = [89, 88, 90, 87, 87, 87, 93, 93, 87, 80, 89, 88, 82, 93, 89, 86, 72, 79, 80, 82, 91]
    loss = np.array([42, 37, 37, 28, 18, 18, 19, 20, 15, 14, 14, 13, 11, 12, 8, 7, 8, 8, 9, 15, 15.0])
    design, rows = np.column_stack([air, water, acid]), np.zeros(21, int)

    def minus(point: np.ndarray) -> float:
        draws = {"intercept": point[:1], "sigma": np.exp(point[4:]), "nu": np.array([1.1])}
        scores = StudentT().log_likelihood(design @ point[1:4, None], {"value": loss}, rows, draws, {})
        return -float(scores.sum())

    best = optimize.minimize(
        minus, [-39.9, 0.7, 1.3, -0.15, 1.0], method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 20_000, "maxfev": 20_000},
    )  # fmt: skip
    assert np.round(best.x[1:4], 2).tolist() == [0.85, 0.49, -0.07]


@pytest.mark.parametrize("scale", sorted(FORWARD))
@pytest.mark.parametrize(("mu", "sigma", "nu"), [(3.0, 0.3, 5.0), (1.0, 0.8, 12.0), (-0.5, 1.0, 6.5)])
def test_the_mean_response_is_the_expectation_on_the_original_scale(
    scale: Any, mu: float, sigma: float, nu: float
) -> None:
    """Also where the root would often be negative: it then counts as zero."""
    parameters = {"intercept": np.array([mu - 0.4]), "sigma": np.array([sigma]), "nu": np.array([nu])}
    found = StudentT(scale=scale).response(MEAN, np.array([[[0.4]]]), parameters, {})
    law = stats.t(nu, mu, sigma)
    pieces = [(-np.inf, 0.0), (0.0, 5.0), (5.0, np.inf)][1 if scale != "identity" else 0 :]
    expected = sum(
        integrate.quad(lambda z: BACK[scale](z) * law.pdf(z), *piece, epsabs=1e-13, epsrel=1e-12, limit=400)[
            0
        ]
        for piece in pieces
    )
    assert found.shape == (1, 1, 1)
    assert found[0, 0, 0] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("scale", sorted(FORWARD))
def test_simulated_outcomes_are_student_t_on_the_models_scale(scale: Any) -> None:
    uniform = np.random.default_rng(1).random((1, 1, 20_000))
    parameters = {"intercept": np.array([50.0]), "sigma": np.array([0.4]), "nu": np.array([6.0])}
    outcomes = StudentT(scale=scale).simulate(np.full(uniform.shape, 0.5), parameters, {}, uniform)
    assert stats.kstest(FORWARD[scale](outcomes).ravel(), stats.t(6.0, 50.5, 0.4).cdf).pvalue > 1e-3


def test_there_is_no_log_scale_since_the_mean_would_be_infinite() -> None:
    with pytest.raises(ValueError, match=r"mean.*identity, sqrt and cbrt.*gaussian has a log scale"):
        StudentT(scale="log")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="scale"):
        from_plain(Family, {"kind": "student_t", "scale": "log"})


@pytest.mark.parametrize("scale", sorted(FORWARD))
def test_the_degrees_of_freedom_leave_the_mean_a_moment_to_spare(scale: Any) -> None:
    import pymc as pm

    outcome = {"value": np.linspace(1.0, 9.0, 5)}
    model = likelihood_model(
        StudentT(scale=scale), np.zeros((5, 0)), outcome, np.zeros(5, int), n_treatments=1
    )
    nu = pm.draw(model["nu"], draws=2000, random_seed=1, mode="FAST_COMPILE")
    assert stats.kstest(nu - LEAST[scale], stats.gamma(2.0, scale=10.0).cdf).pvalue > 1e-3


def test_outliers_move_neither_the_centre_nor_the_spread_of_the_priors() -> None:
    normal = stats.norm(20.0, 3.0).ppf((np.arange(999) + 0.5) / 999)
    clean = StudentT().learn({"value": normal})
    assert clean["spread"] == pytest.approx(3.0, rel=2e-3)
    dirty = StudentT().learn({"value": np.append(normal, np.full(9, 1e6))})
    assert dirty["spread"] == pytest.approx(3.0, rel=0.02)
    assert dirty["center"] == pytest.approx(20.0, abs=0.05)


def test_where_most_values_are_equal_the_spread_is_the_standard_deviation() -> None:
    value = np.array([0.0] * 8 + [1.0, -2.0])
    assert StudentT().learn({"value": value})["spread"] == pytest.approx(value.std(ddof=1), rel=1e-12)


def test_outcomes_without_a_value_on_the_scale_are_counted_and_refused() -> None:
    with pytest.raises(DataError, match=r"sqrt scale.* 1 row") as caught:
        StudentT(scale="sqrt").learn({"value": np.array([0.0, 1.0, -2.0])})
    assert caught.value.code == "outcome_scale"
