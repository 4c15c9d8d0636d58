"""Rows of an ordinal outcome as rows of a binary one, and rough estimates of coefficients from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from medresponse.families.canonical import CanonicalRows, canonical_estimates

_ROUNDS = 4  # of coefficients given cut points, and cut points given coefficients
_FAR = 2.0


@dataclass(frozen=True)
class OrdinalRows:
    """A log-likelihood ``sum over rows of events * l - log(1 + exp(l))``, l = eta - cut, with more of the cut points alone.

    A patient has a row for the cut point that the category lies above, with an event, and one for that which it lies below. The
    rest is that of `Ordinal.likelihood`; the model's variable ``share`` holds what it makes cut points of.

    Parameters
    ----------
    patient : numpy.ndarray
        Whose row it is, shape (row,).
    cut : numpy.ndarray
        Which cut point, shape (row,).
    events : numpy.ndarray
        Shape (row,).
    in_category : numpy.ndarray
        Patients in each category, shape (category,).
    concentration : float
        Of the prior, each category's.
    """

    patient: np.ndarray
    cut: np.ndarray
    events: np.ndarray
    in_category: np.ndarray
    concentration: float

    def estimates(self, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return penalised maximum-likelihood estimates given rough cut points; see `RowLikelihood`."""
        estimate = np.zeros(design.shape[1])
        for _ in range(_ROUNDS):
            centre = -self._likely_cuts(design @ estimate)[self.cut]
            rows = CanonicalRows("logit", self.events, np.ones(len(self.events)), centre)
            estimate, error = canonical_estimates(design[self.patient], rows, estimate)
        return estimate, error

    def _likely_cuts(self, eta: np.ndarray) -> np.ndarray:
        """Return the cut points at which as many are expected above each as there are, shape (cut point,)."""
        n = len(eta)
        above = np.clip(n - np.cumsum(self.in_category)[:-1], 0.5, n - 0.5)
        low, high = eta.min() - _FAR - np.log(n), eta.max() + _FAR + np.log(n)
        return np.array([brentq(lambda cut, k=k: expit(eta - cut).sum() - k, low, high) for k in above])
