"""Linear algebra of the products that are in: everything given their coefficients integrated out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular


class Product(NamedTuple):
    """A product of factors, in ascending order, in the prognosis (part 0) or the effect of contrast ``part - 1``."""

    part: int
    factors: tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """A product that is in, or may be: its standardised values' mean and standard deviation and its local variance."""

    product: Product
    mean: float
    sd: float
    local: float


@dataclass(frozen=True)
class Gain:
    """What adding a column to a state does.

    Parameters
    ----------
    log : float
        What the log marginal likelihood gains.
    values : numpy.ndarray
        The column, shape (patient,).
    cross : numpy.ndarray
        Its products with the columns that are in, summed over patients by the precision of their errors, shape (column,).
    square, with_target : float
        Such sums of its squares, and of its products with the target.
    solved : numpy.ndarray
        Coefficients of its own ridge regression on the columns that are in, under their priors, shape (column,).
    schur : float
        Posterior precision of its coefficient: what that regression leaves of it, and the prior precision.
    coefficient : float
        Posterior mean of its coefficient.
    precision : float
        Prior precision of its coefficient.
    """

    log: float
    values: np.ndarray
    cross: np.ndarray
    square: float
    with_target: float
    solved: np.ndarray
    schur: float
    coefficient: float
    precision: float


