"""Estimates that gates are made of: numbers with their errors, from predictions and outcomes alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import kolmogi

_NAN = float("nan")
_WIDEST = 3.0  # band of censored PIT values, over that of as many that are all known


def mean_error(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return a weighted mean and its standard error."""
    if len(values) < 2:
        return _NAN, _NAN
    mean = float(np.average(values, weights=weight))
    n = len(values)
    return mean, float(np.sqrt((weight**2 * (values - mean) ** 2).sum() * n / (n - 1)) / weight.sum())


def wilson(share: float, n: int, z: float) -> tuple[float, float]:
    """Return the interval of a share of `n` that is `z` standard errors wide on each side (Wilson 1927, J Am Stat Assoc 22:209)."""
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    return middle - half, middle + half


def fold_slope(
    value: np.ndarray, predicted: np.ndarray, weight: np.ndarray, fold: np.ndarray
) -> tuple[float, float]:
    """Return the slope of values on predictions, with an intercept a fold, and its standard error.

    Folds differ in their training mean, which runs against that of the patients left out: between folds the
    slope is an artefact of cross-validation. Errors allow for unequal variances (White 1980, Econometrica 48:817).
    """
    x, y = (within_folds(values, weight, fold) for values in (predicted, value))
    spread = float((weight * x**2).sum())
    slope = float((weight * x * y).sum() / spread)
    free = len(x) - 1 - len(np.unique(fold))
    scores = weight * x * (y - slope * x)
    error = float(np.sqrt((scores**2).sum() * len(x) / free) / spread) if free > 0 else _NAN
    return slope, error


