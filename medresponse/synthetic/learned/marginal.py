"""The distribution of one column of numbers, without the values of single patients.

Values shared by at least 11 patients (heaps: round numbers, limits of detection, zeros) are kept as they are. The others
are smoothed, in three groups, below, between and above the heaps (of fewer than 33 patients, a group is one value): a group's quantile function is linear between means of
11 consecutive patients, and ends where 11 of the group lie beyond, so that no minimum, maximum or other value that fewer
than 11 patients reach is given out (microaggregation, Domingo-Ferrer & Mateo-Sanz 2002, IEEE TKDE 14:189, with top coding).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medresponse.synthetic.learned.columns import FEWEST

_SMOOTHED = 3 * FEWEST  # patients that a group needs for a quantile function: both ends and one mean
_DECIMALS = 6


@dataclass(frozen=True)
class Smooth:
    """A piecewise linear quantile function: `values` at `shares`, both increasing, shape (knot,)."""

    shares: np.ndarray
    values: np.ndarray

    def __call__(self, share: np.ndarray) -> np.ndarray:
        """Return quantiles, same shape."""
        return np.interp(share, self.shares, self.values)


@dataclass(frozen=True)
class Marginal:
    """A column's distribution by rank.

    Parameters
    ----------
    heap : numpy.ndarray
        The value of each rank within a heap, NaN elsewhere, shape (rank,).
    members : tuple of numpy.ndarray
        Ranks of each smoothed group.
    smooth : tuple of Smooth
        The groups' quantile functions.
    decimals : int, optional
        To which values were recorded; None if finer than the sixth.
    """

    heap: np.ndarray
    members: tuple[np.ndarray, ...]
    smooth: tuple[Smooth, ...]
    decimals: int | None

    @property
    def n(self) -> int:
        """Patients with a value."""
        return len(self.heap)

    def quantile(self, probability: np.ndarray) -> np.ndarray:
        """Return quantiles of the smoothed column for probabilities from 0 to 1, same shape."""
        rank = np.clip((probability * self.n).astype(np.int64), 0, self.n - 1)
        return self.near(rank, probability)

    def near(self, rank: np.ndarray, probability: np.ndarray) -> np.ndarray:
        """Return the heap of a rank if it lies in one, else the value of its group as far away as `probability` is."""
        value, away = self.heap[rank].copy(), probability * self.n - (rank + 0.5)
        for ranks, smooth in zip(self.members, self.smooth, strict=True):
            own = np.isin(rank, ranks)
            # Ranks of heaps within the group's span are no steps of it.
            step = (np.searchsorted(ranks, rank[own]) + 0.5) / len(ranks)
            share = np.abs(step + away[own] / (ranks[-1] + 1 - ranks[0]))
            value[own] = self._rounded(smooth(np.where(share > 1, 2 - share, share)), smooth)
        return value

    def _rounded(self, value: np.ndarray, smooth: Smooth) -> np.ndarray:
        if self.decimals is None:
            return value
        unit = 10.0**-self.decimals
        # Rounding never leaves the ends, which hold a recorded value between them.
        low = np.ceil(smooth.values[0] / unit - 1e-9)
        high = max(low, np.floor(smooth.values[-1] / unit + 1e-9))
        return np.round(np.clip(np.round(value / unit), low, high) * unit, self.decimals)


def marginal_of(values: np.ndarray) -> Marginal:
    """Learn a column's distribution; at least 44 values, none missing, shape (patient,)."""
    ordered = np.sort(values)
    distinct, start, counts = np.unique(ordered, return_index=True, return_counts=True)
    heaps = distinct[counts >= FEWEST]
    decimals = _decimals(distinct)
    heap = np.full(len(ordered), np.nan)
    for value, first, count in zip(distinct, start, counts, strict=True):
        if count >= FEWEST:
            heap[first : first + count] = value
    groups: list[np.ndarray] = []
    smooth: list[Smooth] = []
    for members in _groups(ordered, heaps, np.isnan(heap)):
        own = ordered[members]
        if len(own) >= _SMOOTHED:
            groups.append(members)
            smooth.append(_smooth(own))
        elif len(own) >= FEWEST:
            heap[members] = _common(own, heaps, decimals)
        else:
            heap[members] = heaps[np.abs(own[:, None] - heaps).argmin(axis=1)]
    return Marginal(heap, tuple(groups), tuple(smooth), decimals)


def _groups(ordered: np.ndarray, heaps: np.ndarray, free: np.ndarray) -> list[np.ndarray]:
    """Return the ranks below, between and above the heaps; all of them if there is no heap."""
    if not len(heaps):
        return [np.arange(len(ordered))]
    low, high = ordered < heaps[0], ordered > heaps[-1]
    parts = [np.flatnonzero(part) for part in (low, free & ~low & ~high, high)]
    return [part for part in parts if len(part)]


def _common(own: np.ndarray, heaps: np.ndarray, decimals: int | None) -> float:
    """Return one value for a small group of sorted values: their mean, or where 11 lie at or beyond it if that is nearer."""
    value = float(own.mean())
    turn: Callable[[float], int] = round
    if own[0] > heaps[-1]:
        value, turn = min(value, float(own[-FEWEST])), math.floor
    elif own[-1] < heaps[0]:
        value, turn = max(value, float(own[FEWEST - 1])), math.ceil
    if decimals is None:
        return value
    unit = 10.0**-decimals
    return round(turn(round(value / unit, _DECIMALS)) * unit, decimals)


def _smooth(own: np.ndarray) -> Smooth:
    """Return the quantile function of one group of sorted values."""
    n = len(own)
    ends = (own[FEWEST - 1] + own[FEWEST]) / 2, (own[-FEWEST] + own[-FEWEST - 1]) / 2
    inner = np.arange(FEWEST, n - FEWEST)
    blocks = np.array_split(inner, max(1, len(inner) // FEWEST))
    shares = [0.0, *((block.mean() + 0.5) / n for block in blocks), 1.0]
    values = [ends[0], *(own[block].mean() for block in blocks), ends[1]]
    return Smooth(np.array(shares), np.array(values))


def _decimals(distinct: np.ndarray) -> int | None:
    near = 10.0 ** -(_DECIMALS + 2) * min(1.0, float(np.ptp(distinct)))  # small numbers are not recorded as 0
    for decimals in range(_DECIMALS + 1):
        if np.allclose(distinct, np.round(distinct, decimals), rtol=0, atol=near):
            return decimals
    return None
