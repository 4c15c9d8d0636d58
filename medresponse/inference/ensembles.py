"""Sums of trees under Gibbs sampling by stochtree: the one module that touches it."""

from __future__ import annotations

from typing import Any

import numpy as np

from medresponse.core.errors import FitError
from medresponse.model.trees import SumOfTrees

_CONSTANT, _TIMES_BASIS = 0, 1  # stochtree's numbers for leaf models


def require_stochtree() -> Any:
    """Return the module stochtree.

    Raises
    ------
    FitError
        If it is not installed.
    """
    try:
        import stochtree
    except ImportError as error:
        raise FitError(
            "a spec with trees needs stochtree: pip install 'medresponse[trees]'", code="missing_extra"
        ) from error
    return stochtree


class Residual:
    """Latent outcome less everything fitted so far: what the ensembles of one chain share."""

    def __init__(self, values: np.ndarray) -> None:
        self._held = require_stochtree().Residual(np.ascontiguousarray(values, dtype=float))

    @property
    def handle(self) -> Any:
        """The library's own object."""
        return self._held

    @property
    def values(self) -> np.ndarray:
        """Residuals now, shape (patient,)."""
        return np.asarray(self._held.get_residual()).reshape(-1).copy()

    def replace(self, values: np.ndarray) -> None:
        """Set the residuals."""
        self._held.update_data(np.ascontiguousarray(values, dtype=float))


class Ensemble:
    """One sum of trees in one chain, as a function of some feature columns, times a basis where there is one.

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
    residual : Residual
    seed : int
    """

    def __init__(
        self,
        prior: SumOfTrees,
        *,
        leaf_sd: float,
        columns: np.ndarray,
        positions: np.ndarray,
        weights: np.ndarray,
        basis: np.ndarray | None,
        residual: Residual,
        seed: int,
    ) -> None:
        library = require_stochtree()
        n, p = len(columns), len(positions)
        self._prior, self._positions, self._residual = prior, positions, residual
        own = np.ascontiguousarray(columns[:, positions], dtype=float)
        self._levels = [np.unique(own[:, j]) for j in range(p)]
        self._data = library.Dataset()
        self._data.add_covariates(own)
        if basis is not None:
            self._data.add_basis(np.ascontiguousarray(basis, dtype=float))
        self._data.add_variance_weights(np.ones(n))
        leaf_model = _CONSTANT if basis is None else _TIMES_BASIS
        self._constant = basis is None
        # The error variance of each patient is its weight: the global one stays at one.
        self._global = library.GlobalModelConfig(global_error_variance=1.0)
        self._config = library.ForestModelConfig(
            num_trees=prior.trees, num_features=p, num_observations=n, feature_types=np.zeros(p, dtype=int),
            variable_weights=weights, leaf_dimension=1, alpha=prior.grow, beta=prior.depth_penalty,
            min_samples_leaf=prior.min_patients, max_depth=-1, leaf_model_type=leaf_model,
            leaf_model_scale=float(leaf_sd**2),
        )  # fmt: skip
        self._sampler = library.ForestSampler(self._data, self._global, self._config)
        self._forest = library.Forest(prior.trees, 1, self._constant, False)
        # The sampler wants a place for forests to keep; what is kept here are the nodes.
        self._unused = library.ForestContainer(prior.trees, 1, self._constant, False)
        self._sampler.prepare_for_sampler(self._data, residual.handle, self._forest, leaf_model, np.zeros(1))
        self._rng = library.RNG(seed % 2**31)

    def sweep(self, precision: np.ndarray) -> None:
        """Draw every tree once given the residual and each patient's precision; the residual follows."""
        self._data.update_variance_weights(1.0 / precision)
        self._sampler.sample_one_iteration(
            self._unused, self._forest, self._data, self._residual.handle, self._rng, self._global, self._config,
            False, False,
        )  # fmt: skip

    def function(self) -> np.ndarray:
        """Return the sum of trees at the training patients, without the basis, shape (patient,)."""
        predict = self._forest.predict if self._constant else self._forest.predict_raw
        return np.asarray(predict(self._data)).reshape(-1)

    def nodes(self, *, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return column and value of each node, in the order of `features.Forest`.

        Columns are those of the encoding, `shift` is added to the sum. A threshold is moved to the middle between the
        training values on its two sides: training patients fall as before, and the average patient's value of an
        indicator is that of its more frequent level.
        """
        forest, trees = self._forest, self._prior.trees
        columns, values = [], []
        level = [(tree, 0) for tree in range(trees)]
        while level:
            children = []
            for tree, node in level:
                column = forest.node_split_index(tree, node)
                if column < 0:
                    columns.append(-1)
                    values.append(forest.node_leaf_values(tree, node)[0] + shift / trees)
                else:
                    columns.append(self._positions[column])
                    values.append(self._middle(column, forest.node_split_threshold(tree, node)))
                    children.append((tree, forest.left_child_node(tree, node)))
                    children.append((tree, forest.right_child_node(tree, node)))
            level = children
        return np.array(columns, dtype=np.int32), np.array(values)

    def _middle(self, column: int, threshold: float) -> float:
        levels = self._levels[column]
        above = int(np.searchsorted(levels, threshold, side="right"))
        if not 0 < above < len(levels):
            return threshold
        return float((levels[above - 1] + levels[above]) / 2)
