"""All factors that products of hinges may have: functions of one column each, linear between its knots."""

from __future__ import annotations

import numpy as np

from medresponse.features.hinges import ABOVE, BELOW, LINE, STEP, shape_values
from medresponse.inference.hinge_arrays import LEAST, Table


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
    table : Table
        All that as moves need it.
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
        self.table = self._tabulate(bins)

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
        if variance <= LEAST:
            return None
        sd = float(np.sqrt(variance))
        return (product - mean) / sd, mean, sd

    def _tabulate(self, bins: list[tuple[int, np.ndarray, np.ndarray]]) -> Table:
        """Return the factors, and the patients between two knots.

        Where all patients of a column's fullest bin have one value, that bin's are left out: `inner_products` says why.
        """
        first_bin, first_factor, fullest = [0], [0], []
        single, level, counts = [np.zeros(0, dtype=bool)], [np.zeros(0)], [np.zeros(1, dtype=int)]
        patients, values = [np.zeros(0, dtype=int)], [np.zeros(0)]
        for position, cuts, own in bins:
            x, n_bins = self._x[position], len(cuts) + 1
            low, high = np.full(n_bins, np.inf), np.full(n_bins, -np.inf)
            np.minimum.at(low, own, x)
            np.maximum.at(high, own, x)
            count = np.bincount(own, minlength=n_bins)
            most, order = int(count.argmax()), np.argsort(own, kind="stable")
            left_out = bool(low[most] == high[most])
            if left_out:
                order, count[most] = order[own[order] != most], 0
            fullest.append(first_bin[-1] + most if left_out else -1)
            single.append(low == high)
            level.append(low)
            counts.append(count)
            patients.append(order)
            values.append(x[order])
            first_bin.append(first_bin[-1] + n_bins)
            first_factor.append(first_factor[-1] + int((self.column == position).sum()))
        return Table(
            x=self._x, column=self.column, feature=self.feature, shape=self.shape, knot=self.knot,
            log_share=self.log_share, first_factor=np.array(first_factor), first_bin=np.array(first_bin),
            fullest=np.array(fullest, dtype=int), first_patient=np.cumsum(np.concatenate(counts)).astype(np.uint64),
            single=np.concatenate(single), level=np.concatenate(level),
            patients=np.concatenate(patients).astype(np.uint32), values=np.concatenate(values),
        )  # fmt: skip


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
