"""One tree and what its leaves hold: positions of levels, or ranks of numbers with a kernel density of their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri


@dataclass(frozen=True)
class Leaves:
    """A tree (None: a single leaf) and what its leaves hold: `values` from `start`, `size` of them, by node."""

    tree: Any
    values: np.ndarray
    start: np.ndarray
    size: np.ndarray

    def nodes(self, x: np.ndarray) -> np.ndarray:
        """Return the leaf of each row of predictors."""
        return np.zeros(len(x), dtype=np.int64) if self.tree is None else self.tree.apply(x)

    def draw(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return one value for each row of predictors, from its leaf."""
        node = self.nodes(x)
        chosen = self.start[node] + (rng.uniform(size=len(x)) * self.size[node]).astype(np.int64)
        return self.values[chosen]


@dataclass(frozen=True)
class ScoreLeaves:
    """Leaves that hold ranks of `n` numbers; `mean` and `sd` of their normal scores, by node."""

    leaves: Leaves
    n: int
    mean: np.ndarray
    sd: np.ndarray

    def draw(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the ranks of donors and probabilities from the leaf's density around them, shape (2, patient)."""
        rank, node = self.leaves.draw(x, rng), self.leaves.nodes(x)
        mean, sd = self.mean[node], self.sd[node]
        # Silverman's width for a Gaussian kernel, equation 3.31; shrinking towards the mean keeps the variance.
        width = 0.9 * self.leaves.size[node] ** -0.2
        score = ndtri((rank + 0.5) / self.n)
        near = mean + (score - mean + sd * width * rng.standard_normal(len(x))) / np.sqrt(1 + width**2)
        return np.stack([rank, ndtr(near)])


def grow(
    x: np.ndarray, values: np.ndarray, *, leaf: int, gain: float, seed: int, target: np.ndarray | None = None
) -> Leaves:
    """Grow a tree that explains `target` (regression) or, without one, `values` as classes.

    A split must lower the variance, or Gini's impurity, by `gain` times that of one patient at the root: on the scale
    of a chi-square with one degree of freedom, since that is the share of it that a split of noise explains.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    y = values if target is None else target
    if not x.shape[1] or len(x) < 2 * leaf or np.ptp(y) == 0:
        return Leaves(None, values, np.array([0]), np.array([len(values)]))
    kind = DecisionTreeClassifier if target is None else DecisionTreeRegressor
    root = 1 - ((np.unique_counts(y).counts / len(y)) ** 2).sum() if target is None else y.var()
    least = gain * root / len(y)
    tree = kind(min_samples_leaf=leaf, min_impurity_decrease=least, random_state=seed).fit(x, y)
    node = tree.apply(x)
    size = np.bincount(node, minlength=tree.tree_.node_count)
    return Leaves(
        tree, values[np.argsort(node, kind="stable")], np.concatenate([[0], np.cumsum(size)[:-1]]), size
    )


def grow_scores(x: np.ndarray, rank: np.ndarray, *, n: int, leaf: int, gain: float, seed: int) -> ScoreLeaves:
    """Grow a tree that explains the normal scores of ranks among `n`."""
    score = ndtri((rank + 0.5) / n)
    leaves = grow(x, rank, leaf=leaf, gain=gain, seed=seed, target=score)
    node, size = leaves.nodes(x), np.maximum(leaves.size, 1)
    mean = np.bincount(node, weights=score, minlength=len(size)) / size
    spread = np.bincount(node, weights=(score - mean[node]) ** 2, minlength=len(size)) / size
    return ScoreLeaves(leaves, n, mean, np.sqrt(spread))


def draw_by_arm[T: (Leaves, ScoreLeaves)](
    trees: Mapping[int, T], arms: np.ndarray, x: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draw with the tree of each patient's arm; that of -1 is for arms without one. The last axis is the patient."""
    drawn = trees[-1].draw(x, rng)
    for code, own in trees.items():
        rows = arms == code
        if code != -1 and rows.any():
            drawn[..., rows] = own.draw(x[rows], rng)
    return drawn
