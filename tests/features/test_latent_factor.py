"""The low-rank form of the joint model for many features: exact under known parameters, useful when fitted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from medresponse.features import Encoding, FeatureEncoding, LatentNormal, fit_latent_normal, latent_normal


def continuous(name: str) -> FeatureEncoding:
    return FeatureEncoding(name=name, block="genomic", type="continuous")


def discrete(name: str, type: str, shares: tuple[float, ...], *, baseline: int = 0) -> FeatureEncoding:
    levels = tuple(str(i) for i in range(len(shares)))
    return FeatureEncoding(
        name=name, block="genomic", type=type, levels=levels, shares=shares, baseline=baseline
    )


def all_continuous(q: int) -> Encoding:
    return Encoding(features=tuple(continuous(f"f{i}") for i in range(q)))


def generators(n: int, *, first: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng(first + i) for i in range(n)]


def covariances(model: LatentNormal) -> np.ndarray:
    """Covariance matrices that the low-rank form stands for, (imputation, latent, latent)."""
    assert model.loadings is not None and model.uniqueness is not None
    diagonal = model.uniqueness[:, :, None] * np.eye(model.mean.shape[1])
    return model.loadings @ model.loadings.transpose(0, 2, 1) + diagonal


# --- new patients: the same distribution as with the covariance in full ----------------------------------------------


def parameters(q: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    return rng.normal(size=(1, q)), 0.7 * rng.normal(size=(1, q, 2)), rng.uniform(0.3, 1.0, (1, q))


@pytest.mark.parametrize("missing", [(), (1,), (0, 2, 3), (0, 1, 2, 3)])
def test_missing_and_noisy_values_follow_the_gaussian_conditional(missing: tuple[int, ...]) -> None:
    draws, errors = 20_000, np.array([0.0, 0.4, 1.1, 0.0])
    mean, loadings, uniqueness = parameters(4)
    model = LatentNormal(mean, loadings=loadings, uniqueness=uniqueness)
    codes = np.array([1.2, 0.3, -0.9, 0.5])
    codes[list(missing)] = np.nan
    copies = 200
    drawn = model.complete(
        all_continuous(4), np.tile(codes, (copies, 1)), each=draws // copies, generators=generators(copies),
        errors=np.tile(errors, (copies, 1)),
    ).reshape(draws, 4)  # fmt: skip
    # An exact value is the limit of small errors, a missing one that of large ones.
    noise = np.where(np.isnan(codes), np.inf, np.maximum(errors, 1e-6))
    prior, information = np.linalg.inv(covariances(model)[0]), np.diag(1 / noise**2)
    covariance = np.linalg.inv(prior + information)
    expected = covariance @ (prior @ mean[0] + information @ np.nan_to_num(codes))
    spread = np.sqrt(np.diag(covariance)) + 1e-5
    np.testing.assert_allclose((drawn.mean(axis=0) - expected) / spread, 0.0, atol=4 / np.sqrt(draws))
    scale = np.outer(spread, spread)
    np.testing.assert_allclose(np.cov(drawn.T) / scale, covariance / scale, atol=4 * np.sqrt(2 / draws))


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_known_binary_level_shifts_a_missing_value_by_the_truncated_normal_mean(level: float) -> None:
    """E[x | z > c] = rho * phi(c) / (1 - Phi(c)) for standard normals of correlation rho, c the cut point."""
    rho, share = 0.7, 0.8
    encoding = Encoding(features=(continuous("x"), discrete("b", "binary", (share, 1 - share))))
    loading = np.sqrt(rho)
    model = LatentNormal(
        np.zeros((1, 2)), loadings=np.full((1, 2, 1), loading), uniqueness=np.full((1, 2), 1 - rho)
    )
    chains, each = 20, 2000
    drawn = model.complete(
        encoding, np.tile([np.nan, level], (chains, 1)), each=each, generators=generators(chains)
    )
    cut = norm.ppf(share)
    expected = rho * norm.pdf(cut) / (1 - share) if level else -rho * norm.pdf(cut) / share
    means = drawn[..., 0].mean(axis=1)  # one a chain: their spread holds the autocorrelation
    assert means.mean() == pytest.approx(expected, abs=4 * means.std(ddof=1) / np.sqrt(chains))
    assert means.std(ddof=1) < 0.1


def test_mixed_types_are_completed_as_with_the_covariance_in_full() -> None:
    encoding = Encoding(
        features=(
            continuous("x"), discrete("c", "categorical", (0.2, 0.5, 0.3), baseline=1),
            discrete("o", "ordinal", (0.3, 0.4, 0.3)), discrete("d", "dosage", (0.6, 0.3, 0.1)), continuous("y"),
        )
    )  # fmt: skip
    mean, loadings, uniqueness = parameters(6)
    low_rank = LatentNormal(mean, loadings=loadings, uniqueness=uniqueness)
    full = LatentNormal(mean, covariances(low_rank))
    patterns = np.array(
        [[np.nan, 2.0, 0.0, np.nan, 1.0], [0.5, np.nan, np.nan, 2.0, -0.3], [1.0, 0.0, np.nan, 1.0, np.nan]]
    )
    errors = np.tile([0.6, 0.0, 0.0, 0.0, 0.0], (3, 1))
    chains, each = 20, 400
    for pattern, error in zip(patterns, errors, strict=True):
        codes, noise = np.tile(pattern, (chains, 1)), np.tile(error, (chains, 1))
        one, other = (
            model.complete(
                encoding, codes, each=each, generators=generators(chains, first=first), errors=noise
            )
            for model, first in ((low_rank, 0), (full, 100))
        )
        for level in (1.0, 2.0):  # shares of the levels of the discrete features
            shares = [(drawn[..., 1:4] == level).mean(axis=1) for drawn in (one, other)]
            _same(*shares)
        _same(one[..., [0, 4]].mean(axis=1), other[..., [0, 4]].mean(axis=1))
        _same((one[..., [0, 4]] ** 2).mean(axis=1), (other[..., [0, 4]] ** 2).mean(axis=1))


def _same(one: np.ndarray, other: np.ndarray) -> None:
    """Compare means over chains (axis 0) of two samplers, by the spread of chains."""
    error = np.sqrt((one.var(axis=0, ddof=1) + other.var(axis=0, ddof=1)) / len(one))
    assert (np.abs(one.mean(axis=0) - other.mean(axis=0)) <= 4.5 * error).all()


def test_a_patients_completions_do_not_depend_on_who_else_is_completed() -> None:
    encoding = Encoding(
        features=(continuous("x"), discrete("b", "binary", (0.5, 0.5)), continuous("y"), continuous("z"))
    )
    mean, loadings, uniqueness = parameters(4)
    model = LatentNormal(mean, loadings=loadings, uniqueness=uniqueness)
    codes = np.array([[0.4, np.nan, 1.0, 0.0], [np.nan, 1.0, np.nan, np.nan], [1.0, 0.0, 2.0, 0.1]])
    together = model.complete(encoding, codes, each=5, generators=generators(3))
    assert together.shape == (3, 5, 4) and np.isfinite(together).all()
    for i in (2, 0, 1):
        alone = model.complete(encoding, codes[[i]], each=5, generators=generators(1, first=i))
        np.testing.assert_allclose(alone[0], together[i], atol=1e-12)
    np.testing.assert_array_equal(together[2], np.tile(codes[2], (5, 1)))


# --- training --------------------------------------------------------------------------------------------------------


def factor_cohort(n: int, q: int, *, seed: int) -> np.ndarray:
    """Return features of unit variance of which three factors explain 60 per cent."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(q, 3))
    loadings *= np.sqrt(0.6) / np.linalg.norm(loadings, axis=1, keepdims=True)
    return rng.standard_normal((n, 3)) @ loadings.T + np.sqrt(0.4) * rng.standard_normal((n, q))


