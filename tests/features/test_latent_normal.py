"""Imputation by a joint latent-normal model: what it recovers from incomplete data, and how it completes patients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from medresponse.features import Encoding, FeatureEncoding, LatentNormal, fit_latent_normal

Mask = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def continuous(name: str) -> FeatureEncoding:
    return FeatureEncoding(name=name, block="history", type="continuous")


def discrete(name: str, type: str, shares: tuple[float, ...], *, baseline: int = 0) -> FeatureEncoding:
    levels = tuple(str(i) for i in range(len(shares)))
    return FeatureEncoding(
        name=name, block="history", type=type, levels=levels, shares=shares, baseline=baseline
    )


def generators(n: int, *, first: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng(first + i) for i in range(n)]


def completely_at_random(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.random(len(x)) < 0.4


def where_x_is_high(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Missing at random given x: complete cases are a biased sample."""
    return rng.random(len(x)) < norm.cdf(1.5 * x)


# --- training: what comes back from incomplete data ------------------------------------------------------------


@pytest.mark.parametrize("mask", [completely_at_random, where_x_is_high])
def test_correlation_and_mean_are_recovered_from_incomplete_data(mask: Mask) -> None:
    rng, n, rho = np.random.default_rng(11), 3000, 0.6
    x = rng.standard_normal(n)
    y = rho * x + np.sqrt(1 - rho**2) * rng.standard_normal(n)
    codes = np.column_stack([x, np.where(mask(x, rng), np.nan, y)])
    known = int((~np.isnan(codes[:, 1])).sum())
    encoding = Encoding(features=(continuous("x"), continuous("y")))
    model, completed = fit_latent_normal(encoding, codes, np.empty((n, 0)), imputations=10, rng=rng)
    covariance = model.covariance.mean(axis=0)
    estimate = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    # A complete sample of the observed size has standard errors (1 - rho^2) / sqrt(n) and 1 / sqrt(n); half
    # again as much for what was lost selectively.
    assert estimate == pytest.approx(rho, abs=4 * 1.5 * (1 - rho**2) / np.sqrt(known))
    assert completed[:, :, 1].mean() == pytest.approx(0.0, abs=4 * 1.5 / np.sqrt(known))
    if mask is where_x_is_high:
        assert np.nanmean(codes[:, 1]) < -8 / np.sqrt(known)  # what dropping incomplete patients would say


@pytest.mark.parametrize("type", ["binary", "ordinal", "dosage", "categorical"])
def test_level_shares_are_recovered_where_missing_depends_on_another_feature(type: str) -> None:
    rng, n = np.random.default_rng(5), 3000
    x = rng.standard_normal(n)
    latent = 0.7 * x + np.sqrt(1 - 0.49) * rng.standard_normal(n)
    level = (
        (latent > 0.2).astype(float)
        if type == "binary"
        else np.searchsorted([-0.4, 0.8], latent).astype(float)
    )
    truth = np.bincount(level.astype(int)) / n
    codes = np.column_stack([x, np.where(where_x_is_high(x, rng), np.nan, level)])
    seen = codes[~np.isnan(codes[:, 1]), 1].astype(int)
    shares = tuple(np.bincount(seen) / len(seen))
    encoding = Encoding(
        features=(continuous("x"), discrete("level", type, shares, baseline=int(np.argmax(shares))))
    )
    _, completed = fit_latent_normal(encoding, codes, np.empty((n, 0)), imputations=10, rng=rng)
    found = np.stack([np.bincount(c[:, 1].astype(int), minlength=len(truth)) / n for c in completed]).mean(
        axis=0
    )
    # The sample's own shares are the truth here: only the missing part is drawn, with standard error at most
    # 0.5 / sqrt(observed), and half again for the parameters.
    np.testing.assert_allclose(found, truth, atol=4 * 1.5 * 0.5 / np.sqrt(len(seen)))
    assert np.abs(np.array(shares) - truth).max() > 0.08  # what dropping incomplete patients would say


def test_associations_with_the_outcome_survive_imputation() -> None:
    """Without the outcome among the companions, the slope in imputed rows would be zero, and halved overall."""
    rng, n = np.random.default_rng(2), 3000
    x = rng.standard_normal(n)
    outcome = (x + rng.standard_normal(n)) / np.sqrt(2)
    codes = np.where(rng.random(n) < 0.5, np.nan, x)[:, None]
    encoding = Encoding(features=(continuous("x"),))
    slopes = []
    for companions in (outcome[:, None], np.empty((n, 0))):
        _, completed = fit_latent_normal(encoding, codes, companions, imputations=10, rng=rng)
        slopes.append(np.mean([np.polyfit(c[:, 0], outcome, 1)[0] for c in completed]))
    error = 4 * 1.5 * np.sqrt(0.5) / np.sqrt(n / 2)  # residual sd sqrt(1/2) over n / 2 known values
    assert slopes == pytest.approx([np.sqrt(0.5), np.sqrt(0.5) / 2], abs=error)


