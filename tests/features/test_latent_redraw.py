"""Imputed values redrawn given a likelihood of the outcome: closed forms where there are some, and what stays as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest, norm

from medresponse.features import (
    Encoding,
    FeatureEncoding,
    Given,
    LatentNormal,
    fit_by_arm,
    fit_latent_normal,
    latent_redraw,
)
from medresponse.features.latent_redraw import latents_of
from medresponse.features.readings import Readings

SLOPE, SIGMA, RHO, N = 1.5, 0.5, 0.6, 400
X = FeatureEncoding(name="x", block="history", type="continuous")
Y = FeatureEncoding(name="y", block="history", type="continuous")
FLAG = FeatureEncoding(name="flag", block="history", type="binary", levels=("a", "b"), shares=(0.7, 0.3))
KIND = FeatureEncoding(
    name="kind", block="history", type="categorical", levels=("a", "b", "c"), shares=(0.5, 0.3, 0.2)
)
MISSING = np.arange(N) % 4 == 0


def pair(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two correlated standard normal features and a gaussian outcome with a slope on the second alone."""
    x = rng.standard_normal(N)
    y = RHO * x + np.sqrt(1 - RHO**2) * rng.standard_normal(N)
    return np.column_stack([x, y]), SLOPE * y + SIGMA * rng.standard_normal(N)


def gaussian(outcome: np.ndarray) -> Any:
    return lambda which, rows, codes: norm.logpdf(outcome[rows][:, None], SLOPE * codes[..., 1], SIGMA)


