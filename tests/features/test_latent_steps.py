"""Machine code of the Gibbs sampler of latent normals: the draws that numpy makes of the same random numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from medresponse.features import Encoding, fit_latent_normal
from medresponse.features.latent_dense import Dense, draw_parameters, run_steps
from medresponse.features.latent_steps import normal_cdf, normal_quantile
from medresponse.features.readings import Readings
from tests.features.test_latent_normal import continuous, discrete

FEATURES = (
    continuous("exact"), continuous("noisy"), discrete("binary", "binary", (0.7, 0.3)),
    discrete("ordinal", "ordinal", (0.5, 0.3, 0.2)), discrete("categorical", "categorical", (0.4, 0.3, 0.2, 0.1), baseline=1),
)  # fmt: skip


def chain(n: int = 40) -> Dense:
    """Features of every kind, a quarter of the values missing, one feature read with error, and one companion."""
    rng = np.random.default_rng(4)
    codes = np.column_stack([rng.standard_normal((n, 2)), *(rng.integers(0, k, n) for k in (2, 3, 4))])
    codes[rng.random(codes.shape) < 0.25] = np.nan
    errors = np.zeros(codes.shape)
    errors[::2, 1] = 0.5
    sampler = Dense(Readings(Encoding(features=FEATURES), codes, errors), rng.standard_normal((n, 1)))
    sampler.start(rng.random(sampler.z.shape))
    return sampler


@pytest.mark.parametrize("far", [1.0, 15.0])
def test_sweeps_are_those_of_numpy_however_far_levels_are_in_a_tail(far: float) -> None:
    once, again = chain(), chain()
    q = once.z.shape[1]
    root = np.random.default_rng(0).standard_normal((q, q)) / 3 + np.eye(q)
    mean, covariance = np.full(q, far), root @ root.T
    known = once.readings.known()
    run_steps(np.random.default_rng(1), 3, once.z, known, mean, covariance, draws_parameters=False)
    rng, precision = np.random.default_rng(1), np.linalg.inv(covariance)
    for _ in range(3):
        again.sweep(mean, precision, rng.random(again.z.shape))
    np.testing.assert_allclose(once.z, again.z, rtol=1e-9, atol=1e-9)


def test_mean_and_covariance_are_the_textbook_draw() -> None:
    z = chain().z
    (n, q), rng = z.shape, np.random.default_rng(2)
    apart = z - z.mean(axis=0)
    lower = np.linalg.cholesky(np.linalg.inv(np.eye(q) + apart.T @ apart))
    bartlett = np.tril(rng.standard_normal((q, q)), k=-1)
    bartlett[np.diag_indices(q)] = np.sqrt(rng.chisquare(n + q + 1 - np.arange(q)))
    expected = np.linalg.inv(lower @ bartlett @ bartlett.T @ lower.T)
    expected_mean = z.mean(axis=0) + np.linalg.cholesky(expected / n) @ rng.standard_normal(q)
    mean, covariance = draw_parameters(z, np.random.default_rng(2))
    np.testing.assert_allclose(covariance, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(covariance, covariance.T)


def test_each_step_draws_parameters_and_then_latents() -> None:
    once, again = chain(), chain()
    q = once.z.shape[1]
    mean, covariance = np.zeros(q), np.eye(q)
    run_steps(np.random.default_rng(3), 4, once.z, once.readings.known(), mean, covariance)
    rng = np.random.default_rng(3)
    for _ in range(4):
        last = draw_parameters(again.z, rng)
        again.sweep(last[0], np.linalg.inv(last[1]), rng.random(again.z.shape))
    np.testing.assert_allclose(once.z, again.z, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(covariance, last[1], rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(mean, last[0], rtol=1e-8, atol=1e-10)


def test_latents_of_what_is_not_known_exactly_may_be_left() -> None:
    once, every = chain(), chain()
    before, known, q = once.z.copy(), once.readings.known(), once.z.shape[1]
    for sampler, leaves in ((once, True), (every, False)):
        run_steps(
            np.random.default_rng(5),
            1,
            sampler.z,
            known,
            np.zeros(q),
            np.eye(q),
            draws_parameters=False,
            leaves_open=leaves,
        )
    open_ = np.repeat(once.readings.drawn, once.readings.widths, axis=1)
    same = before[:, :-1] == once.z[:, :-1]
    exact = np.zeros((1, q - 1), dtype=bool)
    exact[0, :2] = True  # continuous features: a known value is its latent
    assert (same == (open_ | exact)).all()
    assert not (before[:, :-1] == every.z[:, :-1])[open_].any()


def test_normal_distribution_function_and_quantile_keep_their_digits_in_the_tails() -> None:
    p = np.concatenate([np.random.default_rng(0).random(300), 10.0 ** -np.arange(1, 300, 7.3), [0.0, 1.0]])
    x = np.concatenate([np.linspace(-37, 9, 400), [-np.inf, np.inf]])
    np.testing.assert_allclose([normal_quantile(v) for v in p], ndtri(p), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose([normal_cdf(v) for v in x], ndtr(x), rtol=1e-12)


def test_codes_that_may_not_be_written_are_read_and_exact_values_need_no_errors() -> None:
    codes = np.where(np.arange(60).reshape(30, 2) % 7 == 0, np.nan, 1.0)
    codes.flags.writeable = False
    encoding = Encoding(features=FEATURES[:2])
    _, completed = fit_latent_normal(
        encoding, codes, np.empty((30, 0)), imputations=2, rng=np.random.default_rng(0)
    )
    assert (completed[:, ~np.isnan(codes)] == 1.0).all() and np.isfinite(completed).all()
