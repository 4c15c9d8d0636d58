"""R-hat and effective sizes of all elements together are those that arviz gives one at a time."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.inference.convergence import energy_bfmi, mixing


def autoregressive(shape: tuple[int, int, int], phi: float) -> np.ndarray:
    draws = np.random.default_rng(1).standard_normal(shape)
    for t in range(1, shape[1]):
        draws[:, t] += phi * draws[:, t - 1]
    return draws


@pytest.mark.parametrize(
    ("shape", "phi"),
    [((2, 500, 20), 0.5), ((4, 101, 20), 0.99), ((4, 51, 20), -0.9), ((3, 7, 20), 0.2), ((2, 4, 20), 0.0), ((4, 10, 40), 0.9)],
)  # fmt: skip
@pytest.mark.parametrize("ties", [False, True])
def test_figures_are_those_of_arviz(shape, phi, ties):
    from arviz_stats.base import array_stats

    draws = autoregressive(shape, phi)
    if ties:
        draws = np.round(draws)
    draws = draws[..., np.ptp(draws, axis=(0, 1)) > 0]
    axes = {"chain_axis": 0, "draw_axis": 1}
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (
            array_stats.rhat(draws, **axes),
            array_stats.ess(draws, method="bulk", **axes),
            array_stats.ess(draws, method="tail", prob=(0.05, 0.95), **axes),
        )
    for found, known in zip(mixing(draws), expected, strict=True):
        np.testing.assert_allclose(found, known, rtol=1e-9)


def test_a_value_that_is_not_finite_spoils_its_own_element_alone():
    draws = autoregressive((2, 100, 3), 0.0)
    spoilt = draws.copy()
    spoilt[1, 7, 1] = np.inf
    for found, known in zip(mixing(spoilt), mixing(draws), strict=True):
        assert np.isnan(found[1])
        np.testing.assert_array_equal(found[[0, 2]], known[[0, 2]])


def test_pieces_give_what_the_whole_gives(monkeypatch):
    draws = autoregressive((2, 100, 7), 0.3)
    whole = mixing(draws)
    monkeypatch.setattr("medresponse.inference.convergence._AT_ONCE", 400)
    for found, known in zip(mixing(draws), whole, strict=True):
        np.testing.assert_array_equal(found, known)


def test_three_draws_a_chain_say_nothing():
    assert all(np.isnan(found).all() for found in mixing(autoregressive((2, 3, 2), 0.0)))


def test_bfmi_is_that_of_arviz():
    from arviz_stats.base import array_stats

    energy = np.random.default_rng(1).standard_normal((3, 50))
    np.testing.assert_allclose(energy_bfmi(energy), array_stats.bfmi(energy, chain_axis=0, draw_axis=1))