def nothing(which: range, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    return np.zeros(codes.shape[:-1])


def redrawn(
    features: tuple[FeatureEncoding, ...], codes: np.ndarray, likelihood: Any, *, times: int = 40, seed: int = 5,
    **options: Any,
) -> tuple[LatentNormal, np.ndarray]:  # fmt: skip
    """Redraw from a start in which what is missing is 0, and latents are independent."""
    start = np.repeat(np.nan_to_num(codes)[None], times, axis=0)
    return fit_latent_normal(
        Encoding(features=features), codes, np.empty((len(codes), 0)), imputations=times, rng=np.random.default_rng(seed),
        given=Given(start, *independent(features, times), likelihood), **options,
    )  # fmt: skip


def independent(features: tuple[FeatureEncoding, ...], times: int) -> tuple[np.ndarray, np.ndarray]:
    """Return means 0 and covariances of one of all latents, one an imputation."""
    q = sum(len(f.levels) - 1 if f.type == "categorical" else 1 for f in features)
    return np.zeros((times, q)), np.repeat(np.eye(q)[None], times, axis=0)


def test_missing_values_have_the_law_given_features_and_outcome() -> None:
    full, outcome = pair(np.random.default_rng(1))
    codes = full.copy()
    codes[MISSING, 1] = np.nan
    _, completed = redrawn((X, Y), codes, gaussian(outcome))
    prior = 1 / (1 - RHO**2)
    precision = prior + SLOPE**2 / SIGMA**2
    expected = (prior * RHO * codes[MISSING, 0] + SLOPE / SIGMA**2 * outcome[MISSING]) / precision
    drawn = completed[:, MISSING, 1]
    # Parameters of the features are learned from 300 patients, and each mean is one of 40 draws.
    error = 4 / np.sqrt(40 * precision)
    assert np.abs(drawn.mean(axis=0) - expected).max() < error
    assert (drawn - expected).std() == pytest.approx(1 / np.sqrt(precision), rel=0.05)


def test_true_values_behind_readings_have_the_law_given_reading_feature_and_outcome() -> None:
    full, outcome = pair(np.random.default_rng(2))
    error = 0.7
    codes = full.copy()
    codes[:, 1] += error * np.random.default_rng(3).standard_normal(N)
    _, completed = redrawn((X, Y), codes, gaussian(outcome), errors=np.tile([0.0, error], (N, 1)))
    prior = 1 / (1 - RHO**2)
    precision = prior + SLOPE**2 / SIGMA**2 + 1 / error**2
    expected = (prior * RHO * codes[:, 0] + SLOPE / SIGMA**2 * outcome + codes[:, 1] / error**2) / precision
    drawn = completed[..., 1]
    assert np.abs(drawn.mean(axis=0) - expected).mean() < 2 / np.sqrt(40 * precision)
    assert (drawn - expected).std() == pytest.approx(1 / np.sqrt(precision), rel=0.05)
    np.testing.assert_array_equal(completed[..., 0], np.tile(codes[:, 0], (40, 1)))  # exact ones stand


def test_a_shifted_value_has_the_law_given_the_outcome_of_the_shifted_value() -> None:
    """Missing values are 2 higher than at random, and the outcomes are those of the higher values."""
    full, outcome = pair(np.random.default_rng(1))
    outcome = outcome + 2.0 * SLOPE * MISSING
    codes = full.copy()
    codes[MISSING, 1] = np.nan
    free, shifted = (redrawn((X, Y), codes, nothing, shifts=s)[1][:, MISSING, 1] for s in ({}, {1: 2.0}))
    assert (shifted - free).mean() == pytest.approx(2.0, abs=0.1)
    _, completed = redrawn((X, Y), codes, gaussian(outcome), shifts={1: 2.0})
    prior = 1 / (1 - RHO**2)
    precision = prior + SLOPE**2 / SIGMA**2
    expected = (prior * (RHO * codes[MISSING, 0] + 2.0) + SLOPE / SIGMA**2 * outcome[MISSING]) / precision
    found = completed[:, MISSING, 1]
    assert np.abs(found.mean(axis=0) - expected).max() < 4 / np.sqrt(40 * precision)
    assert (found - expected).std() == pytest.approx(1 / np.sqrt(precision), rel=0.05)


@pytest.mark.parametrize("feature", [FLAG, KIND])
def test_levels_have_their_share_times_the_likelihood(feature: FeatureEncoding) -> None:
    """Two of three levels are as likely given the outcome; the rest is impossible, so that it is never drawn."""
    rng = np.random.default_rng(4)
    shares = np.array(feature.shares)
    level = rng.choice(len(shares), N, p=shares).astype(float)
    codes = np.where(MISSING, np.nan, level)[:, None]
    odds = np.array([1.0, 3.0, 0.0])[: len(shares)]

    def likelihood(which: range, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(odds)[codes[..., 0].astype(int)])

    _, completed = redrawn((feature,), codes, likelihood)
    found = np.bincount(completed[:, MISSING, 0].astype(int).ravel(), minlength=len(shares)) / (40 * N / 4)
    known = np.bincount(level[~MISSING].astype(int), minlength=len(shares))
    for _ in range(200):  # shares of all patients by EM: outcomes say something of those too
        expected = shares * odds / (shares * odds).sum()
        shares = (known + N / 4 * expected) / N
    np.testing.assert_allclose(found, expected, atol=0.04)
    assert found[odds == 0].sum() == 0


def test_a_likelihood_that_says_nothing_leaves_the_features_own_law() -> None:
    full, _ = pair(np.random.default_rng(1))
    codes = full.copy()
    codes[MISSING, 1] = np.nan
    model, completed = redrawn((X, Y), codes, nothing)
    drawn = completed[:, MISSING, 1] - RHO * codes[MISSING, 0]
    assert drawn.mean() == pytest.approx(0.0, abs=0.15) and drawn.std() == pytest.approx(0.8, abs=0.08)
    assert model.imputations == 40 and model.covariance is not None
    assert model.covariance[:, 0, 1].mean() == pytest.approx(RHO, abs=0.15)


@pytest.mark.parametrize("shift", [0.0, 0.8])
def test_rare_levels_of_correlated_features_keep_what_they_say_of_each_other(shift: float) -> None:
    """Without an outcome, redrawing again and again leaves the joint model's law; shifted values are shifted once."""
    rng, n, times = np.random.default_rng(0), 400, 20
    rare = (rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], n) > norm.ppf(0.9)).astype(float)
    codes = rare.copy()
    codes[rng.random(n) < 0.3, 1] = np.nan
    missing, carrier = np.isnan(codes[:, 1]), rare[:, 0] == 1
    shares = ((1 - rare[:, 0].mean(), rare[:, 0].mean()), (0.9, 0.1))
    features = [replace(FLAG, name=f"flag {j}", shares=shares[j]) for j in range(2)]
    encoding, none = Encoding(features=tuple(features)), np.empty((n, 0))
    settings: dict[str, Any] = {"imputations": times, "shifts": {1: shift}}
    model, completed = fit_latent_normal(encoding, codes, none, rng=np.random.default_rng(1), **settings)
    joint = [completed[:, missing & own, 1].mean() for own in (carrier, ~carrier)]
    for cycle in range(3):
        given = Given(completed, model.mean, model.covariance, nothing)
        model, completed = fit_latent_normal(
            encoding, codes, none, rng=np.random.default_rng(2 + cycle), given=given, **settings
        )
    found = [completed[:, missing & own, 1].mean() for own in (carrier, ~carrier)]
    np.testing.assert_allclose(found, joint, atol=0.1)
    assert found[0] > found[1] + 0.3


