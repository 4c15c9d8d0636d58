"""Are ranks uniform? The empirical distribution against simultaneous bands, and the mean rank.

Säilynoja, Bürkner & Vehtari (2022), Stat Comput 32:32: at each point of a grid the count of ranks below it is binomial; the
smallest pointwise tail probability, compared with what truly uniform ranks give, is one test of all points at once. It sees
every departure; what a model most often does wrong, to be off to one side, a test of the mean rank sees in fewer replicates.
`uniformity` gives each of the two half of the chance of a false alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from scipy import stats

_SIMULATIONS = 20_000  # resolve probabilities of some 1e-4; the smaller ones have a bound
_SEED = 20
ONE_EACH = ", one draw an imputation"
"""Ends the name of a quantity whose ranks are those among one draw of each imputation."""
POOLED = "pooled"
"""In the place of a verdict on ranks among all draws where those among one draw an imputation are judged."""
APART = 0.3
"""Share of a variance between imputations from which on pooled ranks are not judged."""


def uniformity(ranks: np.ndarray, draws: int) -> float:
    """Return twice the smaller of `ecdf_p` and `mean_rank_p`, at most 1: the p of both tests as one (Bonferroni).

    Parameters
    ----------
    ranks : numpy.ndarray
        Number of posterior draws below the true value, 0 to `draws`, shape (replicate,).
    draws : int
        Independent posterior draws each.

    Raises
    ------
    ValueError
        If a rank is out of range.
    """
    return min(1.0, 2 * min(ecdf_p(ranks, draws), mean_rank_p(ranks, draws)))


def judged(
    p: Mapping[str, float], *, alpha: float, between: Mapping[str, float]
) -> list[tuple[str, float | None, str]]:
    """Return quantities with p after Holm's correction and verdict, the least uniform first and those without verdict last.

    With finitely many imputations the truth is exchangeable with one draw of each imputation, and not with all their draws, of
    which those of one imputation share its features: pooled ranks are not uniform even if every draw is one of the exact posterior
    (Talts et al. 2018, section 5.1, for dependent draws; Zhou & Reiter 2010, Am Stat 64:159, for pooled imputations). How far
    depends on the share of a quantity's variance that lies between imputations: up to a fifth hardly, and from `APART` on, ranks
    pooled over five imputations of an exact posterior are called wrong ten times as often as they should (`docs/calibration.md`).
    So where that much lies between imputations, ranks among one draw an imputation (`ONE_EACH`) are judged in their place.

    Parameters
    ----------
    p : mapping
        Quantity -> p of `uniformity`.
    alpha : float
        Chance that a calibrated model has a verdict of ``off``.
    between : mapping
        Quantity -> share of its variance between imputations, where that is known.
    """
    pooled = [name for name in p if name + ONE_EACH in p and between.get(name, 0.0) >= APART]
    tested = sorted((value, name) for name, value in p.items() if name not in pooled)
    rows: list[tuple[str, float | None, str]] = []
    least = 0.0
    for place, (value, name) in enumerate(tested):
        least = max(least, min(1.0, value * (len(tested) - place)))
        rows.append((name, least, "off" if least < alpha else "uniform"))
    return rows + [(name, None, POOLED) for name in sorted(pooled)]


def mean_rank_p(ranks: np.ndarray, draws: int) -> float:
    """Return the probability of a mean rank at least as far from that of uniform ranks; arguments as for `uniformity`.

    The mean of tens of uniform ranks is normal but for thinner tails, so that the probability is, if anything, too large.
    """
    ranks = _checked(ranks, draws)
    sd = np.sqrt(((draws + 1) ** 2 - 1) / 12 / len(ranks))
    return float(2 * stats.norm.sf(abs(ranks.mean() - draws / 2) / sd))


def ecdf_p(ranks: np.ndarray, draws: int) -> float:
    """Return the probability of an empirical distribution at least as far from uniform; arguments as for `uniformity`.

    By simulation, which gives nothing below one over the number of its runs; there by Boole's inequality over the points.
    """
    ranks = _checked(ranks, draws)
    found = _smallest_tail(np.bincount(ranks, minlength=draws + 1)[None], draws)[0]
    reference = _reference(len(ranks), draws)
    simulated = (1 + np.searchsorted(reference, found, side="right")) / (len(reference) + 1)
    return float(min(simulated, draws * found))


def _checked(ranks: np.ndarray, draws: int) -> np.ndarray:
    ranks = np.asarray(ranks)
    if len(ranks) == 0 or ranks.min() < 0 or ranks.max() > draws:
        raise ValueError(f"ranks must be there and between 0 and {draws}")
    return ranks


def ecdf_band(replicates: int, draws: int, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper bounds of the share of ranks up to each rank, shape (draws + 1,); all hold at once."""
    gamma = float(np.quantile(_reference(replicates, draws), 1 - level))
    share = (np.arange(draws + 1) + 1) / (draws + 1)
    law = stats.binom(replicates, share)
    return law.ppf(gamma / 2) / replicates, law.ppf(1 - gamma / 2) / replicates


@cache
def _tails(replicates: int, draws: int) -> np.ndarray:
    """Return twice the smaller tail probability of each count at each rank, shape (draws, replicates + 1)."""
    share = (np.arange(draws)[:, None] + 1) / (draws + 1)
    law, counts = stats.binom(replicates, share), np.arange(replicates + 1)[None]
    return np.asarray(np.minimum(1.0, 2 * np.minimum(law.cdf(counts), law.sf(counts - 1))))


def _smallest_tail(histograms: np.ndarray, draws: int) -> np.ndarray:
    """Return the paper's gamma of each histogram of ranks, shape (set,) from (set, draws + 1)."""
    below = histograms.cumsum(axis=1)[:, :-1]
    replicates = int(histograms[0].sum())
    return np.asarray(_tails(replicates, draws)[np.arange(draws)[None], below].min(axis=1))


@cache
def _reference(replicates: int, draws: int) -> np.ndarray:
    """Return the sorted law of gamma for uniform ranks."""
    rng = np.random.default_rng(_SEED)
    even = np.full(draws + 1, 1 / (draws + 1))
    parts = [
        _smallest_tail(rng.multinomial(replicates, even, size=1000), draws)
        for _ in range(_SIMULATIONS // 1000)
    ]
    return np.sort(np.concatenate(parts))