def test_the_model_of_a_new_patient_leaves_the_companions_out() -> None:
    rng = np.random.default_rng(0)
    encoding = Encoding(features=(continuous("x"), discrete("c", "categorical", (0.4, 0.3, 0.3))))
    codes = np.column_stack([rng.standard_normal(50), rng.integers(0, 3, 50)])
    model, _ = fit_latent_normal(encoding, codes, rng.standard_normal((50, 2)), imputations=3, rng=rng)
    assert model.imputations == 3
    assert model.mean.shape == (3, 3) and model.covariance.shape == (3, 3, 3)  # x and two latents of c
    for covariance in model.covariance:
        np.testing.assert_allclose(covariance, covariance.T, rtol=1e-12)
        assert np.linalg.eigvalsh(covariance).min() > 0


def test_the_model_of_a_new_patient_is_that_of_the_features_whatever_the_companions() -> None:
    rng, n = np.random.default_rng(4), 1000
    codes = rng.normal([2.0, -1.0], [1.0, 0.5], (n, 2))
    companions = rng.normal([50.0, 70.0], 9.0, (n, 2))
    encoding = Encoding(features=(continuous("x"), continuous("y")))
    model, _ = fit_latent_normal(encoding, codes, companions, imputations=20, rng=rng)
    np.testing.assert_allclose(model.mean.mean(axis=0), codes.mean(axis=0), atol=4 / np.sqrt(20 * n))
    expected = np.cov(codes.T)
    # 20 draws, each with relative standard error sqrt(2 / n), around the sample's covariance.
    error = 4 * np.sqrt(2 / (20 * n)) + 0.01
    np.testing.assert_allclose(np.diagonal(model.covariance.mean(axis=0)), np.diag(expected), rtol=error)


def test_training_completions_keep_every_known_value_and_fill_the_rest_with_levels() -> None:
    rng, n = np.random.default_rng(3), 80
    encoding = Encoding(
        features=(
            continuous("x"), discrete("b", "binary", (0.5, 0.5)), discrete("o", "ordinal", (0.2, 0.3, 0.5)),
            discrete("c", "categorical", (0.2, 0.5, 0.1, 0.2), baseline=1), discrete("d", "dosage", (0.6, 0.3, 0.1)),
        )
    )  # fmt: skip
    codes = np.column_stack(
        [
            rng.standard_normal(n),
            *(rng.integers(0, len(f.levels), n).astype(float) for f in encoding.features[1:]),
        ]
    )
    codes[rng.random(codes.shape) < 0.3] = np.nan
    _, completed = fit_latent_normal(encoding, codes, rng.standard_normal((n, 1)), imputations=4, rng=rng)
    assert completed.shape == (4, n, 5) and np.isfinite(completed).all()
    known = ~np.isnan(codes)
    for one in completed:
        np.testing.assert_array_equal(one[known], codes[known])
    for i, feature in enumerate(encoding.features[1:], start=1):
        assert set(np.unique(completed[..., i])) <= set(range(len(feature.levels)))
    assert (completed[0] != completed[1]).any()  # imputations differ where values are missing


# --- new patients: exact conditionals under known parameters ------------------------------------------------------

COVARIANCE = np.array([[1.0, 0.6, 0.3], [0.6, 2.0, -0.4], [0.3, -0.4, 1.5]])
MEAN = np.array([0.5, -1.0, 2.0])
THREE = Encoding(features=(continuous("x"), continuous("y"), continuous("z")))


@pytest.mark.parametrize("missing", [(1,), (0, 2)])
def test_missing_continuous_values_follow_the_gaussian_conditional(missing: tuple[int, ...]) -> None:
    model = LatentNormal(MEAN[None], COVARIANCE[None])
    codes, draws = np.array([[1.2, 0.3, 1.1]]), 20_000
    codes[0, list(missing)] = np.nan
    completed = model.complete(THREE, codes, each=draws, generators=generators(1))[0]
    known = [i for i in range(3) if i not in missing]
    m, k = np.ix_(missing, missing), np.ix_(missing, known)
    weights = COVARIANCE[k] @ np.linalg.inv(COVARIANCE[np.ix_(known, known)])
    mean = MEAN[list(missing)] + weights @ (codes[0, known] - MEAN[known])
    covariance = COVARIANCE[m] - weights @ COVARIANCE[k].T
    found = completed[:, list(missing)]
    spread = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(found.mean(axis=0), mean, atol=4 * spread.max() / np.sqrt(draws))
    error = 4 * np.outer(spread, spread) * np.sqrt(2 / draws)
    assert (np.abs(np.cov(found.T).reshape(len(missing), -1) - covariance) < error).all()
    np.testing.assert_array_equal(completed[:, known], np.tile(codes[0, known], (draws, 1)))


