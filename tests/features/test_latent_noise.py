"""Laws of true values given the features alone: closed forms, and values that are known or missing."""

from __future__ import annotations

import numpy as np
import pytest

from medresponse.features import Encoding, FeatureEncoding, TrueValues, noisy_features, true_values

RHO, ERROR, N = 0.6, 0.5, 4000
NAMES = ("x", "y", "w")
ENCODING = Encoding(
    features=tuple(FeatureEncoding(name=n, block="history", type="continuous") for n in NAMES)
)


def law_of(codes: np.ndarray, errors: np.ndarray, completed: np.ndarray, **options: object) -> TrueValues:
    settings: dict[str, object] = {"arms": np.arange(len(codes)) % 2, "shifts": {}}
    return true_values(
        ENCODING, codes, np.empty((len(codes), 0)), completed, [(np.zeros(3), np.eye(3))] * 2, errors=errors,
        rng=np.random.default_rng(2), **(settings | options),  # type: ignore[arg-type]
    )  # fmt: skip


def true_and_read() -> tuple[np.ndarray, np.ndarray]:
    """Three features with correlation `RHO` each; the last two are read with error."""
    rng = np.random.default_rng(1)
    true = rng.multivariate_normal(np.zeros(3), np.full((3, 3), RHO) + (1 - RHO) * np.eye(3), N)
    return true, true + ERROR * rng.standard_normal((N, 3)) * [0, 1, 1]


def test_two_noisy_features_have_the_normal_law_given_the_third_and_both_readings() -> None:
    true, codes = true_and_read()
    errors = np.tile([0.0, ERROR, ERROR], (N, 1))
    found = law_of(codes, errors, true)
    assert found.features == noisy_features(errors) == (1, 2) and noisy_features(None) == ()
    precision = np.linalg.inv(np.full((3, 3), RHO) + (1 - RHO) * np.eye(3))
    covariance = np.linalg.inv(precision[1:, 1:] + np.eye(2) / ERROR**2)
    expected = (codes[:, 1:] / ERROR**2 - codes[:, :1] * precision[0, 1:]) @ covariance
    # Parameters are learned from 2,000 patients of each arm.
    assert np.abs(found.mean - expected).max() < 0.2 and np.abs(found.mean - expected).mean() < 0.03
    squares = found.root @ found.root.transpose(0, 2, 1)
    np.testing.assert_allclose(squares, np.tile(covariance, (N, 1, 1)), atol=0.02)
    assert (found.root[:, 0, 1] == 0).all()
    off = true[:, 1:] - found.mean
    np.testing.assert_allclose(off.T @ off / N, covariance, atol=0.02)


def test_known_values_stand_and_missing_ones_have_the_law_of_the_other_features_shifted() -> None:
    true, codes = true_and_read()
    errors = np.tile([0.0, ERROR, ERROR], (N, 1))
    errors[::4, 1], codes[::4, 1] = 0.0, true[::4, 1]
    codes[1::4, 1] = np.nan
    missing = np.isnan(codes)
    found = law_of(codes, errors, true + 2.0 * missing, shifts={1: 2.0})
    np.testing.assert_array_equal(found.mean[::4, 0], true[::4, 1])
    assert (found.root[::4, 0] == 0).all() and (found.root[1::4, 0, 0] > found.root[2::4, 0, 0].max()).all()
    assert (found.root[::4, 1, 1] > 0).all()
    assert (found.mean[1::4, 0] - true[1::4, 1]).mean() == pytest.approx(2.0, abs=0.1)
    assert (found.mean[2::4, 0] - true[2::4, 1]).mean() == pytest.approx(0.0, abs=0.1)


def test_latents_behind_levels_follow_the_model_of_their_own_arm() -> None:
    """Of a binary feature and a noisy one, of the other correlation in each arm: over both arms they have none."""
    rng, arms = np.random.default_rng(4), np.arange(N) % 2
    rho = np.where(arms == 0, 0.8, -0.8)
    z, e = rng.standard_normal((2, N))
    true = np.column_stack([z > 0, rho * z + 0.6 * e])
    codes = true + [0, 1] * rng.standard_normal((N, 2))
    encoding = Encoding(
        features=(
            FeatureEncoding(name="b", block="history", type="binary", levels=("no", "yes"), shares=(0.5, 0.5), center=0.5),
            FeatureEncoding(name="x", block="history", type="continuous"),
        )
    )  # fmt: skip
    models = [(np.zeros(2), np.array([[1.0, r], [r, 1.0]])) for r in (0.8, -0.8)]
    found = true_values(
        encoding, codes, np.empty((N, 0)), true, models, errors=np.tile([0.0, 1.0], (N, 1)), arms=arms, shifts={},
        rng=np.random.default_rng(2),
    )  # fmt: skip
    off = true[:, 1] - found.mean[:, 0]
    for arm in (0, 1):
        for level in (0.0, 1.0):
            assert abs(off[(arms == arm) & (true[:, 0] == level)].mean()) < 0.07
    for (mean, covariance), r in zip(
        found.models, (0.8, -0.8), strict=True
    ):  # drawn anew, as are the laws under them
        assert covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]) == pytest.approx(r, abs=0.05)
        assert np.abs(mean).max() < 0.1


def test_each_arm_has_a_model_of_its_own() -> None:
    true, codes = true_and_read()
    arms = np.arange(N) % 2
    for values in (true, codes):
        values[arms == 1, 1:] *= -1  # the features' correlation is of the other sign there
    found = law_of(codes, np.tile([0.0, ERROR, ERROR], (N, 1)), true, arms=arms)
    slopes = [np.polyfit(codes[arms == arm, 0], found.mean[arms == arm, 0], 1)[0] for arm in (0, 1)]
    assert slopes[0] == pytest.approx(RHO, abs=0.1) and slopes[1] == pytest.approx(-RHO, abs=0.1)
