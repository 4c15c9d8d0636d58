"""Posterior draws of a sum of products of hinges as plain arrays, and their values in numpy.

A draw is one row of nodes. A node with column `PRODUCT` opens a product and holds its coefficient; the nodes after it, up
to the next of these, are its factors: the column they look at, the shape they have there and its knot. A product
without factors is a constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

LINE, ABOVE, BELOW, STEP = range(4)  # shapes of a factor
PRODUCT, BLANK = -2, -1  # columns of nodes that are no factor


def shape_values(x: np.ndarray, shape: int, knot: float) -> np.ndarray:
    """Return a factor's values: the line ``x``, the hinges ``max(x - knot, 0)`` and ``max(knot - x, 0)``, or the step ``x > knot``."""
    if shape == LINE:
        return x
    if shape == ABOVE:
        return np.maximum(x - knot, 0.0)
    if shape == BELOW:
        return np.maximum(knot - x, 0.0)
    return (x > knot).astype(float)


@dataclass(frozen=True)
class HingeSum:
    """Draws of a sum of products of hinges.

    Parameters
    ----------
    column : numpy.ndarray
        Position of the feature column of a factor, `PRODUCT`, or `BLANK` after the last node; shape (draw, node).
    value : numpy.ndarray
        Knot of a factor or coefficient of a product, shape (draw, node).
    shape : numpy.ndarray
        Shape of a factor, shape (draw, node).
    """

    column: np.ndarray
    value: np.ndarray
    shape: np.ndarray

    def values(self, columns: np.ndarray) -> np.ndarray:
        """Return the sum, shape (patient, draw).

        Parameters
        ----------
        columns : numpy.ndarray
            Feature columns, shape (patient, column), or (draw, patient, column) where they differ from draw to draw.
        """
        shared = columns.ndim == 2
        # Draws share most of their factors, each worth computing once.
        known: dict[tuple[int, int, float], np.ndarray] | None = {} if shared else None
        features = np.ascontiguousarray(columns.T) if shared else None
        result = np.zeros((columns.shape[-2], len(self.column)))
        for s in range(len(self.column)):
            result[:, s] = self._draw(s, columns[s].T if features is None else features, known)
        return result

    def _draw(
        self, s: int, features: np.ndarray, known: dict[tuple[int, int, float], np.ndarray] | None
    ) -> np.ndarray:
        total = np.zeros(features.shape[1])
        column, value, shape = self.column[s].tolist(), self.value[s].tolist(), self.shape[s].tolist()
        opens = [i for i, c in enumerate(column) if c == PRODUCT]
        end = column.index(BLANK) if BLANK in column else len(column)
        for start, stop in pairwise([*opens, end]):
            product = np.full(features.shape[1], value[start])
            for i in range(start + 1, stop):
                key = (column[i], shape[i], value[i])
                factor = None if known is None else known.get(key)
                if factor is None:
                    factor = shape_values(features[key[0]], key[1], key[2])
                    if known is not None:
                        known[key] = factor
                product *= factor
            total += product
        return total
