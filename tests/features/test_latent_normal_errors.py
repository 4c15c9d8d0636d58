"""Noisily measured features and values missing not at random: what the joint model makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from medresponse.core.errors import DataError
from medresponse.features import Encoding, FeatureEncoding, LatentNormal, fit_latent_normal, latent_normal


def continuous(name: str) -> FeatureEncoding:
    return FeatureEncoding(name=name, block="history", type="continuous")


def discrete(name: str, type: str, shares: tuple[float, ...]) -> FeatureEncoding:
    levels = tuple(str(i) for i in range(len(shares)))
    return FeatureEncoding(name=name, block="history", type=type, levels=levels, shares=shares)


def generators(n: int) -> list[np.random.Generator]:
    return [np.random.default_rng(i) for i in range(n)]


XY = Encoding(features=(continuous("x"), continuous("y")))
MIXED = Encoding(
    features=(
        continuous("x"),
        discrete("b", "binary", (0.5, 0.5)),
        discrete("o", "ordinal", (0.25, 0.5, 0.25)),
    )
)


def mixed_codes() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    codes = np.column_stack([rng.standard_normal(40), rng.integers(0, 2, 40), rng.integers(0, 3, 40)])
    for i in range(3):
        codes[i::4, i] = np.nan
    return codes, rng.standard_normal((40, 1))


# --- without errors and shifts ---------------------------------------------------------------------------------


def test_without_errors_and_shifts_the_draws_are_those_of_the_first_version() -> None:
    """Figures of training as recorded before errors and shifts came in, since fits in the record rest on these draws, and of a
    new patient as recorded since chains give several states."""
    codes, companions = mixed_codes()
    model, completed = fit_latent_normal(
        MIXED, codes, companions, imputations=2, rng=np.random.default_rng(1)
    )
    expected = [[0.48880788, -2.0091059, -0.34844828], [0.47169735, -0.48232774, 0.28482633]]
    np.testing.assert_allclose(completed[:, [0, 4, 8], 0], expected, atol=1e-7)
    np.testing.assert_array_equal(completed[0, 2::4, 2], [1, 1, 1, 0, 0, 2, 0, 0, 1, 0])
    row = np.array([[np.nan, 1.0, np.nan]])
    new = model.complete(MIXED, row, each=2, generators=[np.random.default_rng(3)])[0]
    np.testing.assert_allclose(new[:, 0], [-0.54660966, -0.31831142, 1.52151336, -0.42460023], atol=1e-7)


@pytest.mark.parametrize("error", [0.0, np.nan])
def test_an_error_of_zero_or_unknown_changes_no_bit(error: float) -> None:
    codes, companions = mixed_codes()
    errors = np.full(codes.shape, error)
    plain, first = fit_latent_normal(MIXED, codes, companions, imputations=2, rng=np.random.default_rng(1))
    model, again = fit_latent_normal(
        MIXED, codes, companions, imputations=2, rng=np.random.default_rng(1), errors=errors, shifts={}
    )
    assert first.tobytes() == again.tobytes() and plain.mean.tobytes() == model.mean.tobytes()
    new = [
        plain.complete(MIXED, codes[:4], each=3, generators=generators(4), **options).tobytes()
        for options in ({}, {"errors": errors[:4], "shifts": {}})
    ]
    assert new[0] == new[1]


# --- noisy readings of new patients: exact conditionals under known parameters -----------------------------------

MEAN, COVARIANCE = np.array([0.5, -1.0]), np.array([[1.0, 0.9], [0.9, 2.0]])
DRAWS = 20_000


def posterior(codes: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of (x, y) given readings of them; an error of infinity stands for no reading."""
    information = np.diag(1.0 / errors**2)
    prior = np.linalg.inv(COVARIANCE)
    covariance = np.linalg.inv(prior + information)
    return covariance @ (prior @ MEAN + information @ np.nan_to_num(codes)), covariance


