"""Families that are normal given latent outcomes, so that sums of trees can be drawn by Gibbs steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from medresponse.families.base import Arrays
from medresponse.priors import ScalePrior


@runtime_checkable
class Augmented(Protocol):
    """What a family adds to `Family` so that it can be sampled by data augmentation.

    Given a latent outcome and its precision, the predictor with its intercept is the mean of a normal law. The family's
    other parameters are drawn from their law without the latent outcome, which `Family.log_likelihood` gives.
    """

    @property
    def intercept_name(self) -> str:
        """Which of `parameters` is the intercept."""
        ...

    @property
    def free(self) -> Mapping[str, ScalePrior]:
        """Priors of the positive quantities that the other parameters are made of."""
        ...

    def intercept_prior(self, data: Arrays, constants: Arrays) -> tuple[float, float]:
        """Return mean and standard deviation of the intercept's normal prior; `data` is what `Family.observe` returned."""
        ...

    def from_free(self, free: Mapping[str, float], constants: Arrays) -> dict[str, float]:
        """Return the parameters other than the intercept."""
        ...

    def augment(
        self,
        mean: np.ndarray,
        outcome: Arrays,
        parameters: Mapping[str, float],
        constants: Arrays,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw the latent outcome; return it and its precision, both of shape (patient,).

        Parameters
        ----------
        mean : numpy.ndarray
            Intercept and predictor, shape (patient,).
        outcome : mapping
        parameters : mapping
            What `from_free` returned.
        constants : mapping
        rng : numpy.random.Generator

        Raises
        ------
        SpecError
            If the outcome holds something that has no such latent outcome (left truncation).
        """
        ...


def truncated_normal(
    mean: np.ndarray, sd: float, lower: np.ndarray, upper: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return normal draws between `lower` and `upper` (either may be infinite), by inversion on the log scale."""
    a, b = (lower - mean) / sd, (upper - mean) / sd
    # In the tail that both ends lie in, probabilities are small numbers that logarithms keep.
    flip = a > 0
    a, b = np.where(flip, -b, a), np.where(flip, -a, b)
    log_low, log_high = log_ndtr(a), log_ndtr(b)
    uniform = rng.random(len(mean))
    log_u = log_high + np.log(uniform + (1 - uniform) * np.exp(log_low - log_high))
    z = np.clip(ndtri_exp(log_u), a, b)
    return mean + sd * np.where(flip, -z, z)


def polya_gamma(tilt: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return draws of the Polya-Gamma law PG(1, tilt), shape of `tilt`.

    Devroye's exact alternating-series sampler for the Jacobi law J*(1, z), all patients side by side (Polson, Scott &
    Windle 2013, J Am Stat Assoc 108:1339, appendix; Devroye 2009, Stat Probab Lett 79:2251).
    """
    z = np.abs(np.atleast_1d(tilt)).astype(float) / 2
    result = np.empty(len(z))
    rate = np.pi**2 / 8 + z**2 / 2
    log_right = np.log(np.pi / (2 * rate)) - rate * _SPLIT
    # Mass of the inverse-Gaussian part at most _SPLIT, times its weight.
    root = 1 / np.sqrt(_SPLIT)
    log_left = (
        np.log(2)
        - z
        + np.logaddexp(log_ndtr(root * (_SPLIT * z - 1)), 2 * z + log_ndtr(-root * (_SPLIT * z + 1)))
    )
    p_right = 1 / (1 + np.exp(log_left - log_right))
    todo = np.arange(len(z))
    while len(todo):
        right = rng.random(len(todo)) < p_right[todo]
        x = np.empty(len(todo))
        x[right] = _SPLIT + rng.standard_exponential(int(right.sum())) / rate[todo[right]]
        x[~right] = _inverse_gaussian_below(z[todo[~right]], rng)
        accepted = _squeeze(x, rng)
        result[todo[accepted]] = x[accepted] / 4
        todo = todo[~accepted]
    return result


_SPLIT = 0.64  # where the two series of the density change over (t in the paper)


def _inverse_gaussian_below(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return inverse-Gaussian draws with mean 1 / z and shape 1 at most `_SPLIT`."""
    result = np.empty(len(z))
    todo = np.arange(len(z))
    while len(todo):
        own = z[todo]
        flat = own < 1 / _SPLIT  # mean above the split: by a scaled inverse chi-square, thinned
        x = np.empty(len(todo))
        accept = np.empty(len(todo), dtype=bool)
        # A normal beyond 1 / sqrt(_SPLIT), squared and inverted, is that law at z = 0 below the split.
        tail = truncated_normal(
            np.zeros(int(flat.sum())), 1.0, np.full(int(flat.sum()), 1 / np.sqrt(_SPLIT)),
            np.full(int(flat.sum()), np.inf), rng,
        )  # fmt: skip
        x[flat] = 1 / tail**2
        accept[flat] = rng.random(len(tail)) < np.exp(-(own[flat] ** 2) * x[flat] / 2)
        x[~flat] = rng.wald(1 / own[~flat], 1.0)
        accept[~flat] = x[~flat] <= _SPLIT
        result[todo[accept]] = x[accept]
        todo = todo[~accept]
    return result


def _squeeze(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return which proposals are accepted, by partial sums of the alternating series that close in on the density."""
    total = _term(0, x)
    bound = rng.random(len(x)) * total
    accepted = np.zeros(len(x), dtype=bool)
    open_ = np.ones(len(x), dtype=bool)
    n = 0
    while open_.any():
        n += 1
        sign = -1 if n % 2 else 1
        total = total + sign * _term(n, x)
        decided = open_ & ((bound <= total) if sign < 0 else (bound > total))
        accepted |= decided & (sign < 0)
        open_ &= ~decided
    return accepted


def _term(n: int, x: np.ndarray) -> np.ndarray:
    """Return the n-th coefficient of the series for the density at x > 0."""
    k = n + 0.5
    small = x <= _SPLIT
    inside = np.where(small, x, 1.0)
    left = np.pi * k * (2 / (np.pi * inside)) ** 1.5 * np.exp(-2 * k**2 / inside)
    return np.where(small, left, np.pi * k * np.exp(-(k**2) * np.pi**2 * x / 2))
