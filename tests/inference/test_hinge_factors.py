"""Inner products with all factors at once, against the factors written out."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.features.hinges import ABOVE, BELOW, LINE, STEP
from medresponse.inference.hinge_factors import Factors
from medresponse.inference.hinge_products import inner_products, write_moments


@pytest.fixture(scope="module")
def columns() -> np.ndarray:
    """Continuous, counts, a binary, skewed, constant, and a category too rare for a knot."""
    rng = np.random.default_rng(1)
    n = 300
    rare = (np.arange(n) < 6).astype(float)
    x = [
        rng.standard_normal(n),
        rng.poisson(0.5, n),
        rng.random(n) < 0.2,
        rng.exponential(size=n),
        np.ones(n),
        rare,
    ]
    return np.column_stack(x).astype(float)


@pytest.fixture(scope="module")
def factors(columns: np.ndarray) -> Factors:
    return Factors(columns, np.arange(6), np.array([0, 1, 2, 3, 4, 2]), knots=12, min_patients=10)


def dense(factors: Factors) -> np.ndarray:
    return np.array([factors.values(k) for k in range(len(factors))])


def test_inner_products_are_those_of_the_factors_written_out(factors: Factors) -> None:
    vector, found = np.random.default_rng(2).standard_normal(factors.n), np.zeros(len(factors))
    inner_products(factors.table, vector, vector.sum(), np.zeros((3, 13)), found)
    np.testing.assert_allclose(found, dense(factors) @ vector, atol=1e-9)


@pytest.mark.parametrize("shape", [None, LINE, ABOVE, BELOW, STEP])
def test_moments_beside_a_parent_are_those_of_the_products(factors: Factors, shape: int | None) -> None:
    parent = () if shape is None else (int(np.flatnonzero(factors.shape == shape)[0]),)
    product, mean, inverse = np.zeros(factors.n), np.zeros(len(factors)), np.zeros(len(factors))
    write_moments(factors.table, np.array(parent), len(parent), product, np.zeros((3, 13)), mean, inverse)
    products = dense(factors) * factors.product(parent)
    np.testing.assert_allclose(mean, products.mean(axis=1), atol=1e-10)
    usable = inverse > 0
    np.testing.assert_allclose(1 / inverse[usable], products.std(axis=1)[usable], rtol=1e-6)
    own = np.isin(factors.feature, factors.feature[list(parent)])
    np.testing.assert_array_equal(usable, (products.var(axis=1) > 1e-4) & ~own)


def test_a_standardised_product_has_mean_zero_and_variance_one(factors: Factors) -> None:
    pair = (int(np.flatnonzero(factors.shape == ABOVE)[0]), int(np.flatnonzero(factors.column == 2)[0]))
    standard = factors.standard(pair)
    assert standard is not None
    values, mean, sd = standard
    np.testing.assert_allclose(
        values * sd + mean, factors.values(pair[0]) * factors.values(pair[1]), atol=1e-12
    )
    assert values.mean() == pytest.approx(0, abs=1e-12) and values.std() == pytest.approx(1)


def test_every_knot_leaves_enough_patients_on_both_sides(factors: Factors, columns: np.ndarray) -> None:
    assert set(factors.column.tolist()) == {0, 1, 2, 3}  # neither the constant nor the rare category
    for column, shape, knot in zip(factors.column, factors.shape, factors.knot, strict=True):
        above = (columns[:, column] > knot).sum()
        assert shape == LINE or 10 <= above <= 290


def test_two_levels_make_a_step_only_and_few_levels_no_hinges(factors: Factors) -> None:
    assert set(factors.shape[factors.column == 2].tolist()) == {STEP}
    assert set(factors.shape[factors.column == 0].tolist()) == {LINE, ABOVE, BELOW, STEP}
    assert (factors.shape[factors.column == 0] == STEP).sum() <= 12


def test_a_features_factors_share_its_probability(factors: Factors) -> None:
    """Also where one of its columns has no factor."""
    np.testing.assert_allclose(np.bincount(factors.feature, np.exp(factors.log_share)), np.ones(4))


def test_features_without_variation_have_no_factors() -> None:
    none = Factors(np.ones((30, 2)), np.arange(2), np.arange(2), knots=5, min_patients=2)
    assert len(none) == 0