def test_missing_values_that_go_together_are_drawn_together_beside_a_known_level() -> None:
    """A chain that drew one at a time would need hundreds of sweeps to tell how close they are."""
    rho, draws = 0.995, 4000
    pair = np.array([[1.0, rho, 0.0], [rho, 1.0, 0.0], [0.0, 0.0, 1.0]])
    encoding = Encoding(features=(continuous("x"), continuous("y"), discrete("b", "binary", (0.5, 0.5))))
    codes = np.array([[np.nan, np.nan, 1.0]])
    model = LatentNormal(np.zeros((1, 3)), pair[None])
    x, y = model.complete(encoding, codes, each=draws, generators=generators(1))[0, :, :2].T
    assert np.corrcoef(x, y)[0, 1] == pytest.approx(rho, abs=4 * (1 - rho**2) / np.sqrt(draws))
    assert x.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * draws))
    assert abs(np.corrcoef(x[:-4], x[4:])[0, 1]) < 4 / np.sqrt(draws)  # states of a chain


def test_whether_others_have_levels_changes_no_draw_of_a_patient() -> None:
    """Patients of whom only numbers are known need no chain; who else is there does not decide it."""
    encoding, model, codes = mixed_model()
    codes = np.array([[0.4, np.nan, np.nan], [np.nan, 1.0, np.nan], [0.4, np.nan, 1.0]])
    together = model.complete(encoding, codes, each=6, generators=generators(3))
    for i in range(3):
        alone = model.complete(encoding, codes[[i]], each=6, generators=generators(1, first=i))
        np.testing.assert_array_equal(alone[0], together[i])


def test_a_known_binary_level_shifts_a_missing_value_by_the_truncated_normal_mean() -> None:
    """E[x | z > c] = rho * phi(c) / (1 - Phi(c)) for standard normals of correlation rho, c the cut point."""
    rho, share, draws = 0.7, 0.8, 20_000
    encoding = Encoding(features=(continuous("x"), discrete("b", "binary", (share, 1 - share))))
    model = LatentNormal(np.zeros((1, 2)), np.array([[[1.0, rho], [rho, 1.0]]]))
    cut = norm.ppf(share)
    for level, expected in ((1.0, rho * norm.pdf(cut) / (1 - share)), (0.0, -rho * norm.pdf(cut) / share)):
        completed = model.complete(
            encoding, np.array([[np.nan, level]]), each=draws, generators=generators(1)
        )
        assert completed[0, :, 0].mean() == pytest.approx(expected, abs=4 / np.sqrt(draws))


def test_missing_ordinal_levels_have_the_probabilities_of_their_latent_intervals() -> None:
    shares, draws, rho, x = (0.2, 0.5, 0.3), 20_000, 0.5, 1.3
    encoding = Encoding(features=(continuous("x"), discrete("o", "ordinal", shares)))
    model = LatentNormal(np.zeros((1, 2)), np.array([[[1.0, rho], [rho, 1.0]]]))
    completed = model.complete(encoding, np.array([[x, np.nan]]), each=draws, generators=generators(1))[
        0, :, 1
    ]
    edges = norm.ppf([0.0, 0.2, 0.7, 1.0])
    expected = np.diff(norm.cdf(edges, loc=rho * x, scale=np.sqrt(1 - rho**2)))
    np.testing.assert_allclose(
        np.bincount(completed.astype(int)) / draws, expected, atol=4 * 0.5 / np.sqrt(draws)
    )


@pytest.mark.parametrize("baseline", [0, 1, 2])
def test_a_category_is_the_largest_latent_and_the_baseline_wins_if_all_are_negative(baseline: int) -> None:
    mean, covariance, draws = np.array([0.3, -0.2]), np.array([[1.0, 0.5], [0.5, 1.2]]), 20_000
    encoding = Encoding(features=(discrete("c", "categorical", (0.3, 0.3, 0.4), baseline=baseline),))
    model = LatentNormal(mean[None], covariance[None])
    completed = model.complete(encoding, np.array([[np.nan]]), each=draws, generators=generators(1))[0, :, 0]
    # P(baseline) is an orthant; P(first) = P(z1 > 0, z1 - z2 > 0), another: multivariate normals by scipy.
    orthant = multivariate_normal(mean, covariance).cdf(np.zeros(2))
    turn = np.array([[-1.0, 0.0], [-1.0, 1.0]])
    first = multivariate_normal(turn @ mean, turn @ covariance @ turn.T).cdf(np.zeros(2))
    others = [k for k in range(3) if k != baseline]
    expected = {baseline: orthant, others[0]: first, others[1]: 1 - orthant - first}
    found = np.bincount(completed.astype(int), minlength=3) / draws
    np.testing.assert_allclose(found, [expected[k] for k in range(3)], atol=4 * 0.5 / np.sqrt(draws))


