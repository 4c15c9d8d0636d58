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
from medresponse.sbc import replicates as replicates_module
from medresponse.sbc.replicates import Replicate
from tests.sbc.cohorts import template

CI_SIZE = 400  # what this size sees is in docs/calibration.md
SPEC = mr.ModelSpec(family=Weibull(), blocks={"history": Normal(sigma=0.5)})
SETTINGS: dict[str, Any] = {
    "replicates": CI_SIZE, "seed": 3, "horizon": 12.0, "unit": "month", "estimand": "survival",
    "engine": mr.Nuts(draws=100, tune=200, chains=2),
}  # fmt: skip


def calibrate(**changes: Any) -> Calibration:
    return sbc(SPEC, template("weibull"), **{**SETTINGS, **changes})


@pytest.fixture(scope="module")
def sound() -> tuple[Calibration, Callable[[list[Replicate]], Calibration], list[Replicate]]:
    """A calibration without bugs, how it ranks replicates, and those."""
    kept: list[Any] = []
    original = calibration.ranked

    def keeping(responses: Any, prepared: Any, cohort: Any, runs: Any, **settings: Any) -> Calibration:
        runs = list(runs)
        kept.extend([lambda changed: original(responses, prepared, cohort, changed, **settings), runs])
        return original(responses, prepared, cohort, runs, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "ranked", keeping)
        found = calibrate()
    return found, kept[0], kept[1]


@pytest.mark.sampling
def test_a_right_model_passes(
    sound: tuple[Calibration, Callable[..., Calibration], list[Replicate]],
) -> None:
    found, _, _ = sound
    assert found.passed and found.ranks.height == CI_SIZE
    assert {"contrast 1", "shape", "mean benefit, new", "sd of benefit, new", "log likelihood"} <= set(
        found.ranks.columns
    )
    assert "ranks are uniform" in found._repr_html_()


def flipped(run: ChainRun) -> ChainRun:
    return replace(run, posterior={**run.posterior, "coefficients": -run.posterior["coefficients"]})


def half_width(run: ChainRun) -> ChainRun:
    middle = {name: (v + v.mean(axis=0)) / 2 for name, v in run.posterior.items()}
    return replace(run, posterior=middle)


def biased(run: ChainRun) -> ChainRun:
    """One coefficient too high by 0.3 of its posterior standard deviation."""
    own = run.posterior["coefficients"].copy()
    own[:, 0] += 0.3 * own[:, 0].std()
    return replace(run, posterior={**run.posterior, "coefficients": own})


@pytest.mark.sampling
@pytest.mark.parametrize(("bug", "replicates"), [(flipped, 50), (half_width, 50), (biased, CI_SIZE)])
def test_a_bug_in_the_draws_turns_it_red(
    bug: Callable[[ChainRun], ChainRun],
    replicates: int,
    sound: tuple[Calibration, Callable[..., Calibration], list[Replicate]],
) -> None:
    _, rank, runs = sound
    wrong = [replace(one, chains=tuple(bug(run) for run in one.chains)) for one in runs[:replicates]]
    assert not rank(wrong).passed


def planted(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
) -> None:
    """Let the sampler read wrong data."""
    right = replicates_module.with_outcome

    def spoiled(*args: Any, **settings: Any) -> Any:
        found = right(*args, **settings)
        return replace(found, data=tuple(wrong(dict(data)) for data in found.data))

    monkeypatch.setattr(replicates_module, "with_outcome", spoiled)


@pytest.mark.sampling
def test_swapped_arms_turn_it_red(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, lambda data: {**data, "contrast": -data["contrast"]})
    assert "mean benefit, new" in calibrate(replicates=50).failures


@pytest.mark.sampling
def test_dropped_censoring_turns_it_red(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, lambda data: {**data, "exact": np.ones_like(data["exact"])})
    assert "log_scale" in calibrate(replicates=50).failures


@pytest.mark.sampling
def test_a_doubled_prior_scale_turns_it_red() -> None:
    """Where few patients speak, posteriors are too wide."""
    half = replace(SPEC, blocks={"history": Normal(sigma=0.25)})
    found = sbc(
        half, template("weibull", patients=12), **{**SETTINGS, "fitted_spec": SPEC, "replicates": 100}
    )
    assert not found.passed


def test_what_cannot_be_done_is_refused() -> None:
    cohort = template("gaussian")
    spec = mr.ModelSpec(family=Gaussian(), blocks={"history": Normal(sigma=0.5)})
    with pytest.raises(SpecError, match="draws: 99 are more than"):
        sbc(spec, cohort, seed=1, engine=mr.Nuts(draws=10, tune=10, chains=2))
    with pytest.raises(SpecError, match="truth: 'data' is not known; valid are prior, posterior"):
        sbc(spec, cohort, seed=1, truth="data")  # type: ignore[arg-type]
    for wrong in ({"replicates": 0}, {"draws": 0}, {"alpha": 0.0}, {"alpha": 5.0}):
        with pytest.raises(SpecError, match=f"{next(iter(wrong))}: .* found"):
            sbc(spec, cohort, seed=1, **wrong)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="around the posterior is for specs without trees"):
        sbc(spec, template("gaussian", missing=True), seed=1, truth="posterior")
