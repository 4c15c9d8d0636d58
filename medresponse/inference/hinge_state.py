"""Columns that are in and what is known of their coefficients, computed from scratch; moves update it."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtri

from medresponse.inference.hinge_arrays import Table, make_room, make_state
from medresponse.inference.hinge_law import Product

_COLUMNS = 32  # for which, besides the fixed ones, there is room at first


class State:
    """Columns with normal priors and a target they are to explain; the first columns always stay.

    Parameters
    ----------
    fixed : numpy.ndarray
        Columns that always stay, shape (patient, column).
    fixed_precision : numpy.ndarray
        Prior precisions of their coefficients.
    table : Table
        Factors of the products that may come in.
    order : int
        Most factors of a product.

    Attributes
    ----------
    arrays : StateArrays
    room : Room
        For moves of products.
    """

    def __init__(self, fixed: np.ndarray, fixed_precision: np.ndarray, *, table: Table, order: int) -> None:
        n, k = fixed.shape
        self._table, self._order = table, order
        self.arrays = make_state(n, fixed=k, columns=k + _COLUMNS, order=order)
        self.room = make_room(table, order=order, columns=k + _COLUMNS)
        self.arrays.rows[:k] = fixed.T
        self.arrays.precision[:k] = fixed_precision
        self._summed = False

    def __len__(self) -> int:
        return int(self.arrays.filled[0])

    @property
    def rows(self) -> np.ndarray:
        """Columns as rows, shape (column, patient)."""
        return self.arrays.rows[: len(self)]

    @property
    def products(self) -> list[Product]:
        """Products that are in, in the order of their columns."""
        own, places = self.arrays, range(self.arrays.n_fixed, len(self))
        return [Product(int(own.part[m]), tuple(own.factors[m, : own.size[m]].tolist())) for m in places]

    def aim(self, target: np.ndarray, weight: np.ndarray) -> None:
        """Set what is to be explained and the precision of each patient's error, both of shape (patient,)."""
        own, k = self.arrays, len(self)
        if not self._summed or not np.array_equal(weight, own.weight):
            if self._summed and np.ptp(weight) == 0 and np.ptp(own.weight) == 0:
                own.gram[:k, :k] *= weight[0] / own.weight[0]
            else:
                own.gram[:k, :k] = (self.rows * weight) @ self.rows.T
        self._summed = True
        own.target[:], own.weight[:], own.weighted[:] = target, weight, weight * target
        own.right[:k] = self.rows @ own.weighted
        self.solve()

    def solve(self) -> None:
        """Compute inverse, solution and residual from scratch, with the prior precisions as they now are.

        With a small residual what the data say outweighs the prior by ten orders of magnitude and more. Columns are scaled to
        a unit diagonal first, and the inverse is a product with its own transpose: its diagonal cannot be negative.
        """
        own, k = self.arrays, len(self)
        factor = self._inverse_factor()
        inverse = factor.T @ factor
        solution = inverse @ own.right[:k]
        # One step of refinement: the residual tells what rounding left of the solution.
        residual = own.target - solution @ self.rows
        lacking = self.rows @ (own.weight * residual) - own.precision[:k] * solution
        own.inverse[:k, :k], own.solution[:k] = inverse, solution + inverse @ lacking
        own.residual[:] = own.target - own.solution[:k] @ self.rows

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return a draw of all coefficients."""
        return np.asarray(
            self.arrays.solution[: len(self)] + rng.standard_normal(len(self)) @ self._inverse_factor()
        )

    def widen(self) -> None:
        """Make room for more columns."""
        before, (columns, n) = self.arrays, self.arrays.rows.shape
        self.arrays = make_state(n, fixed=before.n_fixed, columns=2 * columns, order=self._order)
        self.room = make_room(self._table, order=self._order, columns=2 * columns)
        for name, old in before._asdict().items():
            if isinstance(old, np.ndarray):
                getattr(self.arrays, name)[tuple(map(slice, old.shape))] = old

    def _inverse_factor(self) -> np.ndarray:
        """Return Z of Z'Z, the posterior covariance."""
        own, k = self.arrays, len(self)
        gram, precision = own.gram[:k, :k], own.precision[:k]
        size = np.sqrt(gram.diagonal() + precision)
        matrix = gram / (size[:, None] * size)
        matrix.flat[:: k + 1] = 1.0
        lower, failed = dpotrf(matrix, lower=1)
        if failed:
            # The prior is lost to rounding in the products of columns, but not beside the columns themselves.
            data = np.sqrt(own.weight)[:, None] * self.rows.T
            stacked = np.vstack([data, np.diag(np.sqrt(precision))])
            lower = np.linalg.qr(stacked / size, mode="r").T
        root, _ = dtrtri(lower, lower=1)
        return np.asarray(root / size)