@pytest.mark.parametrize(("level", "baseline"), [(0, 2), (1, 2), (2, 2), (0, 0), (2, 0), (0, 1), (2, 1)])
def test_a_known_category_bounds_its_latents_for_what_hangs_on_them(level: int, baseline: int) -> None:
    """A missing value that equals the first latent but for noise shows what that latent was drawn as."""
    rho, draws = 0.9, 20_000
    covariance = np.array([[1.0, 0.0, rho], [0.0, 1.0, 0.0], [rho, 0.0, 1.0]])
    category = discrete("c", "categorical", (0.3, 0.3, 0.4), baseline=baseline)
    encoding = Encoding(features=(category, continuous("x")))
    model = LatentNormal(np.zeros((1, 3)), covariance[None])
    completed = model.complete(encoding, np.array([[level, np.nan]]), each=draws, generators=generators(1))
    z = np.random.default_rng(1).standard_normal((2_000_000, 2))  # rejection sampling of the same rule
    others = np.array([k for k in range(3) if k != baseline])
    won = np.where(z.max(axis=1) < 0, baseline, others[z.argmax(axis=1)])
    expected = rho * z[won == level, 0].mean()
    assert completed[0, :, 1].mean() == pytest.approx(expected, abs=5 / np.sqrt(draws))


def mixed_model() -> tuple[Encoding, LatentNormal, np.ndarray]:
    encoding = Encoding(
        features=(
            continuous("x"),
            discrete("b", "binary", (0.6, 0.4)),
            discrete("c", "categorical", (0.5, 0.3, 0.2)),
        )
    )
    rng = np.random.default_rng(8)
    root = rng.normal(size=(3, 4, 4))
    model = LatentNormal(rng.normal(size=(3, 4)), root @ root.transpose(0, 2, 1) + np.eye(4))
    codes = np.array([[0.4, np.nan, 1.0], [np.nan, 1.0, np.nan], [np.nan, np.nan, np.nan], [1.0, 0.0, 2.0]])
    return encoding, model, codes


def test_a_patients_completions_do_not_depend_on_who_else_is_completed() -> None:
    encoding, model, codes = mixed_model()
    together = model.complete(encoding, codes, each=5, generators=generators(4))
    assert together.shape == (4, 15, 3) and np.isfinite(together).all()
    for i in (2, 0, 1, 3):
        alone = model.complete(encoding, codes[[i]], each=5, generators=generators(1, first=i))
        np.testing.assert_allclose(alone[0], together[i], atol=1e-12)


def test_completions_come_imputation_by_imputation() -> None:
    """Parameter draws far apart show which of them a completion came from."""
    encoding = Encoding(features=(continuous("x"),))
    model = LatentNormal(np.array([[-100.0], [0.0], [100.0]]), np.ones((3, 1, 1)))
    completed = model.complete(encoding, np.array([[np.nan]]), each=4, generators=generators(1))[0, :, 0]
    assert np.round(completed / 100).tolist() == [-1] * 4 + [0] * 4 + [1] * 4


def test_a_patient_with_nothing_missing_comes_back_unchanged() -> None:
    encoding, model, codes = mixed_model()
    completed = model.complete(encoding, codes[[3]], each=5, generators=generators(1))
    np.testing.assert_array_equal(completed[0], np.tile(codes[3], (15, 1)))


def test_a_level_that_training_never_saw_can_be_conditioned_on() -> None:
    encoding = Encoding(features=(discrete("o", "ordinal", (0.5, 0.0, 0.5)), continuous("x")))
    model = LatentNormal(np.zeros((1, 2)), np.array([[[1.0, 0.8], [0.8, 1.0]]]))
    completed = model.complete(encoding, np.array([[1.0, np.nan]]), each=2000, generators=generators(1))
    # Its latent lies in a sliver at the median, so that x is normal with mean 0 and sd 0.6.
    assert completed[0, :, 1].mean() == pytest.approx(0.0, abs=4 * 0.6 / np.sqrt(2000))
    assert completed[0, :, 1].std() == pytest.approx(0.6, abs=4 * 0.6 / np.sqrt(4000))


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_level_far_out_in_the_tail_gives_finite_draws(side: float) -> None:
    """A patient 30 standard deviations from where its known level lies: inversion must not overflow."""
    encoding = Encoding(features=(continuous("x"), discrete("b", "binary", (0.5, 0.5)), continuous("y")))
    covariance = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.4], [0.0, 0.4, 1.0]])
    model = LatentNormal(np.zeros((1, 3)), covariance[None])
    codes = np.array([[30.0 * side, 0.0 if side > 0 else 1.0, np.nan]])
    completed = model.complete(encoding, codes, each=200, generators=generators(1))
    assert np.isfinite(completed).all()