def within_folds(values: np.ndarray, weight: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return values less the mean of their fold."""
    means = np.bincount(fold, weights=weight * values) / np.bincount(fold, weights=weight)
    return np.asarray(values - means[fold])


def calibration_index(
    predicted: np.ndarray, value: np.ndarray, weight: np.ndarray, level: float
) -> tuple[float, float]:
    """Return the integrated calibration index and how far it may be off.

    The mean distance of the prediction from a restricted cubic spline of the outcome on it (Austin & Steyerberg 2019, Stat
    Med 38:4051), which noise alone makes positive. By the triangle inequality it is off by no more than the mean error
    of the curve, and that by no more than Scheffe's band.
    """
    if not (np.isfinite(predicted).all() and np.isfinite(value).all()):
        return _NAN, _NAN
    design = _spline(predicted)
    basis, singular, _ = np.linalg.svd(np.sqrt(weight)[:, None] * design, full_matrices=False)
    basis = basis[:, singular > 1e-10 * singular.max()]
    root = np.sqrt(weight)
    coefficients = basis.T @ (root * value)
    fitted = basis @ coefficients / root
    meat = basis.T @ (basis * (root * (value - fitted))[:, None] ** 2)
    if len(predicted) <= basis.shape[1]:
        return _NAN, _NAN
    errors = np.sqrt(np.einsum("ij,jk,ik->i", basis, meat, basis)) / root
    from scipy.stats import (
        chi2,
    )  # here: a second to import, which reports of a saved record need not wait for

    band = np.sqrt(chi2.ppf(level, basis.shape[1]))
    index = float(np.average(np.abs(fitted - predicted), weights=weight))
    return index, float(band * np.average(errors, weights=weight))


def _spline(x: np.ndarray) -> np.ndarray:
    """Return intercept, line and one restricted cubic spline term, knots at the 10th, 50th and 90th percentiles."""
    low, middle, high = np.quantile(x, [0.1, 0.5, 0.9])
    columns = [np.ones(len(x)), x - x.mean()]
    if low < middle < high:
        u = (x - low) / (high - low)
        m = (middle - low) / (high - low)
        cubes = [np.maximum(u - knot, 0.0) ** 3 for knot in (0.0, m, 1.0)]
        columns.append(cubes[0] - cubes[1] / (1 - m) + cubes[2] * m / (1 - m))
    scaled = [c / (np.abs(c).max() or 1.0) for c in columns]
    return np.column_stack(scaled)


def area_under_curve(predicted: np.ndarray, happened: np.ndarray) -> float:
    """Return P(the one to whom it happens is ranked higher), ties as a half, from (pseudo-)indicators."""
    levels, at = np.unique(predicted, return_inverse=True)
    cases, others = (np.bincount(at, weights=w, minlength=len(levels)) for w in (happened, 1 - happened))
    below = np.cumsum(others) - others
    possible = cases.sum() * others.sum() - float((happened * (1 - happened)).sum())
    # A pseudo-observation must not be paired with itself.
    right = float((cases * (below + others / 2)).sum()) - 0.5 * float((happened * (1 - happened)).sum())
    return right / possible if possible > 0 else _NAN


def concordance(predicted: np.ndarray, value: np.ndarray) -> float:
    """Return P(the larger outcome has the larger prediction) over pairs of different outcomes, ties as a half."""
    n = len(value)
    pairs, tied, alike = n * (n - 1) / 2, _tied(value), _tied(predicted)
    if tied >= pairs:
        return _NAN
    if alike >= pairs:
        return 0.5
    from scipy.stats import kendalltau  # here, as above

    tau = float(kendalltau(predicted, value, variant="b").statistic)
    return 0.5 + 0.5 * tau * np.sqrt((pairs - tied) * (pairs - alike)) / (pairs - tied)


def _tied(values: np.ndarray) -> float:
    counts = np.unique(values, return_counts=True)[1].astype(float)
    return float((counts * (counts - 1) / 2).sum())


def jackknifed(score: Callable[[np.ndarray], float], group: np.ndarray) -> tuple[float, float]:
    """Return a score and its standard error by leaving out one group at a time."""
    value = score(np.ones(len(group), dtype=bool))
    each = np.array([score(group != g) for g in range(group.max() + 1)])
    n = len(each)
    return value, float(np.sqrt((n - 1) / n * ((each - each.mean()) ** 2).sum()))


def pit_distance(
    pit: np.ndarray, entry: np.ndarray, seen: np.ndarray, level: float
) -> tuple[float, float, float]:
    """Return the largest distance of the distribution of PIT values from the uniform, with its interval.

    By Kaplan-Meier over PIT values, of which those of the censored are only known to lie beyond, within the band of Hall
    & Wellner 1980 (Biometrika 67:133); without censoring the distance is Kolmogorov's. It is looked at as far as the band is
    no wider than three times that without censoring. Where patients entered late, only those at risk count.
    """
    n = len(pit)
    knots = np.unique(pit[seen])
    if len(knots) < 2:
        return _NAN, _NAN, _NAN
    order, starts = np.sort(pit), np.sort(entry)
    # Of those who are there from the start all are at risk, whatever share of the law lies at 0.
    began = np.searchsorted(starts, knots, side="left") + int((entry == 0).sum()) * (knots == 0)
    at_risk = began - np.searchsorted(order, knots, side="left")
    died = np.bincount(np.searchsorted(knots, pit[seen]), minlength=len(knots))
    surviving = np.cumprod(1 - died / at_risk)
    kept = at_risk > died  # the variance at the last step is not known
    before = np.concatenate([[1.0], surviving[:-1]])
    greenwood = np.cumsum(np.where(kept, died / (at_risk * np.maximum(at_risk - died, 1)), 0.0))
    width = float(kolmogi(1 - level)) / np.sqrt(n) * surviving * (1 + n * greenwood)
    # The distribution steps at each knot: its distance is looked at on both sides.
    gaps = np.maximum(np.abs(1 - surviving - knots), np.abs(1 - before - knots))
    kept &= width <= _WIDEST * float(kolmogi(1 - level)) / np.sqrt(n)
    if not kept.any():
        return _NAN, _NAN, _NAN
    gaps, width = gaps[kept], width[kept]
    return float(gaps.max()), float(max((gaps - width).max(), 0.0)), float((gaps + width).max())