def test_held_out_values_are_recovered_better_than_by_the_mean() -> None:
    full = factor_cohort(250, 240, seed=1)
    rng = np.random.default_rng(2)
    hidden = rng.random(full.shape) < 0.15
    codes = np.where(hidden, np.nan, full)
    model, completed = fit_latent_normal(
        all_continuous(240), codes[:200], rng.standard_normal((200, 1)), imputations=5, rng=rng
    )
    assert model.covariance is None and completed.shape == (5, 200, 240)
    np.testing.assert_array_equal(completed[:, ~hidden[:200]], np.tile(codes[:200][~hidden[:200]], (5, 1)))
    new = model.complete(all_continuous(240), codes[200:], each=20, generators=generators(50))
    for drawn, rows in ((completed, slice(200)), (new.transpose(1, 0, 2), slice(200, 250))):
        miss = ((drawn.mean(axis=0) - full[rows]) ** 2)[hidden[rows]].mean()
        # The factors leave 0.4, the mean of the draws adds 0.4 / draws; a quarter more for what is estimated.
        assert miss < 1.25 * 0.4 * (1 + 1 / len(drawn)) < 0.65
    low, high = np.quantile(new, [0.1, 0.9], axis=1)
    covered = ((low <= full[200:]) & (full[200:] <= high))[hidden[200:]]
    assert covered.mean() == pytest.approx(0.8, abs=4 * np.sqrt(0.8 * 0.2 / len(covered)) + 0.01)


