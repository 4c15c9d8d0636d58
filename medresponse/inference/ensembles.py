"""Sums of regression trees under Gibbs sampling.

Trees of one sum are drawn in turn given the residual of all else (Bayesian backfitting; Chipman, George & McCulloch 2010, Ann
Appl Stat 4:266, section 3.1), by births, deaths and changes of splits with the leaves integrated out (Denison, Mallick & Smith
1998, Biometrika 85:363).
"""

from __future__ import annotations

import numpy as np

from medresponse.core.machine_code import compiled
from medresponse.model.trees import SumOfTrees

LEAF, FREE = -1, -2  # in place of a feature that a node is split on: a leaf, and a place without a node
_ROOM = 15  # nodes of a tree that there is room for at first


class Ranks:
    """Values of some feature columns as whole numbers in their order.

    Parameters
    ----------
    columns : numpy.ndarray
        Feature columns, shape (patient, column).
    positions : numpy.ndarray
        Those that may be split on.

    Attributes
    ----------
    codes : numpy.ndarray
        Rank of each patient's value among the distinct ones, shape (position, patient).
    """

    def __init__(self, columns: np.ndarray, positions: np.ndarray) -> None:
        found = [np.unique(columns[:, j], return_inverse=True) for j in positions]
        self._levels = [levels for levels, _ in found]
        self.codes = np.array([codes.reshape(-1) for _, codes in found], dtype=np.int32)
        self.codes = self.codes.reshape(len(positions), len(columns))

    def threshold(self, number: int, cut: int) -> float:
        """Return the middle between the training values on both sides of a split.

        The average patient's value of an indicator is then that of its more frequent level. Values too close to have a number
        between them are told apart by the lower one: a patient at the threshold goes left.
        """
        below, above = self._levels[number][cut : cut + 2].tolist()
        middle = (below + above) / 2
        return float(middle if middle < above else below)


class Ensemble:
    """One sum of trees in one chain, as a function of some feature columns, times a basis where there is one.

    `SumOfTrees` states the law of the trees.

    Parameters
    ----------
    prior : SumOfTrees
    leaf_sd : float
        Prior standard deviation of a leaf.
    columns : numpy.ndarray
        Feature columns, shape (patient, column).
    positions : numpy.ndarray
        Which columns may be split on.
    weights : numpy.ndarray
        Prior probability of each of these, shape of `positions`.
    basis : numpy.ndarray, optional
        What the sum is multiplied by, shape (patient,).
    rng : numpy.random.Generator
    """

    def __init__(
        self, prior: SumOfTrees, *, leaf_sd: float, columns: np.ndarray, positions: np.ndarray, weights: np.ndarray,
        basis: np.ndarray | None, rng: np.random.Generator,
    ) -> None:  # fmt: skip
        from medresponse.inference.tree_moves import draw_trees  # which imports numba

        numbers, nodes = 3 * ["f8[1]"], 4 * ["i4[2]"]
        self._draw = compiled(
            draw_trees, "rng", *numbers, "i4[2]", *numbers[:2], "i8", *nodes, "f8[2]", "i4[2]", "f8[2]", "i8[1]", "b1[1]"
        )  # fmt: skip
        n, trees = len(columns), prior.trees
        self._prior, self._positions, self._rng = prior, positions, rng
        self._ranks = Ranks(columns, positions)
        self._basis = np.ones(n) if basis is None else np.ascontiguousarray(basis, dtype=float)
        self._chances = np.cumsum(weights)
        self._law = np.array([prior.grow, prior.depth_penalty, leaf_sd**2])
        self._split = np.full((trees, _ROOM), FREE, dtype=np.int32)
        self._split[:, 0] = LEAF
        self._cut: np.ndarray = np.zeros((trees, _ROOM), dtype=np.int32)
        self._left: np.ndarray = np.zeros((trees, _ROOM), dtype=np.int32)
        self._parent: np.ndarray = np.zeros((trees, _ROOM), dtype=np.int32)
        self._value: np.ndarray = np.zeros((trees, _ROOM))
        self._leaf = np.zeros((trees, n), dtype=np.int32)
        self._rows, self._seen = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)

    def sweep(self, residual: np.ndarray, precision: np.ndarray) -> None:
        """Draw every tree once.

        Parameters
        ----------
        residual : numpy.ndarray
            Latent outcome less everything fitted, shape (patient,); changed in place.
        precision : numpy.ndarray
            Of each patient's error, shape (patient,).
        """
        self._make_room()
        sums = np.zeros((3, self._split.shape[1]))
        self._draw(
            self._rng, residual, precision, self._basis, self._ranks.codes, self._chances, self._law,
            self._prior.min_patients, self._split, self._cut, self._left, self._parent, self._value, self._leaf, sums,
            self._rows, self._seen,
        )  # fmt: skip

    def function(self) -> np.ndarray:
        """Return the sum of trees at the training patients, without the basis, shape (patient,)."""
        return np.asarray(np.take_along_axis(self._value, self._leaf, axis=1).sum(axis=0))

    def nodes(self, *, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return column and value of each node, both of shape (node,), in the order of `features.Forest`.

        Columns are those of the encoding, `shift` is added to the sum.
        """
        columns, values = [], []
        level = [(tree, 0) for tree in range(self._prior.trees)]
        while level:
            children = []
            for tree, node in level:
                number = int(self._split[tree, node])
                if number < 0:
                    columns.append(-1)
                    values.append(float(self._value[tree, node]) + shift / self._prior.trees)
                else:
                    columns.append(int(self._positions[number]))
                    values.append(self._ranks.threshold(number, int(self._cut[tree, node])))
                    first = int(self._left[tree, node])
                    children += [(tree, first), (tree, first + 1)]
            level = children
        return np.array(columns, dtype=np.int32), np.array(values)

    def _make_room(self) -> None:
        """Widen the arrays if some tree has no place for two nodes more."""
        if (self._split == FREE).sum(axis=1).min() >= 2:
            return
        more = ((0, 0), (0, self._split.shape[1] + 1))
        self._split = np.pad(self._split, more, constant_values=FREE)
        self._cut, self._left, self._parent, self._value = (
            np.pad(array, more) for array in (self._cut, self._left, self._parent, self._value)
        )
