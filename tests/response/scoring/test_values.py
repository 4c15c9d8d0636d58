"""Responses held in float32 as offset, scale and what is left, against float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from medresponse.core.links import INVERSE
from medresponse.response.scoring.predictors import Predictor, ungrouped
from medresponse.response.scoring.values import sum_of, values_at

UNIT = 2.0**-24  # half the distance from 1 to the next float32


def predictors(level: float, *, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Centres (patient, treatment) in float64 and deviations in float32."""
    rng = np.random.default_rng(3)
    center = level + rng.normal(0.0, 0.2, (5, 3))
    return center, rng.normal(0.0, spread, (5, 3, 400)).astype(np.float32)


@pytest.mark.parametrize("level", [-30.0, -3.0, 0.0, 3.0, 12.0])
@pytest.mark.parametrize("name", INVERSE)
def test_every_draw_is_within_the_rounding_of_its_predictor(name: Any, level: float) -> None:
    """|d response| <= slope x rounding of x (a few units of |x|) + a few units of what is held."""
    center, deviation = predictors(level)
    x = center[..., None] + deviation.astype(float)
    values = values_at(name, ungrouped(center.copy(), deviation.copy()))
    found = values.offset[:, None, None] + values.scale[:, None, None] * values.relative.astype(float)
    expected = INVERSE[name](x)
    step = 1e-6
    slope = (INVERSE[name](x + step) - INVERSE[name](x - step)) / (2 * step)
    held = np.abs(expected - values.offset[:, None, None])
    allowed = 8 * UNIT * (slope * (1 + np.abs(x) + np.abs(deviation)) + held) + 1e-37
    assert (np.abs(found - expected) <= allowed).all()


def test_a_small_difference_between_two_nearly_certain_probabilities_is_kept() -> None:
    """1 - p of 6e-6 and 5e-6: in float32 either p is 1 to within 6e-8."""
    for name in ("logit", "loglog"):
        center = np.array([[12.0, 12.2]])
        values = values_at(name, ungrouped(center.copy(), np.zeros((1, 2, 1), dtype=np.float32)))
        exact = {"logit": 1 / (1 + np.exp(center)), "loglog": -np.expm1(-np.exp(-center))}[name]
        found = np.diff(values.relative[..., 0], axis=1)
        np.testing.assert_allclose(found, -np.diff(exact, axis=1), rtol=5e-6)


def test_a_large_mean_with_a_small_spread_keeps_its_spread() -> None:
    rng = np.random.default_rng(4)
    deviation = rng.normal(0.0, 1e-3, (2, 1, 500))
    values = values_at("identity", ungrouped(np.full((2, 1), 1e6), deviation.astype(np.float32)))
    np.testing.assert_allclose(values.relative.std(axis=-1), deviation.std(axis=-1), rtol=1e-5)
    np.testing.assert_array_equal(values.offset, [1e6, 1e6])


@pytest.mark.parametrize("name", INVERSE)
def test_what_is_not_a_number_stays_so(name: Any) -> None:
    """Such as inf - inf, where a centre and what draws add to it are both beyond float32: float64 is asked then."""
    center = np.array([[1e39, -1e39, 0.0, np.nan]])
    deviation = np.array([[[-np.inf], [np.inf], [np.nan], [0.0]]], dtype=np.float32)
    for k in range(4):
        with np.errstate(over="ignore", invalid="ignore"):
            values = values_at(name, ungrouped(center[:, [k]].copy(), deviation[:, [k]].copy()))
            found = values.offset[0] + values.scale[0] * values.relative.astype(float)
        # exp(x) is held in units of exp(1e39), which is what is infinite then.
        assert np.isinf(values.scale[0]) or not np.isfinite(found).any()


def test_patients_do_not_touch_each_other() -> None:
    for name in INVERSE:
        center, deviation = predictors(0.0)
        together = values_at(name, ungrouped(center.copy(), deviation.copy()))
        for i in range(len(center)):
            alone = values_at(name, ungrouped(center[[i]], deviation[[i]]))
            np.testing.assert_array_equal(alone.relative[0], together.relative[i])
            assert (alone.offset[0], alone.scale[0]) == (together.offset[i], together.scale[i])


def test_groups_add_their_levels_and_slopes_to_every_draw() -> None:
    center, deviation = predictors(0.5)
    rng, group, x = (
        np.random.default_rng(5),
        np.array([1, 0, 1, 2, 0]),
        np.linspace(-1.0, 1.0, 10).reshape(5, 2),
    )
    levels, level_draws = rng.normal(size=(3, 3)), rng.normal(size=(3, 3, 400)).astype(np.float32)
    slopes, slope_draws = rng.normal(size=(3, 2)), rng.normal(size=(3, 2, 400)).astype(np.float32)

    def predictor() -> Predictor:
        effects = (levels, level_draws), (slopes, slope_draws)
        return Predictor(center.copy(), deviation.copy(), group, x, effects)

    exact = (center + levels[group] + (x * slopes[group]).sum(axis=1)[:, None])[..., None] + deviation
    exact = exact + level_draws[group] + np.einsum("ij,ijs->is", x, slope_draws[group])[:, None]
    np.testing.assert_allclose(sum_of(predictor()), exact, atol=16 * UNIT * np.abs(exact).max())
    values = values_at("logit", predictor())
    found = values.offset[:, None, None] + values.scale[:, None, None] * values.relative.astype(float)
    np.testing.assert_allclose(found, INVERSE["logit"](exact), atol=16 * UNIT * np.abs(exact).max())


def test_the_normal_distribution_function_keeps_its_digits_in_either_tail() -> None:
    """To 1e-7 of what is held (a probability, or its distance from one), which is a unit of float32, as far as that has numbers."""
    x = np.linspace(0.0, 12.9, 200_001).astype(np.float32)
    held = 0.0
    for sign in (-1, 1):
        centre = np.array(
            [[np.float64(sign) * 20.0]]
        )  # that of the patient, which says which of the two is held
        draws = (sign * x - centre[0, 0]).astype(np.float32)
        at = (draws + np.float32(centre[0, 0])).astype(np.float64)
        values = values_at("probit", ungrouped(centre.copy(), draws[None, None].copy()))
        assert values.offset[0] == (sign > 0)
        tail = np.abs(values.relative[0, 0].astype(np.float64))
        held = max(held, np.abs(tail / ndtr(-np.abs(at)) - 1).max())
    assert held < 1e-7
    beyond = np.array([[[15.0, 40.0, 1e30, np.inf]]], dtype=np.float32)
    for sign in (-1, 1):
        values = values_at("probit", ungrouped(np.array([[sign * 20.0]]), np.float32(sign) * beyond))
        assert (values.offset[0], *values.relative.ravel()) == (sign > 0, 0.0, 0.0, 0.0, 0.0)


def test_the_normal_distribution_function_on_the_other_side_of_a_half() -> None:
    """A draw beyond the middle from the patient's centre: one less its tail."""
    for sign in (-1, 1):
        draws = np.linspace(0.1, 8.0, 1001).astype(np.float32) * np.float32(-sign)
        centre = np.array([[sign * 1.0]])
        values = values_at("probit", ungrouped(centre.copy(), draws[None, None].copy()))
        found = values.offset[0] + values.relative[0, 0].astype(np.float64)
        at = (draws + np.float32(centre[0, 0])).astype(np.float64)
        np.testing.assert_allclose(found, ndtr(at), rtol=0, atol=1.2 * UNIT)
