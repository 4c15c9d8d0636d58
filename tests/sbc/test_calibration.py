"""A right model passes, and each planted bug turns the verdict red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import medresponse as mr
from medresponse.core.errors import SpecError
from medresponse.families import Gaussian, Weibull
from medresponse.inference import ChainRun
from medresponse.priors import Normal
from medresponse.sbc import Calibration, calibration, sbc
from tests.sbc.cohorts import template

SPEC = mr.ModelSpec(family=Weibull(), blocks={"history": Normal()})
SETTINGS: dict[str, Any] = {
    "replicates": 100, "seed": 3, "horizon": 12.0, "unit": "month", "estimand": "survival",
    "engine": mr.Nuts(draws=250, tune=300, chains=2),
}  # fmt: skip


def calibrate(**changes: Any) -> Calibration:
    return sbc(SPEC, template("weibull"), **{**SETTINGS, **changes})


@pytest.fixture(scope="module")
def sound() -> tuple[Calibration, list[list[ChainRun]]]:
    """A calibration without bugs, and its chains."""
    kept: list[list[ChainRun]] = []
    original = calibration.refits

    def keeping(*args: Any, **settings: Any) -> list[list[ChainRun]]:
        kept.extend(original(*args, **settings))
        return kept

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "refits", keeping)
        return calibrate(), kept


@pytest.mark.sampling
def test_a_right_model_passes(sound: tuple[Calibration, list[list[ChainRun]]]) -> None:
    found, _ = sound
    assert found.passed and found.ranks.height == 100
    assert {"contrast 1", "shape", "mean benefit, new", "sd of benefit, new", "log likelihood"} <= set(
        found.ranks.columns
    )
    assert "ranks are uniform" in found._repr_html_()


def flipped(run: ChainRun) -> ChainRun:
    return replace(run, posterior={**run.posterior, "coefficients": -run.posterior["coefficients"]})


def half_width(run: ChainRun) -> ChainRun:
    middle = {name: (v + v.mean(axis=0)) / 2 for name, v in run.posterior.items()}
    return replace(run, posterior=middle)


@pytest.mark.sampling
@pytest.mark.parametrize("bug", [flipped, half_width])
def test_a_bug_in_the_draws_turns_it_red(
    bug: Callable[[ChainRun], ChainRun],
    sound: tuple[Calibration, list[list[ChainRun]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = [[bug(run) for run in chains] for chains in sound[1]]
    monkeypatch.setattr(calibration, "refits", lambda *args, **settings: wrong)
    assert not calibrate().passed


def swapped_arms(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {**data, "contrast": -data["contrast"]}


@pytest.mark.sampling
def test_swapped_arms_turn_it_red(monkeypatch: pytest.MonkeyPatch) -> None:
    right = calibration.with_outcome
    monkeypatch.setattr(calibration, "with_outcome", lambda *args: swapped_arms(dict(right(*args))))
    found = calibrate()
    assert "mean benefit, new" in found.failures


@pytest.mark.sampling
def test_dropped_censoring_turns_it_red(monkeypatch: pytest.MonkeyPatch) -> None:
    right = calibration.with_outcome

    def every_time_an_event(spec: Any, prepared: Any, cohort: Any, observed: Any) -> Any:
        everyone = np.ones(len(observed["time"]), dtype=bool)
        return right(spec, prepared, cohort, {**observed, "event": everyone, "upper": observed["time"]})

    monkeypatch.setattr(calibration, "with_outcome", every_time_an_event)
    assert "log_scale" in calibrate().failures


@pytest.mark.sampling
def test_a_doubled_prior_scale_turns_it_red() -> None:
    """Where few patients speak, posteriors are too wide."""
    doubled = {"history": Normal(sigma=1.0)}
    found = sbc(
        SPEC, template("weibull", patients=16),
        **{**SETTINGS, "fitted_spec": replace(SPEC, blocks=doubled, modifiers=doubled), "replicates": 150},
    )  # fmt: skip
    assert not found.passed


def test_what_cannot_be_simulated_is_refused() -> None:
    cohort = template("gaussian")
    spec = mr.ModelSpec(family=Gaussian(), blocks={"history": Normal()})
    with pytest.raises(SpecError, match="draws: 99 are more than"):
        sbc(spec, cohort, seed=1, engine=mr.Nuts(draws=10, tune=10, chains=2))
