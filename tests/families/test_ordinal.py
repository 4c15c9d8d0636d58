"""Ordered categories against scipy's logistic law and a published proportional-odds fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from medresponse.core.errors import SpecError
from medresponse.core.estimand import Estimand
from medresponse.families import Bernoulli, Ordinal
from tests.families.graph import as_draws, evaluate, likelihood_model

FAMILY, LOGISTIC = Ordinal(), stats.logistic
THREE = {"n_levels": np.array(3)}


def point_of(p: np.ndarray, b: Any) -> dict[str, Any]:
    """The sampler's variables at category probabilities `p`: log odds of each category against all above it."""
    above = np.cumsum(p[::-1])[-2::-1]
    return {"b": b, "share_logodds__": np.log(p[:-1]) - np.log(above)}


def scored(p: np.ndarray, eta: np.ndarray, value: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The graph at probabilities `p` and the pointwise log-likelihoods in numpy."""
    outcome = {"value": value, "n_levels": np.array(len(p))}
    model = likelihood_model(FAMILY, eta[:, None], outcome, np.zeros(len(value), int), n_treatments=1)
    found = evaluate(FAMILY, model, point_of(p, np.ones(1)))
    pointwise = FAMILY.log_likelihood(
        eta[:, None], outcome, np.zeros(len(value), int), as_draws(found, FAMILY), {}
    )
    return found, pointwise[:, 0]


def test_the_likelihood_is_a_difference_of_scipys_logistic_probabilities() -> None:
    rng, p = np.random.default_rng(0), np.array([0.1, 0.35, 0.3, 0.05, 0.2])
    eta, value = rng.normal(scale=2.0, size=60), rng.integers(0, 5, 60)
    found, pointwise = scored(p, eta, value)
    cuts = LOGISTIC.ppf(np.cumsum(p)[:-1])
    np.testing.assert_allclose(found["cuts"], cuts, rtol=1e-10)
    bounds = np.concatenate([[-np.inf], cuts, [np.inf]])
    expected = np.log(LOGISTIC.cdf(bounds[value + 1] - eta) - LOGISTIC.cdf(bounds[value] - eta))
    np.testing.assert_allclose(pointwise, expected, rtol=1e-9)
    assert float(found["likelihood"]) == pytest.approx(expected.sum(), rel=1e-10)


def test_maximum_likelihood_of_the_wine_table_is_the_published_fit() -> None:
    """Randall (1989), clm of R's ordinal: tempwarm 2.503, contactyes 1.528, cuts -1.344 1.251 3.467 5.006, logLik -86.49."""
    table = {
        (0, 0): [4, 9, 5, 0, 0],
        (0, 1): [1, 7, 8, 2, 0],
        (1, 0): [0, 5, 8, 3, 2],
        (1, 1): [0, 1, 5, 7, 5],
    }
    rows = np.array([[*x, c] for x, counts in table.items() for c, n in enumerate(counts) for _ in range(n)])
    assert np.bincount(rows[:, 2]).tolist() == [5, 22, 26, 12, 7]

    def loss(point: np.ndarray) -> float:
        draws = {"cuts": point[None, 2:]}
        eta = rows[:, :2] @ point[:2, None]
        return -float(FAMILY.log_likelihood(eta, {"value": rows[:, 2]}, rows[:, 0], draws, {}).sum())

    best = optimize.minimize(loss, [2.0, 1.0, -1.0, 1.0, 3.0, 5.0], method="BFGS", options={"gtol": 1e-6})
    assert np.round(best.x, 3).tolist() == [2.503, 1.528, -1.344, 1.251, 3.467, 5.006]
    assert round(-best.fun, 2) == -86.49


def test_with_two_categories_it_is_the_binary_family() -> None:
    rng = np.random.default_rng(1)
    eta, value = rng.normal(size=(25, 1)), rng.integers(0, 2, 25)
    draws = {"cuts": np.array([[0.7]])}
    found = FAMILY.log_likelihood(eta, {"value": value}, np.zeros(25, int), draws, {})
    binary = {"value": value.astype(float)}
    expected = Bernoulli().log_likelihood(eta, binary, np.zeros(25, int), {"intercept": np.array([-0.7])}, {})
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    outcome = {"value": value, "n_levels": np.array(2)}
    assert FAMILY.unit_information_sd(outcome) == pytest.approx(
        Bernoulli().unit_information_sd(binary), rel=1e-12
    )


def test_a_category_seen_once_in_a_trillion_keeps_all_its_digits_in_the_graph() -> None:
    """Its two cut points agree in every digit that floats have for their difference."""
    p = np.array([0.4, 1e-14, 0.6 - 1e-14])
    found, _ = scored(p, np.zeros(3), np.array([0, 1, 2]))
    assert float(found["likelihood"]) == pytest.approx(np.log(p).sum(), rel=1e-12)


def test_a_level_never_observed_rests_on_the_prior_and_breaks_nothing() -> None:
    """With its probability r going to zero the likelihood goes to that of the other levels.

    The cut points move by at most 1.5 r and 3.4 r of log odds, ten patients' log-likelihoods by no more than that.
    """
    eta, value = np.random.default_rng(2).normal(size=20), np.repeat([0, 2], 10)
    whole, _ = scored(np.array([0.3, 0.7]), eta, value // 2)
    for rare in (1e-3, 1e-9, 1e-30):
        found, pointwise = scored(np.array([0.3 * (1 - rare), rare, 0.7 * (1 - rare)]), eta, value)
        assert np.isfinite(pointwise).all()
        assert float(found["likelihood"]) == pytest.approx(float(whole["likelihood"]), abs=49 * rare + 1e-10)


def test_the_prior_is_a_dirichlet_of_the_average_patients_category_probabilities() -> None:
    import pymc as pm

    outcome = {"value": np.array([0, 1, 2, 3]), "n_levels": np.array(4)}
    model = likelihood_model(
        Ordinal(concentration=2.0), np.zeros((4, 0)), outcome, np.zeros(4, int), n_treatments=1
    )
    cuts = pm.draw(model["cuts"], draws=4000, random_seed=1, mode="FAST_COMPILE")
    below = LOGISTIC.cdf(cuts)  # each a Beta(2 c, 2 (4 - c)) under Dirichlet(2, 2, 2, 2)
    for c in (1, 2, 3):
        assert stats.kstest(below[:, c - 1], stats.beta(2 * c, 2 * (4 - c)).cdf).pvalue > 1e-3


def test_a_higher_eta_means_higher_categories_and_categories_sum_to_one() -> None:
    eta, parameters = np.linspace(-3, 3, 7).reshape(7, 1, 1), {"cuts": np.array([[-0.5, 1.2]])}
    at_least = FAMILY.response(Estimand(kind="at_least", part=2), eta, parameters, THREE)
    assert (np.diff(at_least[:, 0, 0]) > 0).all()
    np.testing.assert_allclose(at_least[:, 0, 0], LOGISTIC.sf(1.2, loc=eta[:, 0, 0]), rtol=1e-12)
    each = [FAMILY.response(Estimand(kind="category", part=c), eta, parameters, THREE) for c in range(3)]
    np.testing.assert_allclose(sum(each), 1.0, rtol=1e-14)
    np.testing.assert_allclose(each[2], at_least, rtol=1e-14)


@pytest.mark.parametrize(
    ("kind", "part"),
    [("at_least", 0), ("at_least", 3), ("at_least", None), ("category", -1), ("category", 3)],
)
def test_a_part_that_is_no_category_is_refused(kind: str, part: int | None) -> None:
    with pytest.raises(SpecError, match="position") as caught:
        FAMILY.response(
            Estimand(kind=kind, part=part), np.zeros((1, 1, 1)), {"cuts": np.array([[-0.5, 1.2]])}, THREE
        )
    assert caught.value.code == "part"


def test_simulated_categories_have_the_models_probabilities() -> None:
    uniform = np.random.default_rng(3).random((1, 1, 20_000))
    parameters = {"cuts": np.tile([-0.5, 1.2], (20_000, 1))}
    found = np.bincount(FAMILY.simulate(np.full(uniform.shape, 0.3), parameters, THREE, uniform).ravel())
    p = np.diff(LOGISTIC.cdf([-np.inf, -0.8, 0.9, np.inf]))
    assert stats.chisquare(found, 20_000 * p).pvalue > 1e-3


def test_the_unit_information_sd_is_whiteheads() -> None:
    """1 / sqrt(n (1 - sum p^3) / 3); for many equal categories the information is that of a logistic location, n / 3."""
    outcome = {"value": np.arange(3000), "n_levels": np.array(3000)}
    assert FAMILY.unit_information_sd(outcome) == pytest.approx(np.sqrt(3 / 3000), rel=1e-6)


def test_features_are_imputed_from_ridits() -> None:
    found = FAMILY.companions({"value": np.array([0, 0, 1, 2]), "n_levels": np.array(4)})[:, 0]
    ridit = np.array([0.25, 0.25, 0.625, 0.875])
    np.testing.assert_allclose(found, (ridit - 0.5) / ridit.std(), rtol=1e-12)


@pytest.mark.parametrize("concentration", [0.0, -1.0, float("inf")])
def test_a_concentration_is_positive(concentration: float) -> None:
    with pytest.raises(ValueError, match="concentration"):
        Ordinal(concentration=concentration)
