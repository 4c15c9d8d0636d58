"""What the graph is made of: the columns' blocks, the layout of the coefficients, and the data."""

from __future__ import annotations

from dataclasses import dataclass

from medresponse.families import Arrays
from medresponse.features import Curve, Layout
from medresponse.priors import TreatmentLevel


@dataclass(frozen=True, kw_only=True)
class Design:
    """Everything that a PyMC model of a spec depends on.

    Parameters
    ----------
    column_blocks : tuple of str
        Block of each feature column.
    column_paths : tuple of tuple of str
        Groups that each column belongs to, from fine to coarse.
    curves : tuple of Curve
    layout : Layout
    levels : tuple of TreatmentLevel
        The treatments, in the order of the layout's contrasts.
    predictors : tuple of str
        Names of the family's linear predictors. Each has coefficients of its own under the same priors.
    data : tuple of mappings
        What the likelihood reads, one mapping an imputation.
    """

    column_blocks: tuple[str, ...]
    column_paths: tuple[tuple[str, ...], ...]
    curves: tuple[Curve, ...]
    layout: Layout
    levels: tuple[TreatmentLevel, ...]
    predictors: tuple[str, ...]
    data: tuple[Arrays, ...]