def test_a_single_features_association_with_the_outcome_survives_imputation() -> None:
    """Too particular for a factor: without the companions as regressors the slope would be halved."""
    rng, n, q = np.random.default_rng(3), 1500, 201
    codes = rng.standard_normal((n, q))
    outcome = (codes[:, 0] + rng.standard_normal(n)) / np.sqrt(2)
    codes[rng.random(n) < 0.5, 0] = np.nan
    _, completed = fit_latent_normal(all_continuous(q), codes, outcome[:, None], imputations=5, rng=rng)
    slopes = [np.polyfit(one[:, 0], outcome, 1)[0] for one in completed]
    error = (
        1.5 * np.sqrt(0.5) / np.sqrt(n / 2)
    )  # residual sd over n / 2 known values, half again for imputation
    assert np.mean(slopes) == pytest.approx(np.sqrt(0.5), abs=4 * error)
    assert np.sqrt(0.5) / 2 < np.sqrt(0.5) - 4 * error


def test_the_model_of_a_new_patient_holds_what_features_share_through_the_outcome() -> None:
    rng, n, q = np.random.default_rng(4), 800, 205
    outcome = rng.standard_normal(n)
    codes = rng.standard_normal((n, q))
    codes[:, :2] = 0.8 * outcome[:, None] + 0.6 * codes[:, :2]
    companions = np.column_stack([50.0 + outcome, -outcome])  # collinear, and not centred
    model, _ = fit_latent_normal(all_continuous(q), codes, companions, imputations=5, rng=rng)
    covariance = covariances(model).mean(axis=0)
    # Sample moments of normals: n var(s_01) = s_00 s_11 + s_01^2, n var(s_00) = 2 s_00^2.
    assert covariance[0, 1] == pytest.approx(0.64, abs=4 * np.sqrt((1 + 0.64**2) / n))
    np.testing.assert_allclose(np.diag(covariance), 1.0, atol=4.5 * np.sqrt(2 / n))
    np.testing.assert_allclose(model.mean.mean(axis=0), codes.mean(axis=0), atol=4.5 / np.sqrt(5 * n))


