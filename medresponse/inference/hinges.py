"""Reversible-jump sampling of sums of products of hinges.

Products are born, die and change with all coefficients integrated out (Denison, Mallick & Smith 1998, Stat Comput 8:337;
Green 1995, Biometrika 82:711); `hinge_moves` has the moves.
"""

from __future__ import annotations

import numpy as np

from medresponse.core.machine_code import compiled
from medresponse.features.hinges import PRODUCT
from medresponse.inference.hinge_arrays import FULL, LAW, ROOM, STALE, STATE, TABLE
from medresponse.inference.hinge_law import Law, Product
from medresponse.inference.hinge_state import State


class HingeSampler:
    """One chain's sums of products: prognosis (part 0) and one function a contrast.

    Parameters
    ----------
    law : Law
        The products' prior; what is unknown of it is drawn too.
    fixed : numpy.ndarray
        Design of the linear part, whose coefficients are integrated out with the products', shape (patient, column).
    fixed_precision : numpy.ndarray
        Their prior precisions.
    rng : numpy.random.Generator

    Attributes
    ----------
    fitted : numpy.ndarray
        What all products add to the predictor of the training patients, shape (patient,).
    """

    def __init__(
        self, law: Law, *, fixed: np.ndarray, fixed_precision: np.ndarray, rng: np.random.Generator
    ) -> None:
        from medresponse.inference.hinge_draws import draw_law  # which import numba
        from medresponse.inference.hinge_moves import make_moves

        self._move = compiled(make_moves, "rng", "i8", TABLE, LAW, STATE, ROOM, "i8[1]")
        self._draw_law = compiled(draw_law, "rng", "f8[1]", TABLE, LAW, STATE, ROOM)
        self.law, self._rng = law, rng
        self._table = law.factors.table
        self._state = State(fixed, fixed_precision, table=self._table, order=law.prior.order)
        self._coefficients = np.zeros(self._state.arrays.n_fixed)
        self.fitted = np.zeros(len(fixed))

    @property
    def products(self) -> list[Product]:
        """Products that are in."""
        return self._state.products

    def function(self, part: int) -> np.ndarray:
        """Return one part's function at the training patients, without the contrast, shape (patient,)."""
        total, factors, own = np.zeros(len(self.fitted)), self.law.factors, self._state.arrays
        for m, product in enumerate(self.products, start=own.n_fixed):
            if product.part == part:
                total += self._coefficients[m] * (factors.product(product.factors) - own.mean[m]) / own.sd[m]
        return total

    def sweep(self, target: np.ndarray, weight: np.ndarray, fixed_precision: np.ndarray, moves: int) -> None:
        """Make some moves given what the linear part and the products are to explain, then draw coefficients and the law.

        Parameters
        ----------
        target : numpy.ndarray
            Latent outcome less all else and less the linear part at its prior mean.
        weight : numpy.ndarray
            Precision of each patient's error.
        fixed_precision : numpy.ndarray
            Prior precisions of the linear part now.
        moves : int
        """
        state, law = self._state, self.law.arrays
        fixed = state.arrays.n_fixed
        state.arrays.precision[:fixed] = fixed_precision
        state.aim(target, weight)
        made = np.zeros(2, dtype=np.int64)
        while moves:
            self._move(self._rng, moves, self._table, law, state.arrays, state.room, made)
            moves -= int(made[0])
            if made[1] == STALE:
                state.solve()
            elif made[1] == FULL:
                state.widen()
        self._coefficients = state.draw(self._rng)
        self.fitted = self._coefficients[fixed:] @ state.rows[fixed:]
        self._draw_law(self._rng, self._coefficients, self._table, law, state.arrays, state.room)

    def nodes(self, part: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return column, value and shape of each node of one part, in the order of `features.HingeSum`."""
        rows: list[tuple[int, float, int]] = []
        constant, factors, own = 0.0, self.law.factors, self._state.arrays
        for m, product in enumerate(self.products, start=own.n_fixed):
            if product.part != part:
                continue
            coefficient = float(self._coefficients[m] / own.sd[m])
            rows.append((PRODUCT, coefficient, 0))
            rows += [
                (int(factors.column[f]), float(factors.knot[f]), int(factors.shape[f]))
                for f in product.factors
            ]
            constant -= coefficient * float(own.mean[m])
        rows.append((PRODUCT, constant, 0))
        column, value, shape = zip(*rows, strict=True)
        return np.array(column, dtype=np.int32), np.array(value), np.array(shape, dtype=np.int8)
