"""Integrals over what no analyst sees."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

_ORDER = 15
_FURTHEST = 6.5  # standard deviations; what lies beyond has a probability of 1e-10


def over_normal(
    mean: Callable[[np.ndarray], np.ndarray], predictor: np.ndarray, sd: np.ndarray
) -> np.ndarray:
    """Return E[mean(predictor + Z)] with Z normal of mean 0 and the given standard deviations.

    Gauss-Hermite where standard deviations are at most 1. Above, a mean that goes from 0 to 1 within a few units is too
    steep for it; the trapezoidal rule, in steps of half a unit of the predictor, is then exact to 1e-6.

    Parameters
    ----------
    mean : callable
        Predictors of shape (patient, treatment) -> anything of shape (patient, treatment, ...).
    predictor : numpy.ndarray
    sd : numpy.ndarray
        Shape (treatment,).
    """
    widest = float(np.max(sd))
    if not widest > 0:
        return mean(predictor)
    if widest <= 1.0:
        rule = hermite(_ORDER)
    else:
        nodes = np.linspace(-_FURTHEST, _FURTHEST, 1 + 2 * int(np.ceil(2 * _FURTHEST * widest)))
        weights = np.exp(-(nodes**2) / 2)
        rule = tuple(zip(nodes.tolist(), (weights / weights.sum()).tolist(), strict=True))
    parts = (w * mean(predictor + z * sd) for z, w in rule)
    total = next(parts)
    for part in parts:
        total = total + part
    return total


@lru_cache(maxsize=8)
def hermite(order: int) -> tuple[tuple[float, float], ...]:
    """Return nodes and weights, which sum to 1, of a standard normal's mean by Gauss-Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    return tuple(zip(nodes.tolist(), (weights / weights.sum()).tolist(), strict=True))


def over_time(horizon: float, *, bend: float = 0.0, order: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of an integral from 0 to `horizon`, Gauss-Legendre in the root of time.

    The root lets curves that start steeply (Weibull shapes below 1) be integrated as smooth ones. A time at which the curve
    bends (`bend`), if it comes before the horizon, parts the integral in two.
    """
    nodes, weights = np.polynomial.legendre.leggauss(order)
    root = (nodes + 1) / 2
    if not 0.0 < bend < horizon:
        return horizon * root**2, horizon * weights * root
    after = horizon - bend
    return (
        np.concatenate([bend * root**2, bend + after * root]),
        np.concatenate([bend * weights * root, after * weights / 2]),
    )