@pytest.mark.parametrize("error", [0.2, 0.7, 3.0])
@pytest.mark.parametrize("y", [1.5, np.nan])
def test_a_noisy_reading_is_pulled_towards_what_the_other_feature_says(error: float, y: float) -> None:
    codes = np.array([[2.5, y]])
    model = LatentNormal(MEAN[None], COVARIANCE[None])
    drawn = model.complete(XY, codes, each=DRAWS, generators=generators(1), errors=np.array([[error, 0.0]]))[
        0
    ]
    y_error = 1e-6 if np.isfinite(y) else np.inf  # an exact value is the limit of small errors
    mean, covariance = posterior(codes[0], np.array([error, y_error]))
    spread = np.sqrt(np.diag(covariance)) + 1e-5
    np.testing.assert_allclose((drawn.mean(axis=0) - mean) / spread, 0.0, atol=4 / np.sqrt(DRAWS))
    correlated = np.cov(drawn.T) / np.outer(spread, spread)
    np.testing.assert_allclose(correlated, covariance / np.outer(spread, spread), atol=4 * np.sqrt(2 / DRAWS))
    if np.isfinite(y):
        assert (drawn[:, 1] == y).all()


def test_a_noisier_reading_leaves_the_true_value_less_certain() -> None:
    model = LatentNormal(MEAN[None], COVARIANCE[None])
    codes = np.array([[2.5, 1.5]])
    spreads = []
    for error in (0.0, 0.01, 0.1, 0.3, 1.0, 100.0):
        errors = np.array([[error, 0.0]])
        drawn = model.complete(XY, codes, each=4000, generators=generators(1), errors=errors)
        spreads.append(float(drawn[0, :, 0].std()))
    assert spreads == sorted(spreads) and spreads[0] == 0.0
    # A worthless reading leaves what the other feature tells: var(x | y).
    assert spreads[-1] == pytest.approx(np.sqrt(1.0 - 0.9**2 / 2.0), rel=4 / np.sqrt(2 * 4000))


def test_every_patient_has_an_error_of_their_own() -> None:
    model = LatentNormal(MEAN[None], COVARIANCE[None])
    codes, errors = np.tile([2.5, np.nan], (3, 1)), np.array([[0.0, 0.0], [0.5, 9.9], [2.0, np.nan]])
    together = model.complete(XY, codes, each=50, generators=generators(3), errors=errors)
    assert (together[0, :, 0] == 2.5).all()
    assert together[1, :, 0].std() < together[2, :, 0].std()
    alone = model.complete(XY, codes[[2]], each=50, generators=generators(3)[2:], errors=errors[[2]])
    np.testing.assert_allclose(alone[0], together[2], atol=1e-12)


def test_many_patients_are_completed_in_blocks_with_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, companions = mixed_codes()
    errors = np.column_stack([np.full(40, 0.5), np.zeros((40, 2))])
    model, _ = fit_latent_normal(MIXED, codes, companions, imputations=2, rng=np.random.default_rng(1))
    whole = model.complete(MIXED, codes, each=2, generators=generators(40), errors=errors)
    monkeypatch.setattr(latent_normal, "_NUMBERS_AT_ONCE", 2 * 21 * 2 * 3 * 7)  # seven patients
    blocks = model.complete(MIXED, codes, each=2, generators=generators(40), errors=errors)
    np.testing.assert_allclose(blocks, whole, atol=1e-12)


# --- training on noisy readings ----------------------------------------------------------------------------------