@pytest.mark.parametrize("shift", [0.8, -1.5])
def test_a_shifted_level_holds_the_unshifted_latent_between_shifted_cut_points(shift: float) -> None:
    """Latents of standard deviation 2 whose levels were read off after a shift by its multiple have the normal law again."""
    rng, n, cut = np.random.default_rng(0), 4000, norm.ppf(0.7)
    codes = np.full((n, 2), np.nan)
    codes[: n // 2, 0] = 1.0
    known = ~np.isnan(codes[:, 0])
    level = np.where(known, 1.0, rng.standard_normal(n) + shift > cut / 2)
    readings = Readings(Encoding(features=(FLAG, X)), codes)
    completed = np.column_stack([level, np.zeros(n)])
    z = latents_of(readings, completed, np.zeros(2), np.diag([4.0, 1.0]), {0: shift, 1: 0.5}, rng)
    assert kstest(z[~known, 0] / 2, norm.cdf).pvalue > 0.01
    assert ((z[~known, 0] + 2 * shift > cut) == level[~known]).all() and (z[known, 0] > cut).all()
    np.testing.assert_array_equal(z[:, 1], -0.5)


def test_many_patients_are_taken_by_parts_with_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    full, outcome = pair(np.random.default_rng(1))
    codes, asked = full.copy(), []
    codes[MISSING, 1] = np.nan

    def likelihood(which: range, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
        asked.append(codes.size)
        return np.asarray(gaussian(outcome)(which, rows, codes))

    monkeypatch.setattr(latent_redraw, "CANDIDATES", 8)  # the fewest, whatever the number held at once
    _, whole = redrawn((X, Y), codes, likelihood, times=1)
    monkeypatch.setattr(latent_redraw, "_NUMBERS", 100)
    _, parts = redrawn((X, Y), codes, likelihood, times=1)
    assert max(asked) > 1000 and asked[-1] <= 100
    np.testing.assert_array_equal(whole, parts)


def test_every_imputation_is_redrawn_by_its_own_likelihood_and_no_other_s() -> None:
    """Each of eight outcomes' models wants another value."""
    full, _ = pair(np.random.default_rng(1))
    codes = full.copy()
    codes[MISSING, 1] = np.nan
    wanted = np.linspace(-1.0, 1.0, 8)

    def likelihood(which: range, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
        return np.asarray(norm.logpdf(codes[..., 1], wanted[which, None, None], 0.1))

    _, completed = redrawn((X, Y), codes, likelihood, times=8)
    np.testing.assert_allclose(completed[:, MISSING, 1].mean(axis=1), wanted, atol=0.1)
    np.testing.assert_array_equal(completed[:, ~MISSING], np.tile(codes[~MISSING], (8, 1, 1)))


def test_arms_have_models_of_their_own_and_their_own_patients_outcomes() -> None:
    full, outcome = pair(np.random.default_rng(1))
    arm = np.arange(N) % 3 % 2
    codes = full.copy()
    codes[MISSING, 1] = np.nan
    seen: list[np.ndarray] = []

    def likelihood(which: range, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
        seen.append(rows)
        return np.asarray(gaussian(outcome)(which, rows, codes))

    start = np.nan_to_num(codes)[None]
    kept = start.copy()
    settings: dict[str, Any] = {
        "imputations": 1,
        "given": Given(start, *independent((X, Y), 1), likelihood),
    }
    encoding, none = Encoding(features=(X, Y)), np.empty((N, 0))
    first, again = (
        fit_by_arm(encoding, codes, none, arm, rng=np.random.default_rng(7), **settings)[1] for _ in range(2)
    )
    assert first.tobytes() == again.tobytes() and start.tobytes() == kept.tobytes()
    assert sorted(set(np.concatenate(seen))) == np.flatnonzero(MISSING).tolist()
    assert np.corrcoef(first[0, MISSING, 1], outcome[MISSING])[0, 1] > 0.9
