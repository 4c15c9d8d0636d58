"""Grouped horseshoe: shrinkage that variants of a gene, and genes of a pathway, share."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medresponse.core.errors import SpecError
from medresponse.core.registry import register
from medresponse.priors.base import Column, Prior, Scales, require_positive
from medresponse.priors.half_t import half_t
from medresponse.priors.shrinkage import global_scale, slab_coefficients


@register(Prior, "grouped")
@dataclass(frozen=True, kw_only=True, slots=True)
class Grouped:
    """Regularised horseshoe whose local scales are products along each column's path of groups.

    ``coefficient = z * tau * lambda~`` as in `Horseshoe`, with ``lambda = own * gene * pathway`` for a path
    (gene, pathway): ``own ~ half-t(local_df, 1)``, and one ``half-t(group_df)`` a group, scaled to mean 1 so that
    groups move the expected non-zeros between them without changing their number. A group in which nothing
    matters is shrunk as one; a group in which one column matters frees its neighbours a little.

    A column without a path, or with a shorter one, has no scale at the levels it lacks: it is a group of one,
    which its own scale serves already. Without any path this is `Horseshoe`.

    Parameters
    ----------
    expected_nonzero : float
        p0, the number of coefficients expected to matter, over all groups; see `Horseshoe`.
    slab_scale, slab_df : float
        Size of those that do, on the scale of the linear predictor. The default believes 95% of them to lie
        within 1.4 of zero: an odds or hazard ratio between 0.25 and 4.
    group_df : float
        Degrees of freedom of the groups' half-t scales, above 1 (their mean is finite). Small values let groups
        differ more: with the default the middle 80% of groups span a factor of 16 in scale.
    local_df, global_df : float
        Degrees of freedom of the columns' own and of the global half-t scales.

    References
    ----------
    Xu, Schmidt, Makalic, Qian & Hopper (2016), AI 2016, LNCS 9992:229 (hierarchical grouped horseshoe: products
    of own, group and global half-Cauchy scales); Boss et al. (2021), arXiv:2102.10670 (what sharing a group scale
    buys with correlated columns); Piironen & Vehtari (2017), Electron J Stat 11:5018 (slab and tau0).
    """

    expected_nonzero: float
    slab_scale: float = 0.5
    slab_df: float = 4.0
    group_df: float = 4.0
    local_df: float = 1.0
    global_df: float = 1.0

    def __post_init__(self) -> None:
        for what in ("expected_nonzero", "slab_scale", "slab_df", "group_df", "local_df", "global_df"):
            require_positive(getattr(self, what), what)
        if self.group_df <= 1:
            raise ValueError("group_df must be above 1: a group's scale needs a mean")

    def coefficients(
        self, name: str, *, columns: tuple[Column, ...], dims: str, scales: Scales, positive: bool = False
    ) -> Any:
        """Add the coefficients; see `Prior.coefficients`.

        Raises
        ------
        SpecError
            If a group lies in two groups of the next coarser level.
        """
        p = len(columns)
        tau = global_scale(
            name, expected_nonzero=self.expected_nonzero, df=self.global_df, size=p, scales=scales
        )
        local = half_t(f"{name}_local", self.local_df, shape=p, dims=dims)
        for level in range(max((len(column.path) for column in columns), default=0)):
            local = local * self._group_scale(f"{name}_group_{level + 1}", columns, level)
        return slab_coefficients(
            name, tau=tau, local=local, slab_scale=self.slab_scale, slab_df=self.slab_df, size=p, dims=dims, scales=scales,
            positive=positive,
        )  # fmt: skip

    def _group_scale(self, name: str, columns: tuple[Column, ...], level: int) -> Any:
        """Add one level's scales and return each column's, 1 for a column without a group there."""
        import pymc as pm
        import pytensor.tensor as pt

        groups, index = groups_at(columns, level)
        pm.modelcontext(None).add_coord(f"{name}_label", groups)
        scale = half_t(name, self.group_df, shape=len(groups), dims=f"{name}_label")
        return pt.concatenate([scale / half_t_mean(self.group_df), pt.ones(1)])[index]

    def harder(self) -> Grouped:
        """Return the prior with half as many expected non-zeros and half the slab."""
        return replace(self, expected_nonzero=self.expected_nonzero / 2, slab_scale=self.slab_scale / 2)


def groups_at(columns: tuple[Column, ...], level: int) -> tuple[list[str], np.ndarray]:
    """Return one level's groups, in order of appearance, and each column's position among them.

    Returns
    -------
    list of str, numpy.ndarray
        The position is the number of groups for a column whose path is too short; shape (column,).

    Raises
    ------
    SpecError
        If a group lies in two groups of the next coarser level.
    """
    parents: dict[str, tuple[str, ...]] = {}
    for column in columns:
        if len(column.path) > level:
            group, above = column.path[level], column.path[level + 1 :]
            if parents.setdefault(group, above) != above:
                places = " and ".join(repr(" in ".join(p) or "nothing") for p in (parents[group], above))
                raise SpecError(
                    f"path of {column.label}: group {group!r} lies in {places}; a group has one place, so "
                    "give its columns the same path, or its parts names of their own",
                    code="overlapping_groups",
                )
    position = {group: i for i, group in enumerate(parents)}
    index = [position[c.path[level]] if len(c.path) > level else len(parents) for c in columns]
    return list(parents), np.array(index, dtype=np.int64)


def half_t_mean(df: float) -> float:
    """Return the mean of a half-t of scale 1, for `df` above 1."""
    log_ratio = math.lgamma((df + 1) / 2) - math.lgamma(df / 2)
    return 2 * math.sqrt(df / math.pi) * math.exp(log_ratio) / (df - 1)
