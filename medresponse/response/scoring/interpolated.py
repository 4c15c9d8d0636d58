"""Responses that a family computes at length, read off polynomials in the linear predictor, draw by draw.

Under one treatment and one posterior draw, a response with a single linear predictor is a function of that number alone, the same
for all patients. So it is computed once, at the Chebyshev points of short intervals, for every draw.

References
----------
Trefethen (2013), Approximation Theory and Approximation Practice, SIAM, ch. 4 and 8 (convergence by the distance of the nearest
singularity).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from medresponse.core.machine_code import compiled

CELLS = 192  # intervals, an eighth of the linear predictor's unit each, around 0
_PER_UNIT = 8
DEGREE = 7
# Where a polynomial is checked: twice as many points as it has coefficients, which it does not go through.
_CHECKS = np.cos(np.pi * np.arange(2 * DEGREE + 3) / (2 * DEGREE + 2))
_TOLERANCE = 2.0**-24  # of the largest response in the interval: the rounding of float32

type Response = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Interpolated:
    """A response by polynomials of degree 7 between eighths of the linear predictor.

    Parameters
    ----------
    response : callable
        Of linear predictors (number, treatment, draw), in float64.
    n_treatments, n_draws : int
    """

    response: Response
    n_treatments: int
    n_draws: int
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, compare=False, repr=False)

    def at(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return responses, and of which patients they hold.

        An interval counts where every draw's polynomial is within the rounding of float32 at 17 points between and beside those
        that it goes through. Of a patient with a number in another interval, or far out, nothing is said.

        Parameters
        ----------
        eta : numpy.ndarray
            Shape (patient, treatment, draw), float32.

        Returns
        -------
        values : numpy.ndarray
            Shape of `eta`, float32.
        holds : numpy.ndarray
            Shape (patient,).
        """
        used, holds = np.zeros(CELLS, dtype=bool), np.zeros(len(eta), dtype=bool)
        compiled(_find_cells, "f4[3]", "i8", "i8", "b1[1]", "b1[1]")(eta, _PER_UNIT, CELLS, holds, used)
        for cell in np.flatnonzero(used & ~self._ready).tolist():
            self._prepare(cell)
        values = np.zeros_like(eta)
        evaluate = compiled(_evaluate, "f4[3]", "f8[4]", "b1[1]", "i8", "b1[1]", "f4[3]")
        evaluate(eta, self._table, self._good, _PER_UNIT, holds, values)
        return values, holds

    @cached_property
    def _table(self) -> np.ndarray:
        """Coefficients (treatment, draw, interval, power)."""
        return np.empty((self.n_treatments, self.n_draws, CELLS, DEGREE + 1))

    @cached_property
    def _ready(self) -> np.ndarray:
        return np.zeros(CELLS, dtype=bool)

    @cached_property
    def _good(self) -> np.ndarray:
        return np.zeros(CELLS, dtype=bool)

    def prepare(self) -> None:
        """Make room, before threads ask for it at once."""
        _ = self._table, self._ready, self._good

    def _prepare(self, cell: int) -> None:
        """Fill one interval."""
        with self._lock:
            if self._ready[cell]:
                return
            nodes = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
            powers = np.arange(DEGREE + 1)
            with np.errstate(all="ignore"):
                coefficients = _times(np.linalg.inv(nodes[:, None] ** powers), self._computed(cell, nodes))
                exact = self._computed(cell, _CHECKS)
                error = np.abs(_times(_CHECKS[:, None] ** powers, coefficients) - exact).max(axis=0)
                self._good[cell] = (error <= _TOLERANCE * np.abs(exact).max(axis=0)).all()  # NaN is not
            self._table[:, :, cell] = np.moveaxis(coefficients, 0, -1)
            self._ready[cell] = True

    def _computed(self, cell: int, points: np.ndarray) -> np.ndarray:
        """Return responses (point, treatment, draw) at points of the interval, which are from -1 to 1."""
        eta = (cell - CELLS // 2 + (points + 1) / 2) / _PER_UNIT
        shape = (len(points), self.n_treatments, self.n_draws)
        return self.response(np.broadcast_to(eta[:, None, None], shape))


def _times(matrix: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.tensordot(matrix, columns, axes=1)


def _find_cells(eta: np.ndarray, per_unit: int, n_cells: int, inside: np.ndarray, used: np.ndarray) -> None:
    """Say which patients have all numbers in intervals, and which intervals these are."""
    n, n_treatments, n_draws = eta.shape
    for i in range(n):
        inside[i] = True
        for k in range(n_treatments):
            for s in range(n_draws):
                cell = np.floor(np.float64(eta[i, k, s]) * per_unit) + n_cells // 2
                if 0 <= cell < n_cells:  # NaN is not
                    used[np.int64(cell)] = True
                else:
                    inside[i] = False


def _evaluate(
    eta: np.ndarray, table: np.ndarray, good: np.ndarray, per_unit: int, holds: np.ndarray, out: np.ndarray
) -> None:
    """Evaluate polynomials, and take back what is said of patients who need one that is not good."""
    n, n_treatments, n_draws = eta.shape
    middle = len(good) // 2
    for k in range(n_treatments):
        for s in range(n_draws):  # patients last: the polynomials of one draw stay in the cache
            own = table[k, s]
            for i in range(n):
                if holds[i]:
                    x = np.float64(eta[i, k, s]) * per_unit
                    cell = np.floor(x)
                    c, t = own[np.int64(cell) + middle], 2.0 * (x - cell) - 1.0
                    if not good[np.int64(cell) + middle]:
                        holds[i] = False
                    low = (c[0] + t * c[1]) + (t * t) * (c[2] + t * c[3])
                    high = (c[4] + t * c[5]) + (t * t) * (c[6] + t * c[7])
                    out[i, k, s] = low + (t * t) * (t * t) * high
