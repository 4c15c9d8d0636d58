"""Curves: what a basis can draw, what its prior says, and that it survives storage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medresponse.core.codec import from_plain, to_plain
from medresponse.core.registry import registered
from medresponse.features import Basis
from medresponse.priors import HalfNormal
from medresponse.terms import GaussianProcess, Spline, Term

VALUES = np.random.default_rng(0).normal(size=400)


@pytest.fixture(params=sorted(registered(Term)))
def term(request: pytest.FixtureRequest) -> Any:
    return registered(Term)[request.param]()


def test_a_term_and_its_basis_survive_plain_data(term: Any) -> None:
    assert isinstance(term, Term) and from_plain(Term, to_plain(term)) == term
    basis = term.learn(VALUES)
    again = from_plain(Basis, to_plain(basis))
    assert again == basis
    grid = np.linspace(-4, 4, 9).reshape(3, 3)
    assert basis.columns(grid).shape == (3, 3, basis.size)
    np.testing.assert_array_equal(again.columns(grid), basis.columns(grid))


def test_functions_have_mean_zero_over_the_training_patients(term: Any) -> None:
    np.testing.assert_allclose(term.learn(VALUES).columns(VALUES).mean(axis=0), 0, atol=1e-10)


def test_no_training_value_is_kept_as_an_end(term: Any) -> None:
    kept = str(to_plain(term.learn(VALUES)))
    assert repr(float(VALUES.min())) not in kept and repr(float(VALUES.max())) not in kept


def test_a_smooth_function_is_found_by_least_squares(term: Any) -> None:
    truth = np.cos(1.5 * VALUES)
    design = np.column_stack([np.ones_like(VALUES), VALUES, term.learn(VALUES).columns(VALUES)])
    fitted = design @ np.linalg.lstsq(design, truth, rcond=None)[0]
    inside = np.abs(VALUES) < 1.2  # a natural spline is straight at its ends
    assert np.abs(fitted - truth)[inside].max() < 0.1


def test_too_few_values_for_a_curve_are_refused(term: Any) -> None:
    with pytest.raises(ValueError, match="fewer than three distinct"):
        term.learn(np.array([0.0, 1.0, 0.0, 1.0]))


def test_a_splines_functions_are_orthogonal_to_the_line_and_of_unit_size_together() -> None:
    columns = Spline().learn(VALUES).columns(VALUES)
    np.testing.assert_allclose(columns.T @ VALUES / len(VALUES), 0, atol=1e-10)
    assert np.sqrt((columns**2).sum(axis=1).mean()) == pytest.approx(1.0)


def test_a_spline_is_straight_beyond_its_knots() -> None:
    basis = Spline().learn(VALUES)
    for end in (np.array([5.0, 6.0, 7.0]), np.array([-7.0, -6.0, -5.0])):
        np.testing.assert_allclose(np.diff(basis.columns(end), n=2, axis=0), 0, atol=1e-10)


def test_a_splines_penalty_is_the_integral_of_its_squared_second_derivative() -> None:
    """Independent coefficients of the rotated basis have the penalty as their exponent: u'u = integral of f''^2."""
    basis = Spline(knots=6).learn(VALUES)
    u = np.random.default_rng(1).normal(size=basis.size)
    grid = np.linspace(basis.knots[0], basis.knots[-1], 200_001)
    f = basis.columns(grid) @ u
    step = grid[1] - grid[0]
    second = np.diff(f, n=2) / step**2
    size = np.linalg.norm(Spline(knots=6).learn(VALUES).columns(VALUES)) / np.sqrt(len(VALUES))
    assert size == pytest.approx(1.0)
    # The basis was divided by one number to have unit size: the ratio is the same for every u.
    ratio = (second**2).sum() * step / (u @ u)
    for seed in (2, 3):
        v = np.random.default_rng(seed).normal(size=basis.size)
        bend = np.diff(basis.columns(grid) @ v, n=2) / step**2
        assert (bend**2).sum() * step / (v @ v) == pytest.approx(ratio, rel=1e-3)


def test_a_gaussian_processes_covariance_is_the_squared_exponential() -> None:
    """Riutort-Mayol et al. (2023), eq. 8, at a length scale the basis can carry."""
    import pymc as pm

    basis = GaussianProcess(functions=40, boundary=2.0).learn(VALUES)
    sd, length = 0.7, 0.8
    root = sd * (2 * np.pi) ** 0.25 * np.sqrt(length) * np.exp(-((length * basis.frequencies) ** 2) / 4)
    x = np.linspace(-1, 1, 5)
    raw = basis.columns(x) + np.array(basis.means)  # the prior before its mean is taken off
    found = (raw * root**2) @ raw.T
    expected = sd**2 * np.exp(-((x[:, None] - x) ** 2) / (2 * length**2))
    np.testing.assert_allclose(found, expected, atol=1e-4)

    class Fixed:
        def __init__(self, value: float) -> None:
            self.value = value

        def sample(self, name: str) -> Any:
            return pm.Deterministic(name, pm.math.constant(self.value))

    term = GaussianProcess(functions=40, boundary=2.0, scale=Fixed(sd), length=Fixed(length))
    with pm.Model(coords={"d": range(40)}) as model:
        term.coefficients("f", basis=basis, copies=1, dims="d")
    draws = pm.draw(model["f"], draws=4000, random_seed=1, mode="FAST_COMPILE")
    np.testing.assert_allclose(draws.std(axis=0)[:8], root[:8], rtol=0.06)  # 4 standard errors


def test_beyond_the_training_values_a_gaussian_process_keeps_its_edge_value() -> None:
    basis = GaussianProcess().learn(VALUES)
    np.testing.assert_array_equal(basis.columns(np.array(30.0)), basis.columns(np.array(basis.high)))


def test_copies_share_one_scale_and_come_one_after_the_other() -> None:
    import pymc as pm

    term = Spline(scale=HalfNormal(sigma=0.5))
    basis = term.learn(VALUES)
    with pm.Model(coords={"d": range(2 * basis.size)}) as model:
        found = term.coefficients("f", basis=basis, copies=2, dims="d")
    assert found.type.shape == (2 * basis.size,) or found.ndim == 1
    assert sorted(v.name for v in model.free_RVs) == ["f_raw", "f_scale"]
