"""Posterior draws of a sum of trees as plain arrays, and their values in numpy.

Nodes of all trees of a draw stand in one row, level by level: first the roots, then the children of the split roots in
their order (left before right), and so on. The k-th split node's children therefore stand at ``trees + 2 k`` and the
place after it, and a node needs two numbers only: the column it splits on (-1 for a leaf) and its threshold or value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Forest:
    """Draws of a sum of trees.

    Parameters
    ----------
    column : numpy.ndarray
        Position of the feature column that a node splits on, -1 for a leaf and after the last node; shape (draw, node).
    value : numpy.ndarray
        Threshold of a split (a patient at or below it goes left) or value of a leaf, shape (draw, node).
    trees : int
        Trees of each draw.
    """

    column: np.ndarray
    value: np.ndarray
    trees: int

    def values(self, columns: np.ndarray) -> np.ndarray:
        """Return the sum of trees, shape (patient, draw).

        Parameters
        ----------
        columns : numpy.ndarray
            Feature columns, shape (patient, column), or (draw, patient, column) where they differ from draw to draw.
        """
        shared = columns.ndim == 2
        features = np.ascontiguousarray(columns.T) if shared else None
        result = np.empty((columns.shape[-2], len(self.column)))
        for s, (column, value) in enumerate(zip(self.column, self.value, strict=True)):
            result[:, s] = self._draw(column, value, columns[s].T if features is None else features)
        return result

    def _draw(self, column: np.ndarray, value: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Return one draw's sum for features of shape (column, patient): each leaf's value where it is reached."""
        total = np.zeros(features.shape[1])
        start, reached = 0, np.ones((self.trees, features.shape[1]), dtype=bool)
        while len(reached):
            level = slice(start, start + len(reached))
            split = column[level] >= 0
            total += value[level][~split] @ reached[~split].astype(float)
            above = features[column[level][split]] > value[level][split][:, None]
            parents = reached[split]
            start = level.stop
            reached = np.empty((2 * len(parents), features.shape[1]), dtype=bool)
            reached[0::2] = parents & ~above
            reached[1::2] = parents & above
        return total
