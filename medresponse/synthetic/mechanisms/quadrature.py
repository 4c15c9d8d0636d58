"""Integrals over what no analyst sees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_ORDER = 15


def over_normal(
    mean: Callable[[np.ndarray], np.ndarray], predictor: np.ndarray, sd: np.ndarray, *, order: int = _ORDER
) -> np.ndarray:
    """Return E[mean(predictor + Z)] with Z normal of mean 0 and the given standard deviations, by Gauss-Hermite.

    Parameters
    ----------
    mean : callable
        Predictors of shape (patient, treatment) -> anything of shape (patient, treatment, ...).
    predictor : numpy.ndarray
    sd : numpy.ndarray
        Shape (treatment,).
    """
    if not np.any(sd > 0):
        return mean(predictor)
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    parts = (w * mean(predictor + z * sd) for z, w in zip(nodes, weights / weights.sum(), strict=True))
    total = next(parts)
    for part in parts:
        total = total + part
    return total


def over_time(horizon: float, *, order: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of an integral from 0 to `horizon`, Gauss-Legendre in the root of time.

    The root lets curves that start steeply (Weibull shapes below 1) be integrated as smooth ones.
    """
    nodes, weights = np.polynomial.legendre.leggauss(order)
    root = (nodes + 1) / 2
    return horizon * root**2, horizon * weights * root
