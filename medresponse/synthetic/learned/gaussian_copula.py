"""Gaussian copula of columns of mixed types, with missing values.

Observed values say in which interval a patient's normal scores lie; scores are drawn within these bounds given
the others of the patient, in turn with their correlations (the data augmentation of Hoff 2007, Ann Appl Stat 1:265, section
3, with bounds from the margins instead of ranks, so that levels and ties need no score that attenuates). Correlations are
the mean over the later sweeps of the conditional posterior mean under Hoff's prior (identity, size + 2 patients).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from medresponse.core.registry import register
from medresponse.synthetic.learned.base import Columns, Generator
from medresponse.synthetic.learned.columns import Layout
from medresponse.synthetic.learned.latent import Coder, Scores, from_scores, to_scores
from medresponse.synthetic.mechanisms.knobs import between, knobs

_EDGE = 1e-12  # probabilities nearer to 0 or 1 have no finite score


@register(Generator, "gaussian_copula")
@knobs("", Generator)
@dataclass(frozen=True, kw_only=True)
class GaussianCopula:
    """Learn smoothed margins and the correlations of normal scores.

    Time grows with the square of the number of levels without an order, one score each: for hundreds of sites take trees.

    Parameters
    ----------
    sweeps : int
        Rounds of drawing scores, at least 10; the first half is not averaged.
    """

    sweeps: int = 100

    def __post_init__(self) -> None:
        between("sweeps", self.sweeps, 10, 1_000_000)

    def fit(self, columns: Columns, layout: Layout, rng: np.random.Generator) -> CopulaSampler:
        """Learn from encoded columns."""
        coders, scores = to_scores(columns, layout.columns)
        return CopulaSampler(coders, correlations(scores, sweeps=self.sweeps, rng=rng))


@dataclass(frozen=True)
class CopulaSampler:
    """Margins and correlations, shape (score, score)."""

    coders: tuple[Coder, ...]
    correlation: np.ndarray

    def draw(self, n: int, rng: np.random.Generator) -> Columns:
        """Return `n` patients."""
        root = np.linalg.cholesky(self.correlation)
        return from_scores(rng.standard_normal((n, len(root))) @ root.T, self.coders)


def correlations(scores: Scores, *, sweeps: int, rng: np.random.Generator) -> np.ndarray:
    """Return the correlations of normal scores known to lie between bounds, shape (score, score)."""
    lower, upper = scores.lower, scores.upper
    n, size = lower.shape
    free = [np.flatnonzero(lower[:, j] < upper[:, j]) for j in range(size)]
    z = np.where(lower < upper, _between(lower, upper, rng), lower)
    # Scores of unseen parts start at independence, which is where the prior is.
    correlation, total, kept = np.eye(size), np.zeros((size, size)), 0
    for sweep in range(sweeps):
        precision = np.linalg.inv(correlation)
        for j in range(size):
            rows = free[j]
            if not len(rows):
                continue
            spread = 1 / np.sqrt(precision[j, j])
            mean = z[rows, j] - (z[rows] @ precision[:, j]) / precision[j, j]
            low, high = (lower[rows, j] - mean) / spread, (upper[rows, j] - mean) / spread
            z[rows, j] = np.clip(mean + spread * _between(low, high, rng), lower[rows, j], upper[rows, j])
        scatter = (z.T @ z + (size + 2) * np.eye(size)) / (n + size + 2)
        scale = 1 / np.sqrt(np.diag(scatter))
        correlation = scatter * np.outer(scale, scale)
        if sweep >= sweeps // 2:
            total, kept = total + correlation, kept + 1
    return total / kept


def _between(low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw standard normal values between bounds, by the tail in which they lie so that none is rounded away."""
    flip = low > 0
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    p, q = ndtr(a), ndtr(b)
    drawn = ndtri(np.clip(p + (q - p) * rng.uniform(size=low.shape), _EDGE, 1 - _EDGE))
    return np.where(flip, -drawn, drawn)
