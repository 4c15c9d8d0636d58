"""Responses to hazards that are constant within intervals, against closed forms in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medresponse.core.constant_hazards import ConstantHazards
from medresponse.response.scoring.by_interval import ByInterval

UNIT = 2.0**-24
PATIENTS, TREATMENTS, DRAWS = 40, 2, 7
WIDTHS = np.array([1.0, 2.5, 0.5, 4.0])
HORIZON = WIDTHS.sum()


def made(kind: str, level: float, cause: int = 0) -> tuple[ByInterval, np.ndarray, np.ndarray]:
    """Hazards of two causes that are the same in all intervals, predictors, and each draw's own hazards."""
    rng = np.random.default_rng(4)
    base = level * np.exp(0.3 * rng.normal(size=(2, TREATMENTS, DRAWS)))
    eta = (0.8 * rng.normal(size=(2, PATIENTS, TREATMENTS, DRAWS))).astype(np.float32)
    asked = ByInterval(ConstantHazards(base[..., None] * WIDTHS, WIDTHS, kind, cause))
    return asked, eta, base[:, None] * np.exp(eta.astype(float))


def closed_form(kind: str, own: np.ndarray, total: np.ndarray) -> np.ndarray:
    share, gone = own / total, -np.expm1(-total * HORIZON)
    return {
        "cumulative_incidence": share * gone,
        "time_lost": share * (total * HORIZON - gone) / total,
        "survival": np.exp(-total * HORIZON),
        "rmst": gone / total,
    }[kind]


def responses(asked: ByInterval, eta: np.ndarray) -> np.ndarray:
    offset, added = asked.at(eta)
    assert added.dtype == np.float32
    return offset[:, None, None] + added


@pytest.mark.parametrize("level", [1e-6, 1e-3, 0.05, 0.4, 3.0])
@pytest.mark.parametrize("kind", ["cumulative_incidence", "time_lost", "survival", "rmst"])
def test_every_draw_is_within_the_rounding_of_float32(kind: str, level: float) -> None:
    for cause in (0, 1):
        asked, eta, hazards = made(kind, level, cause)
        total = hazards.sum(axis=0)
        exact = closed_form(kind, hazards[cause], total)
        if level == 1e-6 and kind == "time_lost":  # the closed form itself loses digits: its series
            exact = hazards[cause] * HORIZON**2 / 2 * (1 - total * HORIZON / 3)
        # A dozen roundings of what is held; survival falls with the total, whose own roundings it multiplies.
        held = np.abs(asked.at(eta)[1]) + (exact * total * HORIZON if kind == "survival" else 0)
        assert (np.abs(responses(asked, eta) - exact) <= 24 * UNIT * held + 1e-37).all()


@pytest.mark.parametrize(("kind", "most"), [("survival", 1.0), ("rmst", HORIZON)])
def test_a_small_distance_from_the_most_that_can_be_is_kept(kind: str, most: float) -> None:
    asked, eta, hazards = made(kind, 1e-6)
    total = hazards.sum(axis=0)
    first = total * HORIZON * (1 if kind == "survival" else HORIZON / 2)  # of the series of what is lost
    lost = most - responses(asked, eta)
    np.testing.assert_allclose(lost, first, rtol=1e-4)
    shift = lost / first - (1 - total * HORIZON / (2 if kind == "survival" else 3))
    assert np.abs(shift).max() <= 24 * UNIT + 1e-8


def test_incidences_of_all_causes_and_survival_sum_to_one_and_times_to_the_horizon() -> None:
    found: dict[Any, np.ndarray] = {}
    for kind in ("cumulative_incidence", "time_lost", "survival", "rmst"):
        for cause in (0, 1):
            asked, eta, _ = made(kind, 0.1, cause)
            found[kind, cause] = responses(asked, eta)
    for parts, rest, whole in (("cumulative_incidence", "survival", 1.0), ("time_lost", "rmst", HORIZON)):
        total = found[parts, 0] + found[parts, 1] + found[rest, 0]
        np.testing.assert_allclose(total, whole, rtol=16 * UNIT)


def test_hazards_that_change_count_where_they_hold() -> None:
    """Nothing but the first cause in the first interval, nothing but the second in the other."""
    spent = np.full((2, 1, 1, 2), 1e-12)
    spent[0, 0, 0, 0], spent[1, 0, 0, 1] = 0.7, 2.0
    eta = np.zeros((2, 1, 1, 1), dtype=np.float32)
    widths = np.array([1.0, 3.0])
    for cause, expected in ((0, 1 - np.exp(-0.7)), (1, np.exp(-0.7) * (1 - np.exp(-2.0)))):
        asked = ByInterval(ConstantHazards(spent, widths, "cumulative_incidence", cause))
        assert responses(asked, eta)[0, 0, 0] == pytest.approx(expected, rel=8 * UNIT)


@pytest.mark.parametrize("far", [200.0, np.inf, np.nan])
def test_what_is_beyond_float32_is_not_finite_and_moves_nobody_else(far: float) -> None:
    asked, eta, _ = made("cumulative_incidence", 0.1)
    expected = responses(asked, eta)
    eta[0, 3, 1, 2] = far
    found = responses(asked, eta)
    assert not np.isfinite(found[3, 1, 2])
    found[3, 1, 2] = expected[3, 1, 2]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", ["cumulative_incidence", "time_lost", "survival", "rmst"])
@pytest.mark.parametrize("level", [1e-3, 3.0])
def test_what_is_not_a_number_stays_so(kind: str, level: float) -> None:
    """It is no hazard beyond all bounds, under which survival would be 0."""
    asked, eta, _ = made(kind, level)
    eta[0, 3, 1, 2] = np.nan
    assert np.isnan(responses(asked, eta)[3, 1, 2])