class State:
    """Columns with normal priors and a target they are to explain; the first columns always stay.

    Parameters
    ----------
    fixed : numpy.ndarray
        Columns that always stay, shape (patient, column).
    fixed_precision : numpy.ndarray
        Prior precisions of their coefficients.

    Attributes
    ----------
    entries : list of Entry
        Products that are in, in the order of their columns after the fixed ones.
    precision : numpy.ndarray
        Prior precision of each column's coefficient.
    inverse, solution : numpy.ndarray
        Posterior covariance of the coefficients and their mean.
    """

    def __init__(self, fixed: np.ndarray, fixed_precision: np.ndarray) -> None:
        n, self.n_fixed = fixed.shape
        self._rows = np.zeros((self.n_fixed + 64, n))
        self._rows[: self.n_fixed] = fixed.T
        self.entries: list[Entry] = []
        self.present: set[Product] = set()
        self.precision = fixed_precision.copy()
        self._target, self._weight = np.zeros(n), np.ones(n)
        self._gram = np.zeros((0, 0))

    def __len__(self) -> int:
        return self.n_fixed + len(self.entries)

    @property
    def rows(self) -> np.ndarray:
        """Columns as rows, shape (column, patient)."""
        return self._rows[: len(self)]

    def aim(self, target: np.ndarray, weight: np.ndarray) -> None:
        """Set what is to be explained and the precision of each patient's error, both of shape (patient,)."""
        same = len(self._gram) == len(self) and np.array_equal(weight, self._weight)
        if not same and len(self._gram) == len(self) and np.ptp(weight) == 0 and np.ptp(self._weight) == 0:
            self._gram *= weight[0] / self._weight[0]
        elif not same:
            self._gram = (self.rows * weight) @ self.rows.T
        self._target, self._weight = target, weight
        self._weighted = weight * target
        self._right = self.rows @ self._weighted
        self.solve()

    @property
    def weight(self) -> np.ndarray:
        """Precision of each patient's error, shape (patient,)."""
        return self._weight

    def solve(self) -> None:
        """Compute inverse and solution from scratch, with the prior precisions as they now are.

        With a small residual what the data say outweighs the prior by ten orders of magnitude and more. Columns are scaled to
        a unit diagonal first, and the inverse is a product with its own transpose: its diagonal cannot be negative.
        """
        self._factor = self._inverse_factor()
        self.inverse = self._factor.T @ self._factor
        solution = self.inverse @ self._right
        # One step of refinement: the residual tells what rounding left of the solution.
        residual = self._target - solution @ self.rows
        lacking = self.rows @ (self._weight * residual) - self.precision * solution
        self.solution = solution + self.inverse @ lacking
        self._residual: np.ndarray | None = None

    def _inverse_factor(self) -> np.ndarray:
        """Return Z of Z'Z, the posterior covariance."""
        size = np.sqrt(np.diag(self._gram) + self.precision)
        matrix = self._gram / np.outer(size, size)
        matrix[np.diag_indices_from(matrix)] = 1.0
        try:
            lower = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            # The prior is lost to rounding in the products of columns, but not beside the columns themselves.
            data = np.sqrt(self._weight)[:, None] * self.rows.T
            stacked = np.vstack([data, np.diag(np.sqrt(self.precision))])
            lower = np.linalg.qr(stacked / size, mode="r").T
        return np.asarray(solve_triangular(lower, np.diag(1 / size), lower=True))

    @property
    def residual(self) -> np.ndarray:
        """Target less what the columns explain at the posterior mean."""
        if self._residual is None:
            self._residual = self._target - self.solution @ self.rows
        return self._residual

    def worth(self, gain: Gain | None = None) -> np.ndarray:
        """Return what each product adds to the log marginal likelihood, shape (product,): now, or with one more."""
        own = slice(self.n_fixed, None)
        variance, coefficient, precision = np.diag(self.inverse), self.solution, self.precision
        if gain is not None:
            variance = np.append(variance + gain.solved**2 / gain.schur, 1 / gain.schur)
            coefficient = np.append(coefficient - gain.solved * gain.coefficient, gain.coefficient)
            precision = np.append(precision, gain.precision)
        variance, coefficient = variance[own], coefficient[own]
        return np.asarray(0.5 * np.log(variance * precision[own]) + 0.5 * coefficient**2 / variance)

    def without(self, position: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the columns left, inverse and solution if one product went."""
        m = self.n_fixed + position
        kept = np.delete(np.arange(len(self)), m)
        cross, own = self.inverse[kept, m], self.inverse[m, m]
        inverse = self.inverse[np.ix_(kept, kept)] - np.outer(cross, cross) / own
        return kept, inverse, self.solution[kept] - cross * (self.solution[m] / own)

    def residual_of(self, kept: np.ndarray, solution: np.ndarray) -> np.ndarray:
        """Return the residual of some of the columns at their own solution."""
        return self._beyond(self._target, kept, solution)

    def _beyond(self, values: np.ndarray, kept: np.ndarray | None, coefficients: np.ndarray) -> np.ndarray:
        """Return values less some of the columns, or all, times coefficients."""
        if kept is not None:
            every = np.zeros(len(self))
            every[kept] = coefficients
            coefficients = every
        return np.asarray(values - coefficients @ self.rows)

    def gain(
        self, values: np.ndarray, precision: float, *, kept: np.ndarray | None = None,
        inverse: np.ndarray | None = None, solution: np.ndarray | None = None,
    ) -> Gain:  # fmt: skip
        """Return what adding a column does to the state, or to one of some of its columns.

        Parameters
        ----------
        values : numpy.ndarray
            The column, shape (patient,).
        precision : float
            Prior precision of its coefficient.
        kept, inverse, solution : numpy.ndarray, optional
            Which columns are in, and inverse and solution of these, as `without` returns them; all three or none.
        """
        weighted = self._weight * values
        cross = self.rows @ weighted
        if kept is not None:
            cross = cross[kept]
        inverse = self.inverse if inverse is None else inverse
        solution = self.solution if solution is None else solution
        square, with_target = float(weighted @ values), float(values @ self._weighted)
        solved = inverse @ cross
        # What the other columns leave of this one, as sums of squares and products of what is left: `square - cross @ solved`
        # is a difference of large numbers where that is little, and rounding may turn its sign.
        prior = self.precision if kept is None else self.precision[kept]
        lacking = self.rows @ (self._weight * self._beyond(values, kept, solved))
        solved = solved + inverse @ ((lacking if kept is None else lacking[kept]) - prior * solved)
        left = self._beyond(values, kept, solved)
        schur = precision + float(self._weight @ left**2) + float(prior @ solved**2)
        residual = self.residual if kept is None else self.residual_of(kept, solution)
        slope = float((self._weight * left) @ residual) + float((prior * solved) @ solution)
        log = -0.5 * np.log(schur / precision) + 0.5 * slope**2 / schur
        return Gain(float(log), values, cross, square, with_target, solved, schur, slope / schur, precision)

    def add(self, entry: Entry, gain: Gain) -> None:
        """Add a product."""
        m = len(self)
        if m == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[m] = gain.values
        gram = np.empty((m + 1, m + 1))
        gram[:m, :m], gram[m, :m], gram[:m, m], gram[m, m] = self._gram, gain.cross, gain.cross, gain.square
        self._gram, self._right = gram, np.append(self._right, gain.with_target)
        self.precision = np.append(self.precision, gain.precision)
        self.entries.append(entry)
        self.present.add(entry.product)
        self.solve()

    def remove(self, position: int) -> None:
        """Take a product out."""
        m = self.n_fixed + position
        self._rows[m : len(self) - 1] = self._rows[m + 1 : len(self)]
        self._gram = np.delete(np.delete(self._gram, m, axis=0), m, axis=1)
        self._right, self.precision = np.delete(self._right, m), np.delete(self.precision, m)
        self.present.discard(self.entries.pop(position).product)
        self.solve()

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return a draw of all coefficients."""
        return np.asarray(self.solution + rng.standard_normal(len(self.solution)) @ self._factor)