def test_with_nothing_missing_training_keeps_its_codes_and_new_patients_are_completed() -> None:
    full = factor_cohort(120, 210, seed=5)
    rng = np.random.default_rng(6)
    model, completed = fit_latent_normal(
        all_continuous(210), full[:100], np.empty((100, 0)), imputations=3, rng=rng
    )
    np.testing.assert_array_equal(completed, np.tile(full[:100], (3, 1, 1)))
    assert model.loadings is not None and model.loadings.shape == (3, 210, 20)  # no companions, no cube
    codes = np.where(rng.random((20, 210)) < 0.3, np.nan, full[100:])
    drawn = model.complete(all_continuous(210), codes, each=10, generators=generators(20))
    hidden = np.isnan(codes)
    assert ((drawn.mean(axis=1) - full[100:]) ** 2)[hidden].mean() < 0.65


def test_true_values_of_noisy_features_vary_less_than_their_readings() -> None:
    rng, n, q = np.random.default_rng(7), 1000, 201
    codes = rng.standard_normal((n, q))  # unit variance, of the first half is error
    outcome = 0.5 * codes[:, 0] + np.sqrt(0.5) * rng.standard_normal(n)
    errors = np.zeros((n, q))
    errors[:, 0] = np.sqrt(0.5)
    model, completed = fit_latent_normal(
        all_continuous(q), codes, outcome[:, None], imputations=5, rng=rng, errors=errors
    )
    error = np.sqrt(2 / n)  # of the variance of the readings, which the known error is taken from
    assert covariances(model)[:, 0, 0].mean() == pytest.approx(0.5, abs=4 * 1.1 * error)
    assert covariances(model)[:, 1, 1].mean() == pytest.approx(1.0, abs=4 * error)
    slopes = [np.polyfit(one[:, 0], outcome, 1)[0] for one in completed]
    # As in test_latent_normal_errors: reading variance 1, error variance 1/2, slope 1, residual variance 1/4.
    expected = np.sqrt((1.0 * 0.75 + 0.5**2) / 0.5**2 / n)
    assert np.mean(slopes) == pytest.approx(1.0, abs=4 * 1.2 * expected)
    np.testing.assert_array_equal(completed[..., 1:], np.tile(codes[:, 1:], (5, 1, 1)))


def test_every_type_is_filled_with_its_levels_whatever_the_features_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Separated and duplicated features, a level never seen, a patient of whom nothing is known."""
    monkeypatch.setattr(latent_normal, "DENSE_LATENTS", 3)
    rng, n = np.random.default_rng(9), 90
    x = rng.standard_normal(n)
    level = (x > 0).astype(float)
    encoding = Encoding(
        features=(
            continuous("x"), continuous("x2"), discrete("b", "binary", (0.5, 0.5)), discrete("b2", "binary", (0.5, 0.5)),
            discrete("c", "categorical", (0.2, 0.6, 0.2)), discrete("d", "dosage", (0.5, 0.5, 0.0)),
        )
    )  # fmt: skip
    codes = np.column_stack([x, x, level, 1 - level, np.searchsorted([-1.0, 1.0], x), level])
    codes[rng.random(codes.shape) < 0.25] = np.nan
    codes[0] = np.nan
    model, completed = fit_latent_normal(
        encoding, codes, np.column_stack([x, np.ones(n)]), imputations=4, rng=rng, shifts={0: 0.5, 2: 0.3}
    )
    new = model.complete(encoding, codes[:8], each=4, generators=generators(8))
    for drawn in (completed, new):
        assert np.isfinite(drawn).all()
        for i, feature in enumerate(encoding.features[2:], start=2):
            assert set(np.unique(drawn[..., i])) <= set(range(len(feature.levels)))
    known = ~np.isnan(codes)
    for one in completed:
        np.testing.assert_array_equal(one[known], codes[known])


def test_the_form_of_the_covariance_is_one_or_the_other() -> None:
    with pytest.raises(ValueError, match="either covariance"):
        LatentNormal(np.zeros((1, 2)))
    with pytest.raises(ValueError, match="either covariance"):
        LatentNormal(np.zeros((1, 2)), np.eye(2)[None], np.zeros((1, 2, 1)), np.ones((1, 2)))
