"""Intervals for a rule's gain from censored times cover the truth as often as they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from medresponse.decisions import HighestUtility, decide, rule_value
from medresponse.families import Weibull
from medresponse.model import ModelSpec
from medresponse.priors import Normal
from medresponse.response import respond
from tests.hand_made import hand_made_fit, trial_of

HORIZON, REPLICATES, N = 12.0, 300, 300


def survival_of(x: np.ndarray, arm: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """Monthly rate, and probability of no event at the horizon: B is better for those of low x, worse for others."""
    rate = np.exp(-2.2 + 0.4 * x + arm * (-0.3 + 0.6 * x))
    return rate, np.exp(-HORIZON * rate)


@pytest.mark.recovery
@pytest.mark.parametrize("method", ["aipw", "ipw"])
def test_coverage_with_censoring_and_a_wrong_model(method: str) -> None:
    training = trial_of(40, seed=9)
    spec = ModelSpec(family=Weibull(), blocks={"history": Normal()}, modifiers={"history": Normal()})
    # Half of the effect, no prognosis, a shape that is not 1: wrong, but the rule is a sensible one.
    coefficients = {"contrast 1": 0.15, "contrast 1 x age": -0.3}
    fit = hand_made_fit(
        spec, training, outcome="os", draws=2, coefficients=coefficients, log_scale=2.0, shape=1.3
    )
    age = fit.encoding.features[fit.encoding.names.index("age")]
    base = trial_of(N)
    big = np.random.default_rng(0).normal(size=1_000_000)
    benefit = survival_of(big, 1)[1] - survival_of(big, 0)[1]
    treated_below = 0.15 / 0.3
    gains = np.array(
        [np.where(big < treated_below, benefit, 0).mean(), -np.where(big < treated_below, 0, benefit).mean()]
    )
    truth = np.array([*gains, gains.min()])
    covered = np.zeros(3)
    for seed in range(REPLICATES):
        rng = np.random.default_rng([1, seed])
        x, arm = rng.normal(size=N), rng.integers(0, 2, N)
        event_at = rng.exponential(1 / survival_of(x, arm)[0])
        censored_at = np.minimum(rng.exponential(25.0, N), 24.0)
        table = base.table.with_columns(
            age=pl.Series(age.center + age.scale * x), time=pl.Series(np.minimum(event_at, censored_at)),
            event=pl.Series(event_at <= censored_at), arm=pl.Series(np.array(["A", "B"])[arm]).cast(pl.Enum(["A", "B"])),
        )  # fmt: skip
        cohort = replace(base, table=table)
        decision = decide(respond(fit, cohort, horizon=HORIZON), rule=HighestUtility())
        np.testing.assert_array_equal(decision.chosen_idx, treated_below > x)
        found = rule_value(decision, cohort, method=method).differences  # type: ignore[arg-type]
        covered += (found["lower"].to_numpy() <= truth) & (truth <= found["upper"].to_numpy())
    share = covered / REPLICATES
    error = np.sqrt(0.95 * 0.05 / REPLICATES)
    assert (share > 0.95 - 3.5 * error).all()
    assert (share[:2] < 0.95 + 2.5 * error).all()
    assert (truth[:2] > 0.01).all()
