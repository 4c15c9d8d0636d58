from __future__ import annotations

import numpy as np
import pytest

from medresponse.validation.pseudo import pseudo_incidence


def outcome_of(n: int, *, seed: int, censored: bool = True, late: bool = False) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    latent = np.round(rng.exponential(10.0, n), 1) + 0.1  # ties
    until = rng.uniform(2.0, 25.0, n) if censored else np.full(n, np.inf)
    time, event = np.minimum(latent, until), latent <= until
    cause = np.where(event, rng.integers(0, 2, n), -1)
    entry = rng.uniform(0.0, 0.5, n) * time if late else np.zeros(n)
    return {"time": time, "event": event, "cause": cause, "entry": entry}


def aalen_johansen(outcome, horizon, cause, time_lost, weights):
    """The estimate itself, weighted, written as a plain loop."""
    total, surviving = 0.0, 1.0
    for u in np.unique(outcome["time"][outcome["event"] & (outcome["time"] <= horizon)]):
        at_risk = weights[(outcome["entry"] < u) & (outcome["time"] >= u)].sum()
        now = (outcome["time"] == u) & outcome["event"]
        own = now if cause is None else now & (outcome["cause"] == cause)
        total += (horizon - u if time_lost else 1.0) * surviving * weights[own].sum() / at_risk
        surviving *= 1 - weights[now].sum() / at_risk
    return total


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("time_lost", [False, True])
@pytest.mark.parametrize("cause", [None, 0, 1])
def test_a_pseudo_observation_is_the_estimates_derivative_by_the_patients_weight(
    cause, time_lost, late
) -> None:
    outcome, horizon, step = outcome_of(40, seed=3, late=late), 12.0, 1e-5
    found = pseudo_incidence(outcome, horizon, cause=cause, time_lost=time_lost)
    theta = aalen_johansen(outcome, horizon, cause, time_lost, np.ones(40))
    for i in range(40):
        sides = []
        for sign in (1, -1):
            weights = np.ones(40)
            weights[i] += sign * step
            sides.append(aalen_johansen(outcome, horizon, cause, time_lost, weights))
        assert found[i] == pytest.approx(theta + 40 * (sides[0] - sides[1]) / (2 * step), abs=1e-6)
    assert found.mean() == pytest.approx(theta)


def test_without_censoring_it_is_the_outcome_itself() -> None:
    outcome = outcome_of(200, seed=5, censored=False)
    time, cause = outcome["time"], outcome["cause"]
    np.testing.assert_allclose(pseudo_incidence(outcome, 8.0), time <= 8.0, atol=1e-9)
    np.testing.assert_allclose(
        pseudo_incidence(outcome, 8.0, cause=1), (time <= 8.0) & (cause == 1), atol=1e-9
    )
    np.testing.assert_allclose(
        pseudo_incidence(outcome, 8.0, time_lost=True), np.maximum(8.0 - time, 0.0), atol=1e-9
    )
    np.testing.assert_allclose(pseudo_incidence(outcome, 1e3), 1.0, atol=1e-9)  # nobody is left


def test_their_regression_on_the_features_is_the_true_one_under_censoring() -> None:
    rng = np.random.default_rng(11)
    n, x = 40_000, np.repeat([0.0, 1.0], 20_000)
    latent, until = rng.exponential(10.0 / (1 + x)), rng.uniform(2.0, 15.0, n)
    event = latent <= until
    outcome = {"time": np.minimum(latent, until), "event": event, "entry": np.zeros(n)}
    z = pseudo_incidence(outcome, 6.0)
    for value, rate in ((0.0, 0.1), (1.0, 0.2)):
        own = z[x == value]
        assert own.mean() == pytest.approx(1 - np.exp(-6.0 * rate), abs=4 * own.std() / np.sqrt(len(own)))


def test_nobody_has_the_event_before_the_horizon() -> None:
    outcome = outcome_of(20, seed=1)
    np.testing.assert_array_equal(pseudo_incidence(outcome, 0.05), np.zeros(20))
