"""Bounds against closed forms, and their sharpness against all joint laws by linear programming."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import norm

from medresponse.core.errors import SpecError, UnknownTreatmentError
from medresponse.decisions import (
    WHY_BOUNDS,
    benefit_bounds,
    binary_bounds,
    makarov_bounds,
    ordinal_bounds,
)
from tests import response_kinds
from tests.decisions.made import responses_of


def range_over_joint_laws(p: np.ndarray, q: np.ndarray, counted: np.ndarray) -> tuple[float, float]:
    """Smallest and largest probability of the `counted` cells of a joint law with these marginals."""
    rows = np.kron(np.eye(len(p)), np.ones(len(q)))
    columns = np.kron(np.ones(len(p)), np.eye(len(q)))
    sides, totals = np.vstack([rows, columns]), np.concatenate([p, q])
    ends = [
        linprog(s * counted.ravel().astype(float), A_eq=sides, b_eq=totals, bounds=(0, 1)) for s in (1, -1)
    ]
    return float(ends[0].fun), float(-ends[1].fun)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("categories", [2, 3, 5])
def test_ordinal_bounds_are_the_ends_over_all_joint_laws(seed: int, categories: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(categories), 2)
    higher = np.arange(categories)[:, None] > np.arange(categories)
    expected = range_over_joint_laws(p, q, higher)
    assert [float(x) for x in ordinal_bounds(p, q)] == pytest.approx(expected, abs=1e-9)
    if categories == 2:
        assert [float(x) for x in binary_bounds(p[1], q[1])] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("margin", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_makarov_bounds_of_samples_with_ties_are_the_ends_over_all_joint_laws(
    seed: int, margin: float
) -> None:
    rng = np.random.default_rng(seed)
    treated, control = rng.integers(0, 5, 30) + 0.5 * seed, rng.integers(0, 4, 20).astype(float)
    (a, p), (b, q) = (np.unique(x, return_counts=True) for x in (treated, control))
    expected = range_over_joint_laws(p / 30, q / 20, a[:, None] - b > margin)
    assert makarov_bounds(treated, control, margin=margin) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("mean", [-0.7, 0.0, 1.0])
def test_makarov_bounds_of_two_normals(mean: float) -> None:
    """Fan & Park (2010), section 2: equal variances, F_L and F_U of the difference at zero."""
    grid = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    z = abs(mean) / 2
    expected = (2 * norm.cdf(z) - 1, 1.0) if mean >= 0 else (0.0, 2 * norm.cdf(-z))
    assert makarov_bounds(mean + grid, grid) == pytest.approx(expected, abs=2e-4)


def test_of_a_gaussian_model_they_are_those_of_two_normals() -> None:
    draws = 2000
    responses = responses_of(np.stack([np.full(draws, 50.0), np.full(draws, 53.0)]), sigma=3.0)
    found = benefit_bounds(responses.select(responses.ids[:3]))
    assert found.reference == "A" and found.why == WHY_BOUNDS and WHY_BOUNDS in repr(found)
    expected = (2 * norm.cdf(0.5) - 1, 1.0, 0.0, 2 * norm.cdf(-0.5))
    for row in found.table.iter_rows():
        assert row[2:] == pytest.approx(expected, abs=2e-3)
    wide = benefit_bounds(responses.select(responses.ids[:1]), margin=3.0).table.row(0)
    # 53 - 3 against 50: nothing is certain either way.
    assert wide[2:4] == pytest.approx((0.0, 1.0), abs=2e-3)
    lower_is_better = responses_of(
        np.stack([np.full(draws, 50.0), np.full(draws, 53.0)]), sigma=3.0, direction="lower_is_better"
    )
    row = benefit_bounds(lower_is_better.select(lower_is_better.ids[:1])).table.row(0)
    assert row[2:] == pytest.approx((*expected[2:], *expected[:2]), abs=2e-3)


def test_of_an_event_and_of_categories() -> None:
    binary, _ = response_kinds.responses_of("binary", effect=-0.8, spread=0.0)
    mean = binary.draws(binary.ids[:1]).values[0].mean(axis=-1)
    good = mean if binary.direction > 0 else 1 - mean
    row = benefit_bounds(binary).table.row(0)
    assert row[2:4] == pytest.approx((max(0.0, good[1] - good[0]), min(good[1], 1 - good[0])))
    ordinal, _ = response_kinds.responses_of("ordinal", spread=0.0, estimand="at_least", part="SD")
    found = benefit_bounds(ordinal)
    assert found.of == "a better category"
    better_lower, better_upper, worse_lower, worse_upper = found.table.row(0)[2:]
    assert 0 <= better_lower <= better_upper <= 1 - worse_lower and worse_upper <= 1 - better_lower + 1e-12


def test_event_free_time_counts_to_the_horizon() -> None:
    responses, _ = response_kinds.responses_of("cured", estimand="rmst", horizon=6)
    row = benefit_bounds(responses.select(responses.ids[:1])).table.row(0)
    assert all(0 <= value <= 1 for value in row[2:]) and row[2] <= row[3]


def test_what_has_no_bounds_is_refused() -> None:
    rates, _ = response_kinds.responses_of("count")
    with pytest.raises(SpecError, match="rate: no outcome of one person"):
        benefit_bounds(rates)
    binary, _ = response_kinds.responses_of("binary")
    with pytest.raises(SpecError, match="outcomes without size"):
        benefit_bounds(binary, margin=0.1)
    with pytest.raises(UnknownTreatmentError):
        benefit_bounds(binary, against="Z")
