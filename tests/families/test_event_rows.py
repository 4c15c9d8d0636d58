"""Rough estimates from times to an event: near the penalised likelihood's maximum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from medresponse.families import PiecewiseExponential, Weibull
from medresponse.priors import HalfNormal, LogNormal


def made(n: int = 400) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Weibull times of shape 1.6, a quarter censored, some seen late."""
    rng = np.random.default_rng(2)
    design = rng.normal(size=(n, 3)) * [1.0, 0.5, 3.0]
    time = np.exp(1.0 + design @ [0.6, -0.5, 0.0]) * rng.exponential(size=n) ** (1 / 1.6)
    entry = np.where(rng.random(n) < 0.3, rng.uniform(0, 2, n), 0.0)
    end = np.minimum(time, entry + rng.uniform(1, 20, n))
    seen = end > entry
    return design[seen], {"time": end[seen], "event": (time <= end)[seen], "entry": entry[seen]}


def test_weibull_estimates_are_near_the_likelihoods_maximum() -> None:
    design, outcome = made()
    n = len(design)
    rows = Weibull().rows(Weibull().observe(outcome, np.zeros(n, int), {}))
    assert rows is not None

    def loss(theta: np.ndarray) -> float:
        eta, draws = (design @ theta[2:])[:, None], {"shape": np.exp(theta[:1]), "log_scale": theta[1:2]}
        return -float(Weibull().log_likelihood(eta, outcome, np.zeros(n, int), draws, {}).sum())

    best = minimize(loss, np.zeros(5), tol=1e-10)
    error = 1 / np.sqrt(np.exp(2 * best.x[0]) * outcome["event"].sum() * np.array([1.0, 0.5, 3.0]) ** 2)
    estimate, found = rows.estimates(design)
    assert (np.abs(estimate - best.x[2:]) < error / 2).all()
    np.testing.assert_allclose(found, error, rtol=0.4)


def test_piecewise_estimates_are_near_those_under_the_weibull_hazard_that_the_times_have() -> None:
    design, outcome = made()
    family, idx = PiecewiseExponential(intervals=20), np.zeros(len(design), int)
    rows, weibull = family.rows(family.observe(outcome, idx, family.learn(outcome))), Weibull()
    smooth = weibull.rows(weibull.observe(outcome, idx, {}))
    assert rows is not None and smooth is not None
    assert rows.events.tolist() == outcome["event"].tolist()
    (estimate, error), (location, _) = rows.estimates(design), smooth.estimates(design)
    assert (np.abs(estimate + 1.6 * location) < 1.5 * error).all()
    np.testing.assert_allclose(
        error, 1 / (np.sqrt(outcome["event"].sum()) * np.array([1.0, 0.5, 3.0])), rtol=0.4
    )


@pytest.mark.parametrize("happened", [0, 1])
@pytest.mark.parametrize("family", [Weibull(), PiecewiseExponential(cuts=(2.0, 4.0))])
def test_few_events_give_finite_estimates(happened: int, family: Any) -> None:
    design, outcome = made()
    constants = family.learn(outcome)
    outcome["event"] = np.arange(len(design)) < happened
    rows = family.rows(family.observe(outcome, np.zeros(len(design), int), constants))
    for values in rows.estimates(design):
        assert np.isfinite(values).all()


def test_what_is_not_written_out_is_left_to_the_graph() -> None:
    _, outcome = made()
    visits = outcome | {
        "lower": np.where(outcome["event"], outcome["time"] / 2 + outcome["entry"] / 2, outcome["time"])
    }
    idx = np.zeros(len(outcome["time"]), int)
    for family, rows, written in (
        (PiecewiseExponential(), outcome, True),
        (PiecewiseExponential(), visits, False),
        (PiecewiseExponential(fading=HalfNormal()), outcome, False),
        (PiecewiseExponential(baseline_step=LogNormal()), outcome, False),
        (PiecewiseExponential(treatment_step=LogNormal()), outcome, False),
        (PiecewiseExponential(treatment_step=LogNormal(), time_varying=False), outcome, True),
    ):
        assert (family.rows(family.observe(rows, idx, family.learn(rows))) is not None) == written
