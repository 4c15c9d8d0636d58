"""Groups of patients (sites, studies), crossed or nested, as labels and as indices."""

from __future__ import annotations

import numpy as np
import polars as pl

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError
from medresponse.features.design import Layout


def group_labels(column: str, cohort: Cohort) -> list[str]:
    """Return each patient's group; for nested groups (``country/hospital``) the values of all columns, joined.

    Raises
    ------
    DataError
        If the cohort lacks a column.
    """
    names = column.split("/")
    absent = [name for name in names if name not in cohort.table.columns]
    if absent:
        raise DataError(
            f"the fit pools over {', '.join(absent)}, which the cohort lacks", code="missing_column"
        )
    return cohort.table.select(pl.concat_str(names, separator=" / ")).to_series().to_list()


def group_indices(layout: Layout, cohort: Cohort) -> dict[str, np.ndarray]:
    """Return grouping -> index of each patient's group, -1 for a group unseen in training."""
    return {g.column: g.index(group_labels(g.column, cohort)) for g in layout.groupings}
