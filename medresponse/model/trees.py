"""Sums of regression trees as terms of a model: plain data, no sampler."""

from __future__ import annotations

from dataclasses import dataclass, field

from medresponse.cohort import BLOCKS


@dataclass(frozen=True, kw_only=True)
class SumOfTrees:
    """Prior of one sum of regression trees (Chipman, George & McCulloch 2010, Ann Appl Stat 4:266, section 2.2).

    A tree grows from its root: a node is split or not, by a feature (each as likely as any other; a categorical one's columns
    share its chance) and a threshold at any of the distinct values among the node's patients but the largest, each as likely.
    The prior is the law of such trees *given that every split has at least `min_patients` training patients on both sides* (and
    a feature with two values there): trees with a split that fails are drawn again as a whole. Leaves are normal.

    Parameters
    ----------
    trees : int
    grow : float
        Probability that the root of a tree is split, before the condition above.
    depth_penalty : float
        A node at depth d is split with probability ``grow * (1 + d) ** -depth_penalty``. With a penalty well below 1 most
        trees fail the condition somewhere, and those that hold are small.
    scale : float
        Standard deviation of the sum at any one patient, in units of the family's `latent_sd` (the outcome's standard
        deviation for a gaussian family, 1.81 for log odds). Each tree's leaves have ``scale / sqrt(trees)``.
    min_patients : int
        Fewest training patients in a leaf.
    """

    trees: int = 200
    grow: float = 0.95
    depth_penalty: float = 2.0
    scale: float = 1.0
    min_patients: int = 5

    def __post_init__(self) -> None:
        if self.trees < 1 or self.min_patients < 1:
            raise ValueError("trees and min_patients must be at least 1")
        if not 0 < self.grow < 1:
            raise ValueError("grow must lie between 0 and 1")
        if not 0 <= self.depth_penalty < float("inf") or not 0 < self.scale < float("inf"):
            raise ValueError("depth_penalty must not be negative, scale must be positive, both finite")


@dataclass(frozen=True, kw_only=True)
class Trees:
    """Prognosis and effect modification as separate sums of trees over whole blocks of features.

    ``eta_ik = linear part + mu(x_i) + sum_j c_kj tau_j(x_i)``, with one function tau a treatment contrast (Hahn, Murray
    & Carvalho 2020, Bayesian Anal 15:965). Both functions average zero over the training patients: the intercept and
    the treatment effects of the linear part hold their means. The propensity score, where the spec asks for one, is a
    further feature of mu (there, equation 3) in place of its line and curve.

    Parameters
    ----------
    blocks : tuple of str
        Blocks whose features the trees may split on. A block is either here or, with a prior, among the spec's linear
        `blocks`: what a line and a tree share could not be told apart.
    prognostic : SumOfTrees
    predictive : SumOfTrees, optional
        Of each contrast, shrunk harder by default: a quarter of the trees, half the scale, and at least half of the
        trees have no split. None for no effect modification by these blocks.
    """

    blocks: tuple[str, ...]
    prognostic: SumOfTrees = field(default_factory=SumOfTrees)
    predictive: SumOfTrees | None = field(default_factory=lambda: SumOfTrees(trees=50, grow=0.5, scale=0.5))

    def __post_init__(self) -> None:
        if not self.blocks:
            raise ValueError("blocks names no block; trees need features to split on")
        for block in self.blocks:
            if block not in BLOCKS:
                raise ValueError(f"no block {block!r}; valid are {', '.join(BLOCKS)}")
        if len(set(self.blocks)) < len(self.blocks):
            raise ValueError("blocks names a block twice")
