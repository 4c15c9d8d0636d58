"""All factors that products of hinges may have, and fast inner products with every one of them.

A factor is a function of one column, linear between its knots. Its inner product with any vector needs only that
vector's sums, and sums times the column, over the patients between two knots: one pass over the columns serves all.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from medresponse.features.hinges import ABOVE, BELOW, LINE, STEP, shape_values

_REMEMBERED = 100_000_000  # bytes of parents' moments that are kept
_LEAST = 1e-4  # variance of a product that can be used


class Factors:
    """Factors of some feature columns.

    Parameters
    ----------
    columns : numpy.ndarray
        Feature columns, shape (patient, column).
    positions : numpy.ndarray
        Which columns may be used.
    features : numpy.ndarray
        Index of the feature that each of these belongs to, shape of `positions`.
    knots, min_patients : int
        As for `Hinges`.

    Attributes
    ----------
    column, shape, knot : numpy.ndarray
        Of each factor, shape (factor,).
    feature : numpy.ndarray
        Index of its feature, among those that have factors.
    log_share : numpy.ndarray
        Log prior probability given its feature: columns, then shapes, then knots equally likely.
    """

    def __init__(
        self,
        columns: np.ndarray,
        positions: np.ndarray,
        features: np.ndarray,
        *,
        knots: int,
        min_patients: int,
    ) -> None:
        self.n = len(columns)
        self._x = np.ascontiguousarray(columns.T, dtype=float)
        self._min_patients = min_patients
        bins: list[tuple[int, np.ndarray, np.ndarray]] = []  # column, knots, bin of each patient
        entries: list[tuple[int, int, int, float, float]] = []
        every = [np.unique(self._x[position]) for position in positions.tolist()]
        found = [
            _knots(self._x[p], levels, knots, min_patients)
            for p, levels in zip(positions.tolist(), every, strict=True)
        ]
        able = np.array([len(cuts) > 0 for cuts in found], dtype=bool)
        _, own = np.unique(features[able], return_inverse=True)
        sizes = np.bincount(own)
        each = zip(np.flatnonzero(able).tolist(), own.tolist(), strict=True)
        for position, feature, levels, cuts in ((int(positions[i]), j, every[i], found[i]) for i, j in each):
            x = self._x[position]
            shapes = [(STEP, cuts)]
            if len(levels) > 2:
                shapes.append((LINE, np.zeros(1)))
            if len(levels) > 3:
                shapes += [(ABOVE, cuts), (BELOW, cuts)]
            for shape, at in shapes:
                share = -np.log(sizes[feature] * len(shapes) * len(at))
                entries += [(position, feature, shape, float(knot), share) for knot in at]
            bins.append((position, cuts, np.searchsorted(cuts, x)))
        columns_, features_, shapes_, knots_, shares = zip(*entries, strict=True) if entries else ((),) * 5
        self.column, self.feature = np.array(columns_, dtype=int), np.array(features_, dtype=int)
        self.shape, self.knot = np.array(shapes_, dtype=int), np.array(knots_, dtype=float)
        self.log_share = np.array(shares, dtype=float)
        self._sums, self._weights, self._squares = self._tables(bins)
        self._first_sums = self._sums[: self._weights.shape[1]]
        self._moments: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.column)

    def values(self, factor: int) -> np.ndarray:
        """Return one factor at the training patients, shape (patient,)."""
        return shape_values(self._x[self.column[factor]], int(self.shape[factor]), float(self.knot[factor]))

    def product(self, factors: tuple[int, ...]) -> np.ndarray:
        """Return the product of some factors, shape (patient,); one for none."""
        result = self.values(factors[0]) if factors else np.ones(self.n)
        for factor in factors[1:]:
            result = result * self.values(factor)
        return result

    def standard(self, factors: tuple[int, ...]) -> tuple[np.ndarray, float, float] | None:
        """Return a product standardised over the patients with its mean and standard deviation, None if few have it."""
        product = self.product(factors)
        if np.count_nonzero(product) < self._min_patients:
            return None
        mean = float(product.mean())
        variance = float(product @ product / self.n - mean**2)
        if variance <= _LEAST:
            return None
        sd = float(np.sqrt(variance))
        return (product - mean) / sd, mean, sd

    def dots(self, vector: np.ndarray) -> np.ndarray:
        """Return the inner product of every factor with a vector (patient,), shape (factor,)."""
        return np.asarray(self._weights @ (self._first_sums @ vector))

    def moments(self, parent: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return mean and standard deviation of every factor times the product `parent`, and which of these can be used.

        Not to be used are factors of the parent's own features and products that hardly vary.
        """
        if parent not in self._moments:
            product = self.product(parent)
            mean = self.dots(product) / self.n
            second = np.asarray(self._squares @ (self._sums @ product**2)) / self.n
            variance = second - mean**2
            usable = (variance > _LEAST) & ~np.isin(self.feature, self.feature[list(parent)])
            if len(self._moments) * 17 * len(self) >= _REMEMBERED:
                self._moments.clear()
            self._moments[parent] = mean, np.sqrt(np.maximum(variance, 1e-8)), usable
        return self._moments[parent]

    def _tables(
        self, bins: list[tuple[int, np.ndarray, np.ndarray]]
    ) -> tuple[sparse.csr_matrix, sparse.csr_matrix, sparse.csr_matrix]:
        """Return the matrix of sums in bins and what factors and their squares make of these sums.

        Where all patients of a bin have one value, their sums of x are that times their sum; and such a bin's sum, if it
        is its column's fullest, is the total less the others'. That leaves out most entries of discrete columns.
        """
        total = sum(len(cuts) + 1 for _, cuts, _ in bins)
        sums = [[(np.zeros(self.n, dtype=int), np.arange(self.n), np.ones(self.n))], [], []]
        first: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        second: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        start = 1  # after the row of the total
        for position, cuts, own in bins:
            x, n_bins = self._x[position], len(cuts) + 1
            low, high = np.full(n_bins, np.inf), np.full(n_bins, -np.inf)
            np.minimum.at(low, own, x)
            np.maximum.at(high, own, x)
            single, fullest = low == high, int(np.bincount(own, minlength=n_bins).argmax())
            members = np.flatnonzero(self.column == position)
            constants, slopes = self._lines(members, cuts)
            for power in range(3):
                kept = (
                    ~single[own]
                    if power
                    else (own != fullest if single[fullest] else np.ones(self.n, dtype=bool))
                )
                rows = power * total + start + own[kept]
                sums[power].append((rows, np.flatnonzero(kept), x[kept] ** power))
            place = (members, start, total, single, low, fullest)
            first += _entries([constants, slopes], *place)
            second += _entries([constants**2, 2 * constants * slopes, slopes**2], *place)
            start += n_bins
        return (
            _sparse([entry for part in sums for entry in part], (1 + 3 * total, self.n)),
            _sparse(first, (len(self), 1 + 2 * total)),
            _sparse(second, (len(self), 1 + 3 * total)),
        )

    def _lines(self, members: np.ndarray, cuts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return constant and slope of one column's factors in each bin, shape (factor, bin)."""
        shape, knot = self.shape[members][:, None], self.knot[members][:, None]
        above = np.arange(len(cuts) + 1) > np.searchsorted(cuts, knot)
        constants = np.select(
            [shape == STEP, shape == ABOVE, shape == BELOW], [above, -knot * above, knot * ~above], 0.0
        )
        slopes = np.select(
            [shape == LINE, shape == ABOVE, shape == BELOW], [np.ones_like(above), above, -1.0 * ~above], 0.0
        )
        return constants.astype(float), slopes.astype(float)


def _entries(
    powers: list[np.ndarray], members: np.ndarray, start: int, total: int, single: np.ndarray, level: np.ndarray,
    fullest: int,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:  # fmt: skip
    """Return entries that turn sums in bins of 1, x, ... into sums of factors with these coefficients in each bin."""
    count = powers[0].copy()
    for power, values in enumerate(powers[1:], start=1):
        count[:, single] += values[:, single] * level[single] ** power
    found = []
    if single[fullest]:
        rest = count[:, fullest].copy()
        found.append((members, np.zeros(len(members), dtype=int), rest))
        count -= rest[:, None]
    for power, values in enumerate([count, *(np.where(single, 0.0, values) for values in powers[1:])]):
        rows, columns = np.nonzero(values)
        found.append((members[rows], power * total + start + columns, values[rows, columns]))
    return found


def _sparse(
    entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]], shape: tuple[int, int]
) -> sparse.csr_matrix:
    rows, columns, values = (
        (np.concatenate(part) for part in zip(*entries, strict=True)) if entries else ([], [], [])
    )
    return sparse.csr_matrix((values, (rows, columns)), shape=shape)


def _knots(x: np.ndarray, levels: np.ndarray, most: int, min_patients: int) -> np.ndarray:
    """Return places between training values with enough patients on both sides: at quantiles, and over the range."""
    between = (levels[:-1] + levels[1:]) / 2
    below = np.searchsorted(np.sort(x), between, side="right")
    enough = (below >= min_patients) & (len(x) - below >= min_patients)
    between, below = between[enough], below[enough]
    if len(between) <= most:
        return between
    evenly = max(most // 3, 1)  # tails have few patients and much leverage
    quantiles = np.searchsorted(below, len(x) * np.arange(1, most - evenly + 1) / (most - evenly + 1))
    spread = np.searchsorted(between, np.linspace(between[0], between[-1], evenly))
    chosen = np.clip(np.concatenate([quantiles, spread]), 0, len(between) - 1)
    return between[np.unique(chosen)]
