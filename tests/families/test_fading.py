"""Piecewise-exponential hazards whose predictor fades over time, against direct loops and integration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from medresponse.core.estimand import Estimand
from medresponse.families import PiecewiseExponential
from medresponse.priors import HalfNormal
from tests.families.graph import as_draws, evaluate, likelihood_model
from tests.families.test_piecewise_exponential import CUTS, DESIGN, OUTCOME, TREATMENT, hazard_at, point_of

FAMILY = PiecewiseExponential(cuts=CUTS, fading=HalfNormal(sigma=0.3))
KAPPA = 0.8
EDGES = np.array([0.0, *CUTS, 9.0])


def parameters(seed: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    strength = np.exp(-KAPPA * FAMILY.learn(OUTCOME)["lateness"])
    return {"log_hazard": rng.normal(-2.0, 0.5, size=(1, 2, 3)), "strength": strength[None]}


def test_strength_is_one_at_the_median_event_time_and_falls_with_time():
    lateness = FAMILY.learn(OUTCOME)["lateness"]
    middle, median = (EDGES[:-1] + EDGES[1:]) / 2, np.median(OUTCOME["time"][OUTCOME["event"]])
    np.testing.assert_allclose(lateness, np.log1p(middle / median) - np.log1p(1.0))
    assert (np.diff(lateness) > 0).all()


def test_the_likelihood_with_fading_is_that_of_a_direct_loop():
    model = likelihood_model(FAMILY, DESIGN, OUTCOME, TREATMENT, n_treatments=3)
    point = point_of(FAMILY, n_treatments=3) | {"fading_log__": np.log(KAPPA)}
    found = evaluate(FAMILY, model, point)
    eta, strength = DESIGN @ point["b"], np.exp(-KAPPA * FAMILY.learn(OUTCOME)["lateness"])
    each = []
    for i, (time, event) in enumerate(zip(OUTCOME["time"], OUTCOME["event"], strict=True)):
        log_hazard = found["log_hazard"][TREATMENT[i]] + eta[i] * strength
        spent = np.clip(np.minimum(time, [2.0, 5.0, np.inf]) - EDGES[:-1], 0.0, None)
        interval = int(np.searchsorted([2.0, 5.0], time))
        each.append(event * log_hazard[interval] - (np.exp(log_hazard) * spent).sum())
    assert float(found["likelihood"]) == pytest.approx(sum(each), rel=1e-12)
    pointwise = FAMILY.log_likelihood(
        eta[:, None], OUTCOME, TREATMENT, as_draws(found, FAMILY), FAMILY.learn(OUTCOME)
    )
    np.testing.assert_allclose(pointwise[:, 0], each, rtol=1e-12)


@pytest.mark.parametrize("horizon", [1.0, 2.0, 6.5])
def test_responses_with_fading_match_numerical_integration(horizon):
    drawn, constants = parameters(), FAMILY.learn(OUTCOME)
    eta = np.full((1, 2, 1), 0.9)
    for k in range(2):
        faded = drawn["log_hazard"][0, k] + 0.9 * drawn["strength"][0]

        def survival(t, h=faded):
            return np.exp(-integrate.quad(hazard_at, 0, t, args=(h, EDGES, 0.0), points=CUTS)[0])

        found = FAMILY.response(Estimand(kind="survival", horizon=horizon), eta, drawn, constants)
        assert found[0, k, 0] == pytest.approx(survival(horizon), rel=1e-6)
        area = integrate.quad(
            survival, 0, horizon, points=[c for c in CUTS if c < horizon] or None, limit=100
        )[0]
        found = FAMILY.response(Estimand(kind="rmst", horizon=horizon), eta, drawn, constants)
        assert found[0, k, 0] == pytest.approx(area, rel=1e-5)


def test_simulated_times_follow_the_faded_survival_curve():
    drawn, constants, n = parameters(), FAMILY.learn(OUTCOME), 4000
    many = {name: np.repeat(values, n, axis=0) for name, values in drawn.items()}
    uniform = np.random.default_rng(4).random((1, 2, n))
    times = FAMILY.simulate(np.full((1, 2, n), 0.9), many, constants, uniform)[0, 1]

    def cdf(t):
        eta = np.full((1, 2, 1), 0.9)
        inside = np.clip(np.atleast_1d(t), 1e-9, 9.0)
        values = [
            FAMILY.response(Estimand(kind="survival", horizon=float(u)), eta, drawn, constants)[0, 1, 0]
            for u in inside
        ]
        return 1 - np.array(values)

    early = times[times < 9.0]
    result = stats.kstest(early, lambda t: cdf(t) / cdf(9.0)[0])
    assert result.pvalue > 1e-3
