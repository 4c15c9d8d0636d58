from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import truncnorm

from medresponse.core.errors import SpecError
from medresponse.families import Augmented, Bernoulli, Gaussian, Lognormal, StudentT, Weibull
from medresponse.families.augmented import polya_gamma, truncated_normal

N = 100_000


@pytest.mark.parametrize("tilt", [0.0, 0.7, 3.0, -9.0, 30.0])
def test_polya_gamma_draws_have_the_laplace_transform_of_the_law(tilt: float) -> None:
    """``E[exp(-s w)] = cosh(z / 2) / cosh(sqrt(z^2 / 4 + s / 2))`` (Polson, Scott & Windle 2013, equation 4)."""
    draws = polya_gamma(np.full(N, tilt), np.random.default_rng(1))
    for s in (0.5, 2.0, 20.0):
        transformed = np.exp(-s * draws)
        expected = np.cosh(tilt / 2) / np.cosh(np.sqrt(tilt**2 / 4 + s / 2))
        assert abs(transformed.mean() - expected) < 4.5 * transformed.std() / np.sqrt(N)


@pytest.mark.parametrize(
    ("low", "high"), [(5.0, np.inf), (-np.inf, -6.0), (-1.0, 0.5), (8.0, 8.1), (-np.inf, np.inf)]
)
def test_truncated_normal_draws_have_the_mean_of_the_law_also_far_out(low: float, high: float) -> None:
    mean, sd = 0.3, 0.8
    draws = truncated_normal(
        np.full(N, mean),
        sd,
        np.full(N, mean + sd * low),
        np.full(N, mean + sd * high),
        np.random.default_rng(2),
    )
    standard = (draws - mean) / sd
    assert (standard >= low - 1e-9).all() and (standard <= high + 1e-9).all()
    law = truncnorm(low, high)
    assert abs(standard.mean() - law.mean()) < 4.5 * law.std() / np.sqrt(N)


def test_censored_log_times_are_drawn_within_their_bounds_and_exact_ones_kept() -> None:
    outcome = {
        "time": np.array([2.0, 3.0, 5.0, 4.0]), "event": np.array([True, False, True, True]),
        "lower": np.array([2.0, 3.0, 1.0, 0.0]), "upper": np.array([2.0, np.inf, 5.0, 4.0]), "entry": np.zeros(4),
    }  # fmt: skip
    latent, precision = Lognormal().augment(np.ones(4), outcome, {"sigma": 0.5}, {}, np.random.default_rng(1))
    assert latent[0] == np.log(2.0) and latent[1] > np.log(3.0)
    assert 0.0 < latent[2] < np.log(5.0) and latent[3] < np.log(4.0)
    np.testing.assert_allclose(precision, 4.0)


def test_left_truncated_times_are_refused() -> None:
    outcome = {"time": np.ones(1), "event": np.array([True]), "entry": np.full(1, 0.5)}
    with pytest.raises(SpecError, match="entry"):
        Lognormal().augment(np.zeros(1), outcome, {"sigma": 1.0}, {}, np.random.default_rng(1))


def test_student_t_precisions_mix_to_the_student_t_density() -> None:
    """Averaged over precisions given the outcome, ``1 / w`` gives back the ratio of conditional to marginal law."""
    rng, nu, sigma, residual = np.random.default_rng(3), 7.0, 1.5, 2.0
    family = StudentT()
    _, precision = family.augment(
        np.zeros(N), {"value": np.full(N, residual)}, {"sigma": sigma, "nu": nu}, {}, rng
    )
    assert precision.mean() * sigma**2 == pytest.approx((nu + 1) / (nu + (residual / sigma) ** 2), rel=0.01)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_the_logit_likelihood_is_the_mixture_of_its_latent_normals(value: float) -> None:
    """``exp(k eta) E[exp(-w eta^2 / 2)] / 2`` over w from PG(1, 0), k = y - 1/2 (Polson, Scott & Windle 2013, theorem 1)."""
    eta = 1.3
    draws = polya_gamma(np.zeros(N), np.random.default_rng(4))
    mixed = 0.5 * np.exp((value - 0.5) * eta) * np.exp(-draws * eta**2 / 2).mean()
    probability = 1 / (1 + np.exp(-eta))
    assert mixed == pytest.approx(probability if value else 1 - probability, rel=2e-3)
    _, precision = Bernoulli().augment(
        np.full(5, eta), {"value": np.full(5, value)}, {}, {}, np.random.default_rng(1)
    )
    assert (precision > 0).all()


def test_gaussian_needs_no_latent_outcome() -> None:
    family = Gaussian(scale="sqrt")
    latent, precision = family.augment(
        np.zeros(2), {"value": np.array([4.0, 9.0])}, {"sigma": 2.0}, {}, np.random.default_rng(1)
    )
    np.testing.assert_array_equal(latent, [2.0, 3.0])
    np.testing.assert_array_equal(precision, [0.25, 0.25])


def test_families_without_a_latent_normal_outcome_do_not_claim_one() -> None:
    assert isinstance(Gaussian(), Augmented) and not isinstance(Weibull(), Augmented)
