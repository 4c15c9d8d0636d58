"""Hazards constant within intervals: cut points, exposures, and the way through the intervals to a horizon."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.families import CompetingRisks, PiecewiseExponential
from medresponse.families.base import centred_walk
from medresponse.families.censoring import event_times
from medresponse.families.hazards import (
    exposure_matrix,
    exposures,
    first_times,
    interval_of,
    learned_edges,
    passages,
    walk_coordinates,
)
from tests.families.event_rows import ROWS
from tests.families.forms import model_of

EDGES = np.array([0.0, 2.0, 5.0, 9.0])


def edges_of(
    time: np.ndarray, event: np.ndarray, *, cuts: tuple[float, ...] = (), intervals: int = 8
) -> np.ndarray:
    return learned_edges(event_times({"time": time, "event": event}), cuts=cuts, intervals=intervals)


def test_cut_points_given_are_kept_if_they_lie_within_follow_up() -> None:
    time, event = np.array([1.0, 9.0]), np.array([True, False])
    assert edges_of(time, event, cuts=(2.0, 5.0)).tolist() == [0.0, 2.0, 5.0, 9.0]
    # A cut at the end of follow-up would leave an empty interval.
    assert edges_of(time, event, cuts=(2.0, 9.0, 30.0)).tolist() == [0.0, 2.0, 9.0]


def test_cut_points_learned_split_the_events_evenly() -> None:
    time = np.append(np.random.default_rng(0).exponential(3.0, 400), 50.0)
    event = np.append(np.ones(400, bool), False)
    assert np.bincount(interval_of(time[event], edges_of(time, event))).tolist() == [50] * 8


def test_tied_event_times_leave_fewer_intervals_but_none_empty() -> None:
    time, event = np.array([1.0] * 6 + [2.0, 3.0, 4.0]), np.array([True] * 8 + [False])
    edges = edges_of(time, event)
    assert (np.diff(edges) > 0).all()
    assert (np.bincount(interval_of(time[event], edges)) > 0).all()


def test_intervals_are_open_at_the_start_and_closed_at_the_end() -> None:
    assert interval_of(np.array([0.1, 2.0, 2.1, 5.0, 5.1, 9.0, 12.0]), EDGES).tolist() == [
        0,
        0,
        1,
        1,
        2,
        2,
        2,
    ]
    exposure = exposure_matrix(np.array([0.1, 2.0, 2.5, 9.0, 12.0]), EDGES)
    expected = [[0.1, 0, 0], [2, 0, 0], [2, 0.5, 0], [2, 3, 4], [2, 3, 7]]
    np.testing.assert_allclose(exposure, expected, atol=1e-14)


def test_exposure_begins_at_entry_and_an_interval_has_one_of_its_own() -> None:
    until, within = exposures(event_times(ROWS), EDGES)
    # The second row entered at 1.5 and had the event at 6.5; the sixth was seen from 2.0 and free until 3.0.
    np.testing.assert_allclose(until[[1, 5]], [[0.5, 3.0, 1.5], [0.0, 1.0, 0.0]], atol=1e-14)
    np.testing.assert_allclose(
        within, [[1.0, 1.5, 0.0], [0.0, 2.0, 3.0], [2.0, 0.5, 0.0], [2.0, 3.0, 2.0]], atol=1e-14
    )


@pytest.mark.parametrize("family", [PiecewiseExponential, CompetingRisks])
@pytest.mark.parametrize("cuts", [(5.0, 2.0), (2.0, 2.0), (0.0, 2.0), (-1.0,)])
def test_cut_points_must_be_positive_and_increasing(family: type, cuts: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="cuts"):
        family(cuts=cuts)


@pytest.mark.parametrize("family", [PiecewiseExponential, CompetingRisks])
def test_at_least_two_intervals_are_needed(family: type) -> None:
    with pytest.raises(ValueError, match="intervals"):
        family(intervals=1)


@pytest.mark.parametrize("steps", [1, 4])
def test_a_centred_walk_has_steps_of_one_and_mean_zero(steps: int) -> None:
    walk = centred_walk(steps)
    assert walk.shape == (steps + 1, steps)
    np.testing.assert_allclose(walk.mean(axis=0), 0.0, atol=1e-15)
    np.testing.assert_allclose(np.diff(walk, axis=0), np.eye(steps), atol=1e-15)


def test_a_horizon_is_reached_interval_by_interval() -> None:
    rates = np.array([0.1, 0.4, 0.05])
    ways = list(passages(lambda j: rates[[j]], EDGES, 6.0))
    assert [(way.interval, way.width) for way in ways] == [(0, 2.0), (1, 3.0), (2, 1.0)]
    np.testing.assert_allclose([way.before[0] for way in ways], np.exp([0.0, -0.2, -1.4]), rtol=1e-14)
    np.testing.assert_allclose([way.after[0] for way in ways], np.exp([-0.2, -1.4, -1.45]), rtol=1e-14)
    areas = [(way.before[0] - way.after[0]) / rates[way.interval] for way in ways]
    np.testing.assert_allclose([way.area[0] for way in ways], areas, rtol=1e-13)


def test_first_times_invert_the_survival_curve() -> None:
    rates, uniform = np.array([0.1, 0.4, 0.05]), np.exp([-0.1, -0.2, -1.0, -1.4, -1.5])
    np.testing.assert_allclose(
        first_times(lambda j: rates[j], EDGES, uniform), [1.0, 2.0, 4.0, 5.0, 7.0], rtol=1e-12
    )


def test_a_walks_coordinates_are_of_what_events_tell_independently() -> None:
    rng = np.random.default_rng(3)
    at_risk, steps = rng.uniform(2e5, 9e5, 6), rng.normal(size=5)
    events = rng.poisson(at_risk * np.exp(-3 + centred_walk(5) @ steps))
    found = walk_coordinates(events, at_risk)
    np.testing.assert_allclose(found.directions.T @ found.directions, np.eye(5), atol=1e-12)
    along = centred_walk(5) @ found.directions
    information = along.T @ ((events + 0.5)[:, None] * along)
    np.testing.assert_allclose(information, np.diag(found.error**-2), atol=1e-9 * information.max())
    np.testing.assert_allclose(found.directions @ found.estimate, steps, atol=0.1)
    for nothing in (walk_coordinates(np.zeros(3), np.ones(3)), walk_coordinates(np.zeros(3), np.zeros(3))):
        assert np.isfinite(nothing.estimate).all() and (nothing.error > 0).all()


def test_left_censored_events_alone_leave_a_finite_start() -> None:
    upper = np.linspace(1.0, 5.0, 12)
    outcome = {"time": upper, "event": np.ones(12, dtype=bool), "lower": np.zeros(12), "upper": upper}
    family = PiecewiseExponential(intervals=3)
    data = family.observe(outcome, np.zeros(12, dtype=int), family.learn(outcome))
    for value in data.values():
        assert np.isfinite(value).all()


def test_steps_of_a_baseline_are_standard_normal_a_priori() -> None:
    import pymc as pm

    steps = pm.draw(model_of("piecewise_exponential", "plain", 1)["baseline_steps"], 4_000, random_seed=1)
    np.testing.assert_allclose(np.cov(steps.T), np.eye(steps.shape[1]), atol=0.12)
    np.testing.assert_allclose(steps.mean(axis=0), 0.0, atol=0.08)
