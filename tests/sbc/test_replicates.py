"""Replicates: features drawn as the imputation sees them, and data fitted together with the first ones."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import medresponse as mr
from medresponse.core.errors import FitError, SpecError
from medresponse.families import Gaussian
from medresponse.inference import engines
from medresponse.model import MultipleImputation, drawn_features, prepare, with_outcome
from medresponse.priors import LogNormal, Normal
from medresponse.sbc import Calibration, calibration, sbc
from medresponse.sbc.quantities import between_imputations, one_each
from medresponse.sbc.replicates import Replicate
from medresponse.sbc.uniformity import APART
from tests.sbc.cohorts import template

# The residual standard deviation is all but known, so that the posterior given complete features is a normal law.
SPEC = mr.ModelSpec(
    family=Gaussian(residual=LogNormal(sigma=1e-3)),
    blocks={"history": Normal(sigma=0.5)},
    missing=MultipleImputation(imputations=2),
)
SHORT = mr.Nuts(draws=60, tune=150, chains=2)


def kept_by(monkeypatch: pytest.MonkeyPatch) -> list[Replicate]:
    """Let every replicate of a calibration be looked at."""
    kept: list[Replicate] = []
    original = calibration.refitted

    def keeping(*args: Any, **settings: Any) -> list[Replicate]:
        kept.extend(original(*args, **settings))
        return kept

    monkeypatch.setattr(calibration, "refitted", keeping)
    return kept


def stop_at(chain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the user interrupt as a chain, counted from 0, is collected."""
    collect, chains = engines._collect, itertools.count()

    def stopped(*args: Any) -> Any:
        if next(chains) == chain:
            raise KeyboardInterrupt
        return collect(*args)

    monkeypatch.setattr(engines, "_collect", stopped)


def test_missing_features_are_drawn_given_the_known_ones_and_no_outcome() -> None:
    """Known values stand; the missing have about the mean and spread of the known, whatever the outcomes."""
    cohort = template("gaussian", missing=True)
    prepared = prepare(SPEC, cohort, outcome="outcome", seed=1)
    drawn = drawn_features(SPEC, prepared, cohort, draws=50, seed=1)
    codes = prepared.encoding.codes(cohort)
    known = ~np.isnan(codes)
    assert drawn.shape == (50, *codes.shape)
    assert (drawn[:, known] == codes[known]).all()
    age = drawn[:, np.isnan(codes[:, 0]), 0]
    assert age.mean() == pytest.approx(0.0, abs=0.4) and age.std() == pytest.approx(1.0, abs=0.3)


