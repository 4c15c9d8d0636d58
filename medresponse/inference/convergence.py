"""R-hat and effective sample sizes of many quantities at once."""

from __future__ import annotations

import numpy as np

_LEAST_DRAWS = 4
_TAILS = (0.05, 0.95)
_AT_ONCE = 1_000_000  # draws; a posterior of thousands of elements is worked through in pieces


def mixing(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rank-normalised split R-hat, bulk and tail effective sample sizes, each of shape (element,).

    What ``arviz_stats`` computes an element at a time, for all elements together. NaN where an element has a value that
    is not finite, or with fewer than four draws a chain.

    Parameters
    ----------
    draws : numpy.ndarray
        Shape (chain, draw, element).

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Burkner (2021), Bayesian Anal 16:667, sections 4.1 (R-hat, the larger of those of
    ranks and of folded ranks) to 4.3 (tail: the smaller of those of the 5% and 95% quantiles).
    """
    elements = draws.shape[2]
    found = np.full((3, elements), np.nan)
    if draws.shape[1] < _LEAST_DRAWS:
        return found[0], found[1], found[2]
    step = max(1, _AT_ONCE // (draws.shape[0] * draws.shape[1]))
    for start in range(0, elements, step):
        some = np.ascontiguousarray(np.moveaxis(draws[..., start : start + step], -1, 0), dtype=float)
        finite = np.isfinite(some).all(axis=(1, 2))
        found[:, start : start + step][:, finite] = _mixing(some[finite])
    return found[0], found[1], found[2]


def energy_bfmi(energy: np.ndarray) -> np.ndarray:
    """Return the energy Bayesian fraction of missing information of each chain (Betancourt 2017, arXiv:1701.02434, sec. 6.1).

    Parameters
    ----------
    energy : numpy.ndarray
        Shape (chain, draw).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = np.square(np.diff(energy, axis=1)).mean(axis=1)
        return np.asarray(moved / energy.var(axis=1, ddof=1))


def _mixing(draws: np.ndarray) -> np.ndarray:
    """Return the three figures of draws (element, chain, draw), shape (3, element)."""
    halves = _split(draws)
    bulk = _normal_scores(halves)
    centre = np.median(halves, axis=(1, 2), keepdims=True)
    ranked, folded = _rhat(bulk), _rhat(_normal_scores(np.abs(halves - centre)))
    rhat = np.where(folded > ranked, folded, ranked)  # of a folded constant alone there is none
    quantiles = np.quantile(draws, _TAILS, axis=(1, 2), keepdims=True)
    tails = [_effective(_split((draws <= quantile).astype(float))) for quantile in quantiles]
    return np.stack([rhat, _effective(bulk), np.minimum(*tails)])


def _split(draws: np.ndarray) -> np.ndarray:
    """Return each chain as two; of an odd number of draws the middle one is left out."""
    half = draws.shape[2] // 2
    return np.concatenate([draws[..., :half], draws[..., -half:]], axis=1)


def _normal_scores(draws: np.ndarray) -> np.ndarray:
    """Return the normal scores of ranks over chains and draws, ties at their average rank."""
    from scipy.special import ndtri
    from scipy.stats import rankdata

    flat = draws.reshape(len(draws), -1)
    # Average ranks are whole or half: their scores are looked up.
    scores = ndtri((np.arange(2, 2 * flat.shape[1] + 1) / 2 - 3 / 8) / (flat.shape[1] + 1 / 4))
    return scores[(2 * rankdata(flat, axis=1)).astype(int) - 2].reshape(draws.shape)


def _rhat(draws: np.ndarray) -> np.ndarray:
    """Return R-hat of chains as they are, shape (element,)."""
    n = draws.shape[2]
    between = n * draws.mean(axis=2).var(axis=1, ddof=1)
    within = draws.var(axis=2, ddof=1).mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt((between / within + n - 1) / n)


def _effective(draws: np.ndarray) -> np.ndarray:
    """Return effective sample sizes of the mean by Geyer's initial monotone sequence, shape (element,)."""
    _, chains, n = draws.shape
    size = chains * n
    covariance = _autocovariance(draws)
    within = covariance[:, 0] * n / (n - 1)
    total = covariance[:, 0] + (draws.mean(axis=2).var(axis=1, ddof=1) if chains > 1 else 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        rho = 1.0 - (within[:, None] - covariance) / total[:, None]
    rho[:, 0] = 1.0
    pairs = rho[:, 0 : n - n % 2 : 2] + rho[:, 1::2]
    last = max((n - 3) // 2, 0)  # later pairs are of too few products
    ends = pairs[:, : last + 1] <= 0
    ends[:, -1] = True
    stop = ends.argmax(axis=1)
    kept = np.arange(last + 1) < stop[:, None]
    monotone = np.minimum.accumulate(pairs[:, : last + 1], axis=1)
    each = np.arange(len(draws))
    final = rho[each, 2 * stop]
    final = np.where((pairs[each, stop] >= 0) | (final > 0), final, 0.0)
    time = -1.0 + 2.0 * np.where(kept, monotone, 0.0).sum(axis=1) + final
    found = size / np.maximum(time, 1 / np.log10(size))
    constant = np.ptp(draws, axis=(1, 2)) < np.finfo(float).resolution
    return np.where(constant, float(size), found)


def _autocovariance(draws: np.ndarray) -> np.ndarray:
    """Return autocovariances of each lag, means over chains, shape (element, lag)."""
    from scipy.fft import irfft, next_fast_len, rfft

    n = draws.shape[2]
    m = next_fast_len(2 * n, real=True)
    spectrum = rfft(draws - draws.mean(axis=2, keepdims=True), n=m, axis=2)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
    return np.asarray(irfft(power, n=m, axis=1)[:, :n] / n)
