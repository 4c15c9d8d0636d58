"""Propensity scores: the probability of each treatment given the features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Propensity:
    """Multinomial logistic regression of the treatment on the main feature columns.

    Parameters
    ----------
    labels : tuple of str
        One score a treatment but the first: log odds of that treatment against the first.
    coefficients : tuple of tuple of float
        Shape (score, 1 + column), intercept first.
    center, scale : tuple of float
        Training mean and standard deviation of each score.
    """

    labels: tuple[str, ...]
    coefficients: tuple[tuple[float, ...], ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]

    def log_odds(self, main: np.ndarray) -> np.ndarray:
        """Return log odds against the first treatment, shape (..., score), from main columns (..., column)."""
        weights = np.array(self.coefficients)
        return main @ weights[:, 1:].T + weights[:, 0]

    def columns(self, main: np.ndarray) -> np.ndarray:
        """Return the standardised log odds, shape (..., score)."""
        return (self.log_odds(main) - np.array(self.center)) / np.array(self.scale)

    def probabilities(self, main: np.ndarray) -> np.ndarray:
        """Return the probability of every treatment, shape (..., treatment)."""
        log_odds = self.log_odds(main)
        every = np.concatenate([np.zeros((*log_odds.shape[:-1], 1)), log_odds], axis=-1)
        weights = np.exp(every - every.max(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True)


def fit_propensity(main: np.ndarray, treatment_idx: np.ndarray, treatments: tuple[str, ...]) -> Propensity:
    """Fit the scores by penalised maximum likelihood.

    Parameters
    ----------
    main : numpy.ndarray
        Standardised main columns, shape (patient, column).
    treatment_idx : numpy.ndarray
        Shape (patient,).
    treatments : tuple of str

    Notes
    -----
    The ridge penalty is that of a normal prior with standard deviation 1 a coefficient: next to nothing where the
    data speak, finite scores where they separate the treatments.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, max_iter=2000, tol=1e-8).fit(main, treatment_idx)
    weights = np.column_stack([model.intercept_, model.coef_])
    if len(treatments) > 2:
        weights = weights[1:] - weights[0]
    scores = main @ weights[:, 1:].T + weights[:, 0]
    spread = scores.std(axis=0)
    labels = ("propensity",) if len(treatments) == 2 else tuple(f"propensity of {t}" for t in treatments[1:])
    return Propensity(
        labels=labels,
        coefficients=tuple(map(tuple, weights.tolist())),
        center=tuple(scores.mean(axis=0).tolist()),
        scale=tuple(np.where(spread > 0, spread, 1.0).tolist()),
    )
