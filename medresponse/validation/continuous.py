"""Scores of predicted continuous outcomes."""

from __future__ import annotations

import numpy as np


def mean_absolute_error(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return mean |observed - predicted|; the predictive median is the point that minimises it."""
    return float(np.abs(observed - predicted).mean())


def within_share(observed: np.ndarray, predicted: np.ndarray, *, relative: float = 0.2) -> float:
    """Return the share of patients predicted within `relative` of the observed value."""
    return float((np.abs(predicted - observed) <= relative * observed).mean())


def within_share_point(draws: np.ndarray, *, relative: float = 0.2) -> np.ndarray:
    """Return, for each patient, the prediction most likely to lie within `relative` of the outcome.

    A point forecast must fit its score (Gneiting 2011, JASA 106:746): the median serves the absolute error,
    this point serves `within_share`. It maximises the predictive probability that
    ``|d - Y| <= relative * Y``, that is ``d / (1 + relative) <= Y <= d / (1 - relative)``, over candidates
    at every half percent of the predictive distribution.

    Parameters
    ----------
    draws : numpy.ndarray
        Predictive draws, shape (patient, draw), positive outcomes.
    relative : float

    Returns
    -------
    numpy.ndarray
        Shape (patient,).
    """
    ordered = np.sort(draws, axis=1)
    candidates = np.quantile(ordered, np.arange(0.10, 0.801, 0.005), axis=1).T
    best = np.empty(len(draws))
    for i, row in enumerate(ordered):
        inside = np.searchsorted(row, candidates[i] / (1 - relative), side="right")
        inside = inside - np.searchsorted(row, candidates[i] / (1 + relative), side="left")
        # Near the top the curve is flat and the draws make it rough: take the middle of the top.
        top = inside >= 0.995 * inside.max()
        best[i] = candidates[i][top].mean()
    return best


def coverage(observed: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> float:
    """Return the share of observed values inside [lower, upper]."""
    return float(((observed >= lower) & (observed <= upper)).mean())