def noisy_cohort(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Readings of unit variance of which half is error, and an outcome with slope 1 on the true value."""
    rng = np.random.default_rng(seed)
    x = np.sqrt(0.5) * rng.standard_normal(n)
    reading = x + np.sqrt(0.5) * rng.standard_normal(n)
    outcome = x + 0.5 * rng.standard_normal(n)
    return x, reading, outcome, np.full((n, 1), np.sqrt(0.5))


def test_the_slope_on_the_true_value_is_recovered_where_that_on_the_reading_is_halved() -> None:
    n = 2000
    _, reading, outcome, errors = noisy_cohort(n, seed=1)
    _, completed = fit_latent_normal(
        Encoding(features=(continuous("x"),)), reading[:, None], outcome[:, None],
        imputations=20, rng=np.random.default_rng(0), errors=errors,
    )  # fmt: skip
    slopes = [np.polyfit(one[:, 0], outcome, 1)[0] for one in completed]
    # Of the moment estimator s_wy / (s_ww - su^2), with v = y - w: n var = ((sx^2 + su^2) sv^2 + su^4) / sx^4.
    # Twenty imputations add less than a tenth to the standard error.
    error = np.sqrt(((0.5 + 0.5) * (0.25 + 0.5) + 0.5**2) / 0.5**2 / n)
    assert np.mean(slopes) == pytest.approx(1.0, abs=4 * 1.1 * error)
    assert np.polyfit(reading, outcome, 1)[0] == pytest.approx(0.5, abs=4 * np.sqrt(0.5 / n))
    assert np.std(slopes, ddof=1) > 0.3 * error  # what is not known of true values shows between imputations


def test_mean_and_covariance_are_those_of_true_values() -> None:
    n = 2000
    x, reading, outcome, errors = noisy_cohort(n, seed=2)
    model, completed = fit_latent_normal(
        XY, np.column_stack([reading, outcome]), np.empty((n, 0)),
        imputations=20, rng=np.random.default_rng(0), errors=np.column_stack([errors, np.zeros(n)]),
    )  # fmt: skip
    covariance = model.covariance.mean(axis=0)
    # var(x) by moments is s_ww - su^2, with standard error sqrt(2 / n) of s_ww = 1; y knows more of it still.
    assert covariance[0, 0] == pytest.approx(0.5, abs=4 * 1.1 * np.sqrt(2 / n))
    assert covariance[0, 1] == pytest.approx(0.5, abs=4 * np.sqrt((1.0 * 0.75 + 0.25) / n))
    assert covariance[1, 1] == pytest.approx(0.75, rel=4 * np.sqrt(2 / n))
    # Draws of true values vary as true values do, and lie nearer to them than the readings do.
    assert completed[..., 0].var() == pytest.approx(0.5, abs=4 * 1.1 * np.sqrt(2 / n))
    assert np.mean((completed[..., 0].mean(axis=0) - x) ** 2) < 0.6 * np.mean((reading - x) ** 2)
    np.testing.assert_array_equal(completed[..., 1], np.tile(outcome, (20, 1)))


def test_a_precise_reading_hardly_moves_and_a_missing_one_is_imputed_beside_it() -> None:
    n = 300
    _, reading, outcome, _ = noisy_cohort(n, seed=3)
    codes = reading[:, None].copy()
    codes[::3] = np.nan
    errors = np.full((n, 1), 1e-3)
    _, completed = fit_latent_normal(
        Encoding(features=(continuous("x"),)), codes, outcome[:, None],
        imputations=3, rng=np.random.default_rng(0), errors=errors,
    )  # fmt: skip
    known = ~np.isnan(codes[:, 0])
    moved = completed[:, known, 0] - codes[known, 0]
    assert 0 < np.abs(moved).max() < 6e-3
    assert np.isfinite(completed).all() and completed[:, ~known].std() > 0.3


@pytest.mark.parametrize(
    ("feature", "error", "words"),
    [
        (0, -0.1, "negative or infinite"),
        (0, np.inf, "negative or infinite"),
        (1, 0.1, "feature b: .* binary"),
    ],
)
def test_an_error_that_means_nothing_is_refused(feature: int, error: float, words: str) -> None:
    codes, companions = mixed_codes()
    errors = np.zeros(codes.shape)
    errors[:, feature] = error
    with pytest.raises(DataError, match=words):
        fit_latent_normal(
            MIXED, codes, companions, imputations=2, rng=np.random.default_rng(1), errors=errors
        )


# --- values missing not at random ----------------------------------------------------------------------------------


def test_a_shift_moves_imputed_values_by_exactly_that_and_nothing_else() -> None:
    codes, companions = mixed_codes()
    errors = np.column_stack([np.full(40, 0.5), np.zeros((40, 2))])
    fits = [
        fit_latent_normal(
            MIXED,
            codes,
            companions,
            imputations=2,
            rng=np.random.default_rng(1),
            errors=errors,
            shifts=shifts,
        )
        for shifts in (None, {0: -0.75})
    ]
    (model, plain), (shifted_model, shifted) = fits
    missing = np.isnan(codes[:, 0])
    np.testing.assert_allclose(shifted[:, missing, 0], plain[:, missing, 0] - 0.75, atol=1e-12)
    np.testing.assert_array_equal(shifted[:, ~missing], plain[:, ~missing])  # noisy readings too
    np.testing.assert_array_equal(shifted[..., 1:], plain[..., 1:])
    np.testing.assert_array_equal(
        shifted_model.covariance, model.covariance
    )  # the chain is that without shift
    new = [
        model.complete(MIXED, codes[:6], each=3, generators=generators(6), errors=errors[:6], shifts=shifts)
        for shifts in (None, {0: -0.75})
    ]
    expected = new[0] - 0.75 * np.isnan(codes[:6])[:, None] * [1.0, 0.0, 0.0]
    np.testing.assert_allclose(new[1], expected, atol=1e-12)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_a_discrete_feature_is_shifted_in_standard_deviations_of_its_latent(scale: float) -> None:
    """The scale of a binary feature's latent is arbitrary; the effect of a shift on its level must not be."""
    encoding = Encoding(
        features=(discrete("b", "binary", (0.5, 0.5)), discrete("o", "ordinal", (0.2, 0.5, 0.3)))
    )
    model = LatentNormal(np.zeros((1, 2)), np.diag([scale**2, 1.0])[None])
    drawn = model.complete(
        encoding, np.full((1, 2), np.nan), each=DRAWS, generators=generators(1), shifts={0: 0.8, 1: -0.5}
    )[0]
    assert drawn[:, 0].mean() == pytest.approx(norm.cdf(0.8), abs=4 * 0.5 / np.sqrt(DRAWS))
    shares = np.bincount(drawn[:, 1].astype(int)) / DRAWS
    expected = np.diff(norm.cdf(norm.ppf([0.0, 0.2, 0.7, 1.0]) + 0.5))
    np.testing.assert_allclose(shares, expected, atol=4 * 0.5 / np.sqrt(DRAWS))


def test_a_shift_of_a_categorical_feature_is_refused() -> None:
    encoding = Encoding(features=(continuous("x"), discrete("c", "categorical", (0.4, 0.3, 0.3))))
    model = LatentNormal(np.zeros((1, 3)), np.eye(3)[None])
    with pytest.raises(DataError, match=r"feature c: .* no order"):
        model.complete(encoding, np.full((1, 2), np.nan), each=1, generators=generators(1), shifts={1: 0.5})
    with pytest.raises(DataError, match="feature x: the shift of imputed values is nan"):
        fit_latent_normal(
            encoding, np.zeros((4, 2)), np.empty((4, 0)), imputations=2, rng=np.random.default_rng(0),
            shifts={0: float("nan")},
        )  # fmt: skip


# --- hard data -----------------------------------------------------------------------------------------------------


def test_separated_and_duplicated_features_give_finite_draws() -> None:
    rng, n = np.random.default_rng(6), 120
    x = rng.standard_normal(n)
    level = (x > 0).astype(float)
    codes = np.column_stack([x, x, level, 1 - level, np.searchsorted([-1.0, 1.0], x), level])
    codes[rng.random(codes.shape) < 0.25] = np.nan
    half = discrete("b", "binary", (0.5, 0.5))
    encoding = Encoding(
        features=(
            continuous("x"), continuous("x2"), half, half, discrete("c", "categorical", (0.2, 0.6, 0.2)),
            discrete("rare", "dosage", (0.5, 0.5, 0.0)),
        )
    )  # fmt: skip
    companions = np.column_stack(
        [x, level - 0.5, np.ones(n)]
    )  # the outcome is a feature, and one is constant
    model, completed = fit_latent_normal(encoding, codes, companions, imputations=5, rng=rng)
    assert np.isfinite(completed).all() and np.isfinite(model.covariance).all()
    new = model.complete(encoding, codes[:10], each=5, generators=generators(10))
    assert np.isfinite(new).all()
