"""Pareto-smoothed importance sampling, all patients side by side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import logsumexp

_AT_ONCE = 2_000_000  # numbers held at once while tails are fitted (16 MB)
_PRIOR_DRAWS, _PRIOR_K = 10, 0.5  # what k is shrunk to, and as by how many draws
_NEGLIGIBLE = 10 * np.finfo(float).eps
_FEWEST = 5  # draws of a tail


def smoothed_weights(log_ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return normalised log weights whose largest are smoothed by a generalised Pareto law, and its shape k.

    Parameters
    ----------
    log_ratios : numpy.ndarray
        Log importance ratios up to a constant a row, shape (row, draw).

    Returns
    -------
    log_weights : numpy.ndarray
        Shape of `log_ratios`; their exponentials sum to one in each row.
    k : numpy.ndarray
        Shape (row,). -inf where the largest ratios are all alike; NaN where a quarter of them are as the smallest of
        them, which no Pareto law is. Weights are then left as they are.

    Raises
    ------
    ValueError
        If there are too few draws to have a tail (25 are needed).

    References
    ----------
    Vehtari, Simpson, Gelman, Yao & Gabry (2024), J Mach Learn Res 25:72; Zhang & Stephens (2009), Technometrics 51:316.
    """
    weights, k = np.empty(log_ratios.shape), np.empty(len(log_ratios))
    for rows, smoothed, shapes in _pieces(log_ratios):
        weights[rows] = smoothed - logsumexp(smoothed, axis=1, keepdims=True)
        k[rows] = shapes
    return weights, k


def tail_shapes(log_ratios: np.ndarray) -> np.ndarray:
    """Return the shape k of each row alone; see `smoothed_weights`."""
    return np.concatenate([shapes for _, _, shapes in _pieces(log_ratios)] or [np.empty(0)])


def _pieces(log_ratios: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield rows, their log weights up to a constant a row, and their shapes."""
    n = log_ratios.shape[1]
    m = int(3 * np.sqrt(n)) if n > 225 else n // 5
    if m < _FEWEST:
        raise ValueError(f"{n} draws have no tail to smooth; 25 are needed")
    size = max(1, _AT_ONCE // (m * _n_candidates(m)))
    for start in range(0, len(log_ratios), size):
        rows = slice(start, start + size)
        yield rows, *_smoothed(log_ratios[rows], m)


def _smoothed(log_ratios: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    weights = log_ratios - log_ratios.max(axis=1, keepdims=True)
    first = weights.shape[1] - m  # of the tail, in ascending order
    order = np.argpartition(weights, first - 1, axis=1)
    cutoff = np.exp(np.take_along_axis(weights, order[:, first - 1, None], axis=1))
    places = order[:, first:]
    tail = np.take_along_axis(weights, places, axis=1)
    by_size = np.argsort(tail, axis=1)
    places, tail = np.take_along_axis(places, by_size, axis=1), np.take_along_axis(tail, by_size, axis=1)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        k, sigma = _pareto(np.exp(tail) - cutoff)
        share = np.log1p(-np.arange(0.5, m) / m)
        excess = np.where(k[:, None] == 0, -share, np.expm1(-k[:, None] * share) / k[:, None])
        smoothed = np.minimum(np.log(cutoff + sigma[:, None] * excess), tail[:, -1:])
    known = np.isfinite(k) & (sigma > 0)
    np.put_along_axis(weights, places, np.where(known[:, None], smoothed, tail), axis=1)
    alike = tail[:, -1] - tail[:, 0] < np.finfo(float).tiny
    return weights, np.where(alike, -np.inf, k)


def _n_candidates(m: int) -> int:
    return 30 + int(np.sqrt(m))


def _pareto(excess: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return shape and scale of each row of ascending excesses over a threshold: posterior means over a grid."""
    m = excess.shape[1]
    candidates = _n_candidates(m)
    quartile = excess[:, int(m / 4 + 0.5) - 1]
    theta = 1 - np.sqrt(candidates / (np.arange(1, candidates + 1) - 0.5))
    theta = theta / (3 * quartile[:, None]) + 1 / excess[:, -1:]
    shape = np.log1p(-theta[:, :, None] * excess[:, None, :]).mean(axis=2)
    profile = m * (np.log(-theta / shape) - shape - 1)
    weight = np.exp(profile - logsumexp(profile, axis=1, keepdims=True))
    weight = np.where(weight >= _NEGLIGIBLE, weight, 0.0)
    best = (theta * weight).sum(axis=1) / weight.sum(axis=1)
    k = np.log1p(-best[:, None] * excess).mean(axis=1)
    sigma = -k / best
    k = (m * k + _PRIOR_DRAWS * _PRIOR_K) / (m + _PRIOR_DRAWS)
    k = np.where(np.isnan(k), np.inf, k)
    return np.where(quartile > excess[:, 0], k, np.nan), sigma
