"""Responses read off polynomials are those of the family, or nothing is said of the patient."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gamma, gammainc

from medresponse.response.scoring.interpolated import CELLS, Interpolated

UNIT = 2.0**-24
TREATMENTS, DRAWS = 2, 5
SHAPE = np.linspace(0.5, 3.0, DRAWS)


def restricted_mean(eta: np.ndarray) -> np.ndarray:
    """Of a Weibull time up to 12, in closed form; under the second treatment time runs twice as fast."""
    scale = np.exp(eta) * np.array([1.0, 0.5])[:, None]
    return scale * gamma(1 + 1 / SHAPE) * gammainc(1 / SHAPE, (12.0 / scale) ** SHAPE)


def lines(n: int, *, spread: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (spread * rng.normal(size=(n, TREATMENTS, DRAWS))).astype(np.float32)


def test_they_are_the_response_to_the_rounding_of_float32() -> None:
    eta = lines(500, spread=1.5)
    values, holds = Interpolated(restricted_mean, TREATMENTS, DRAWS).at(eta)
    exact = restricted_mean(eta.astype(float))
    assert holds.all() and values.dtype == np.float32
    # Of the largest response in an interval of an eighth, and once more as the value is rounded.
    largest = np.maximum(restricted_mean(eta + 1 / 8), exact)
    assert (np.abs(values - exact) <= 2 * UNIT * largest).all()


@pytest.mark.parametrize(
    "response",
    [
        lambda eta: np.where(eta > 0.3, 1.0, 0.0) + 0 * SHAPE,  # jumps
        lambda eta: np.abs(eta - 0.3) + 0 * SHAPE,  # bends
        lambda eta: 1 / (1 + np.exp(-60.0 * (eta - 0.3))) + 0 * SHAPE,  # turns within an interval
        lambda eta: np.where(eta > 0.3, np.nan, eta) + 0 * SHAPE,
        lambda eta: np.exp(3000 * eta) + 0 * SHAPE,  # infinite
    ],
)
def test_nothing_is_said_where_a_polynomial_does_not_follow(response) -> None:
    eta = np.full((2, TREATMENTS, DRAWS), -1.0, dtype=np.float32)
    eta[1, 0, 2] = 0.31
    holds = Interpolated(response, TREATMENTS, DRAWS).at(eta)[1]
    assert not holds[1]


def test_one_draw_that_does_not_follow_is_enough() -> None:
    steep = np.array([1.0, 1.0, 1.0, 80.0, 1.0])
    eta = np.zeros((1, TREATMENTS, DRAWS), dtype=np.float32)
    assert not Interpolated(lambda at: np.tanh(steep * at), TREATMENTS, DRAWS).at(eta)[1].any()
    assert Interpolated(lambda at: np.tanh(0 * steep + at), TREATMENTS, DRAWS).at(eta)[1].all()


def test_numbers_far_out_or_not_finite_are_left_to_the_family() -> None:
    eta, far = lines(6, spread=0.5), CELLS / 16
    eta[1, 0, 0], eta[2, 1, 1], eta[3, 0, 2], eta[4, 0, 0] = far, -far - 0.01, np.nan, np.inf
    values, holds = Interpolated(restricted_mean, TREATMENTS, DRAWS).at(eta)
    assert holds.tolist() == [True, False, False, False, False, True]
    np.testing.assert_allclose(values[holds], restricted_mean(eta[holds].astype(float)), rtol=1e-6)


def test_the_ends_of_intervals_belong_to_one_of_them() -> None:
    ends = (np.arange(-16, 17) / 8).astype(np.float32)
    eta = np.broadcast_to(ends[:, None, None], (len(ends), TREATMENTS, DRAWS)).copy()
    values, holds = Interpolated(restricted_mean, TREATMENTS, DRAWS).at(eta)
    assert holds.all()
    np.testing.assert_allclose(values, restricted_mean(eta.astype(float)), rtol=3e-7)


def test_a_patients_digits_do_not_depend_on_what_was_asked_before() -> None:
    eta, used = lines(40, spread=2.0, seed=1), Interpolated(restricted_mean, TREATMENTS, DRAWS)
    used.at(lines(300, spread=4.0, seed=2))
    together, alone = used.at(eta), Interpolated(restricted_mean, TREATMENTS, DRAWS).at(eta[[7]])
    assert together[1][7] == alone[1][0]
    np.testing.assert_array_equal(together[0][7], alone[0][0])