@pytest.mark.sampling
def test_missing_features_are_imputed_anew_in_each_replicate(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = kept_by(monkeypatch)
    cohort = template("gaussian", missing=True)
    found = sbc(SPEC, cohort, replicates=3, seed=1, engine=SHORT)
    each = "log likelihood, one draw an imputation"
    assert {"imputed mean, age", "log likelihood", each, "mean benefit, new"} <= set(found.ranks.columns)
    assert "imputed mean, sex" not in found.ranks.columns
    verdicts = dict(found.table.select("quantity", "verdict").iter_rows())
    assert (verdicts["log likelihood"] == "pooled") == (found.between["log likelihood"] >= APART)
    assert "pooled" not in {verdicts[each], verdicts["sigma"]}
    assert all(0 <= share < 1 for share in found.between.values()) and "sigma" in found.between
    unknown = np.isnan(prepare(SPEC, cohort, outcome="outcome", seed=1).encoding.codes(cohort))
    first, second, _ = kept
    assert first.completed.shape == (2, *unknown.shape) and len(first.chains) == 4
    for one in kept:
        assert (one.completed[:, ~unknown] == one.codes[~unknown]).all()
        assert (one.completed[0][unknown] != one.codes[unknown]).all()
    assert (first.codes[unknown] != second.codes[unknown]).all()
    assert (first.completed[0][unknown] != second.completed[0][unknown]).all()


def test_one_draw_of_each_imputation_stands_beside_the_truth() -> None:
    values, imputation = np.arange(6.0), np.array([0, 0, 0, 2, 2, -1])
    rng = np.random.default_rng(1)
    found = np.array([one_each(values, imputation, rng) for _ in range(60)])
    assert (found[:, 2] == 5).all() and set(found[:, 0]) == {0, 1, 2} and set(found[:, 1]) == {3, 4}


def test_share_of_variance_between_imputations_is_that_of_the_draws() -> None:
    rng, imputation = np.random.default_rng(3), np.repeat(np.arange(500), 20)
    values = 2.0 * rng.standard_normal(500)[imputation] + rng.standard_normal(10_000)
    assert between_imputations(values, imputation) == pytest.approx(0.8, abs=0.04)
    assert between_imputations(rng.standard_normal(10_000), imputation) < 0.01


def test_data_around_the_posterior_are_fitted_together_with_the_first() -> None:
    cohort = template("gaussian")
    prepared = prepare(SPEC, cohort, outcome="outcome", seed=1)
    first = cohort.outcome("outcome")
    second = {"value": first["value"][::-1] + 1.0}
    both = with_outcome(SPEC, prepared, cohort, second, seed=1, beside=(cohort, first))
    alone = with_outcome(SPEC, prepared, cohort, second, seed=1)
    gram = {
        name: one.data[0]["triangle"].T @ one.data[0]["triangle"]
        for name, one in {"both": both, "alone": alone}.items()
    }
    np.testing.assert_allclose(gram["both"], 2 * gram["alone"], atol=1e-9)
    assert both.data[0]["n_patients"] == 2 * cohort.n and both.data[0]["center"] == prepared.data[0]["center"]


@pytest.mark.sampling
def test_a_posterior_around_the_data_is_the_conjugate_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known variance and normal priors: ridge regression on old and new patients together."""
    kept = kept_by(monkeypatch)
    spec, cohort = SPEC, template("gaussian")
    sbc(spec, cohort, truth="posterior", replicates=2, seed=1, engine=mr.Nuts(draws=1000, tune=300, chains=2))
    prepared = prepare(spec, cohort, outcome="outcome", seed=1)
    columns = prepared.encoding.columns(prepared.codes[0])
    design = np.column_stack([np.ones(cohort.n), prepared.layout.matrix(columns, cohort.treatment_idx, {})])
    center, spread = float(prepared.data[0]["center"]), float(prepared.data[0]["spread"])
    sds = np.array([2.5 * spread, 0.5, 0.5, 1.0, 0.25, 0.25])  # modifiers have half the scale
    for one in kept:
        y = np.concatenate([one.observed["value"], cohort.outcome("outcome")["value"]]) - center
        x = np.vstack([design, design])
        covariance = np.linalg.inv(x.T @ x / spread**2 + np.diag(sds**-2.0))
        expected = covariance @ (x.T @ y) / spread**2
        draws = np.concatenate([run.posterior["coefficients"] for run in one.chains])
        error = np.sqrt(np.diag(covariance))[1:]
        assert np.abs(draws.mean(axis=0) - expected[1:]).max() < 0.2 * error.min()
        np.testing.assert_allclose(draws.std(axis=0), error, rtol=0.15)


def around(**changes: Any) -> Calibration:
    settings: dict[str, Any] = {"truth": "posterior", "replicates": 60, "seed": 2, "engine": SHORT}
    return sbc(SPEC, template("gaussian"), **settings | changes)


@pytest.mark.sampling
def test_around_the_posterior_a_right_model_passes_and_forgotten_data_turn_it_red(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert around().passed
    original = calibration.refitted

    def forgetful(*args: Any, **settings: Any) -> Any:
        wrong = {"value": np.zeros(40)}  # in the place of what the parameters were drawn given
        return original(*args, **{**settings, "beside": wrong})

    monkeypatch.setattr(calibration, "refitted", forgetful)
    assert not around().passed


@pytest.mark.sampling
@pytest.mark.parametrize("settings", [{"missing": True}, {"truth": "posterior"}])
def test_a_calibration_that_was_stopped_goes_on_with_the_same_true_values(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = template("gaussian", missing=settings.get("missing", False))
    ask: dict[str, Any] = {
        "truth": settings.get("truth", "prior"), "replicates": 3, "seed": 4, "engine": SHORT, "checkpoint": tmp_path,
    }  # fmt: skip
    stop_at(6, monkeypatch)
    with pytest.raises((SpecError, FitError), match="interrupted"):
        sbc(SPEC, cohort, **ask)
    first = sbc(SPEC, cohort, **ask)
    monkeypatch.setattr(engines, "_collect", None)  # nothing is left to sample
    assert sbc(SPEC, cohort, **ask).ranks.equals(first.ranks)


@pytest.mark.sampling
def test_a_posterior_that_was_interrupted_gives_no_true_values(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_at(2, monkeypatch)
    with pytest.raises(SpecError, match="calibration was interrupted"):
        around(replicates=5)
