"""Scores of survival curves against scikit-survival called directly, brute force, and published tables."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from medresponse.core.errors import DataError
from medresponse.validation import (
    calibration_at,
    integrated_brier,
    kaplan_meier,
    restricted_mean,
    score_grid,
    uno_concordance,
)

# Remission under 6-mercaptopurine in weeks (Freireich et al. 1963, Blood 21:699); Klein & Moeschberger (2003),
# Survival Analysis, tables 1.1 and 4.1A.
WEEKS = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
RELAPSE = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
SIX_MP = {"time": np.array(WEEKS, dtype=float), "event": np.array(RELAPSE, dtype=bool)}


def censored(n: int, *, seed: int = 0, rate: float = 0.1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    event_time, censoring = rng.exponential(1 / rate, n), rng.uniform(2, 25, n)
    return {"time": np.minimum(event_time, censoring), "event": event_time <= censoring}


def test_kaplan_meier_is_the_published_table() -> None:
    times = np.array([5.9, 6.0, 7.0, 10.0, 12.9, 13.0, 16.0, 22.0, 23.0, 35.0, 90.0])
    estimate, lower, upper = kaplan_meier(SIX_MP, times)
    expected = [1.0, 0.857, 0.807, 0.753, 0.753, 0.690, 0.627, 0.538, 0.448, 0.448, 0.448]
    np.testing.assert_allclose(estimate, expected, atol=5e-4)
    inside = estimate < 1
    assert (lower[inside] < estimate[inside]).all() and (estimate[inside] < upper[inside]).all()


def test_the_interval_is_greenwoods_on_the_log_log_scale() -> None:
    at = np.array([13.0])
    estimate, lower, upper = (float(v[0]) for v in kaplan_meier(SIX_MP, at, level=0.9))
    greenwood = sum(d / (n * (n - d)) for d, n in ((3, 21), (1, 17), (1, 15), (1, 12)))
    width = 1.6448536 * np.sqrt(greenwood) / abs(np.log(estimate))
    expected = np.exp(np.log(estimate) * np.exp(np.array([width, -width])))
    assert (lower, upper) == pytest.approx(tuple(expected), rel=1e-6)


def test_the_restricted_mean_is_the_published_one() -> None:
    """Klein & Moeschberger (2003), example 4.1 continued: 23.287 weeks up to 35, standard error 2.827."""
    mean, error = restricted_mean(SIX_MP, 35.0)
    assert mean == pytest.approx(23.287, abs=2e-3)
    assert error == pytest.approx(2.827, abs=2e-3)


def test_without_censoring_the_restricted_mean_is_the_mean_of_times_cut_off() -> None:
    time = np.random.default_rng(0).integers(1, 30, 200).astype(float)
    mean, error = restricted_mean({"time": time, "event": np.ones(200, bool)}, 15.0)
    cut = np.minimum(time, 15.0)
    assert mean == pytest.approx(cut.mean(), rel=1e-12)
    assert error == pytest.approx(
        cut.std() / np.sqrt(200), rel=1e-9
    )  # Greenwood without censoring is binomial


@pytest.mark.parametrize("horizon", [3.0, 6.0])
def test_before_or_at_the_first_event_the_restricted_mean_is_the_horizon(horizon: float) -> None:
    assert restricted_mean(SIX_MP, horizon)[0] == pytest.approx(horizon)
    assert restricted_mean(SIX_MP, horizon)[1] == 0.0


def test_the_grid_lies_between_quantiles_of_follow_up_and_inside_it() -> None:
    outcome = censored(300)
    grid = score_grid(outcome, points=40)
    assert len(grid) == 40 and (np.diff(grid) > 0).all()
    assert (grid[0], grid[-1]) == pytest.approx(tuple(np.quantile(outcome["time"], [0.05, 0.9])))
    many_ties = {"time": np.array([1.0] * 50 + [2.0] * 50 + [3.0] * 50), "event": np.ones(150, bool)}
    grid = score_grid(many_ties)
    assert grid.min() > 1.0 and grid.max() < 3.0


def test_the_brier_score_of_kaplan_meier_is_scikit_survivals() -> None:
    from sksurv.metrics import integrated_brier_score
    from sksurv.util import Surv

    outcome = censored(300)
    grid = score_grid(outcome)
    curves = np.tile(kaplan_meier(outcome, grid)[0], (300, 1))
    y = Surv.from_arrays(outcome["event"], outcome["time"])
    assert integrated_brier(outcome, curves, grid) == pytest.approx(
        integrated_brier_score(y, y, curves, grid), rel=1e-12
    )


def test_without_censoring_the_brier_score_is_the_mean_squared_error_over_time() -> None:
    rng = np.random.default_rng(3)
    time = rng.exponential(10, 200)
    outcome = {"time": time, "event": np.ones(200, bool)}
    grid = score_grid(outcome)
    curves = np.exp(-grid / rng.uniform(5, 20, 200)[:, None])
    error = ((curves - (time[:, None] > grid)) ** 2).mean(axis=0)
    expected = np.trapezoid(error, grid) / (grid[-1] - grid[0])
    assert integrated_brier(outcome, curves, grid) == pytest.approx(expected, rel=1e-9)


def test_the_truth_scores_better_than_the_average_and_that_better_than_the_opposite() -> None:
    rng = np.random.default_rng(4)
    scale = rng.uniform(3, 30, 500)
    event_time, censoring = rng.exponential(scale), rng.uniform(2, 40, 500)
    outcome = {"time": np.minimum(event_time, censoring), "event": event_time <= censoring}
    grid = score_grid(outcome)
    truth = np.exp(-grid / scale[:, None])
    average = np.tile(kaplan_meier(outcome, grid)[0], (500, 1))
    scores = [
        integrated_brier(outcome, curves, grid) for curves in (truth, average, truth[np.argsort(scale)[::-1]])
    ]
    assert scores[0] < scores[1] < scores[2] or scores[0] < min(scores[1:])


@pytest.mark.parametrize("change", [-50.0, 1e6])
def test_a_grid_outside_follow_up_is_refused(change: float) -> None:
    outcome = censored(50)
    grid = score_grid(outcome)
    with pytest.raises(DataError) as caught:
        integrated_brier(outcome, np.full((50, 50), 0.5), np.sort(np.append(grid[:-1], change)))
    assert caught.value.code == "score_grid"


def test_without_censoring_unos_concordance_is_the_share_of_ordered_pairs() -> None:
    rng = np.random.default_rng(5)
    time, risk = rng.exponential(10, 80), rng.normal(size=80)
    outcome = {"time": time, "event": np.ones(80, bool)}
    until = float(np.quantile(time, 0.8))
    pairs = [(i, j) if time[i] < time[j] else (j, i) for i, j in combinations(range(80), 2)]
    ordered = [risk[i] > risk[j] for i, j in pairs if time[i] < until]
    assert uno_concordance(outcome, risk, until=until) == pytest.approx(np.mean(ordered), rel=1e-12)


def test_concordance_counts_higher_risk_with_earlier_events() -> None:
    outcome = censored(200)
    assert uno_concordance(outcome, -outcome["time"], until=20.0) == 1.0
    assert uno_concordance(outcome, outcome["time"], until=20.0) == 0.0


def test_calibration_compares_each_groups_mean_prediction_with_its_own_kaplan_meier() -> None:
    outcome = censored(203)
    predicted = np.random.default_rng(6).uniform(0.1, 0.9, 203)
    table = calibration_at(outcome, predicted, horizon=8.0, groups=4)
    assert table["n"].to_list() == [51, 51, 51, 50] and table["group"].to_list() == [1, 2, 3, 4]
    assert table["predicted"].is_sorted()
    order = np.argsort(predicted)
    members = order[51:102]
    part = {name: values[members] for name, values in outcome.items()}
    observed, lower, upper = (float(v[0]) for v in kaplan_meier(part, np.array([8.0])))
    assert table["events"][1] == int((part["event"].astype(bool) & (part["time"] <= 8.0)).sum())
    assert table.row(1)[3:] == pytest.approx((predicted[members].mean(), observed, lower, upper))


def test_predictions_from_the_true_law_are_calibrated() -> None:
    rng = np.random.default_rng(7)
    scale = rng.uniform(5, 30, 2000)
    event_time, censoring = rng.exponential(scale), rng.uniform(5, 40, 2000)
    outcome = {"time": np.minimum(event_time, censoring), "event": event_time <= censoring}
    table = calibration_at(outcome, np.exp(-12.0 / scale), horizon=12.0)
    error = 4 * np.sqrt(0.25 / 400) * 1.2  # 400 in a group, of whom some are censored before
    np.testing.assert_allclose(table["predicted"], table["observed"], atol=error)


def test_a_group_without_events_has_an_observed_share_of_one() -> None:
    outcome = {"time": np.full(40, 10.0), "event": np.arange(40) < 20}
    table = calibration_at(outcome, np.linspace(0.1, 0.9, 40), horizon=5.0, groups=2)
    assert table["observed"].to_list() == [1.0, 1.0] and table.null_count().sum_horizontal()[0] == 0
