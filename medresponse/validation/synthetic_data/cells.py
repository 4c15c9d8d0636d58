"""Cells of quasi-identifiers: what an outsider may know of a patient, and how few share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError
from medresponse.core.registry import did_you_mean
from medresponse.synthetic.learned import FEWEST
from medresponse.validation.synthetic_data.risk import Tally

YEARS = 5.0
"""Width of the bands in which a known number of years is told."""

_SDS = 0.5  # width for other numbers, in standard deviations of the real patients

type Known = Mapping[str, float | None]
"""Column an outsider may know -> width of the bands in which a number is told; None for what is no number."""


def known_to_outsiders(cohort: Cohort, named: Sequence[str] | None) -> Known:
    """Return the columns an outsider may know: those named, or the schema's groups, the sites, and age.

    Raises
    ------
    DataError
        If a named column is not in the cohort.
    """
    columns = [name for name in cohort.table.columns if name != cohort.schema.id]
    if named is not None:
        unknown = [name for name in named if name not in columns]
        if unknown:
            raise DataError(
                f"quasi_identifiers: no column {unknown[0]!r}; {did_you_mean(unknown[0], columns)}",
                code="unknown_column",
            )
        return {name: _width(cohort, name) for name in named}
    ages = [
        n for n, f in cohort.schema.feature_columns.items() if "age" in (n.lower(), (f.label or "").lower())
    ]
    wanted = {*cohort.schema.groups, *cohort.schema.sites, *ages}
    return {name: _width(cohort, name) for name in columns if name in wanted}


def _width(cohort: Cohort, name: str) -> float | None:
    if cohort.table.schema[name] != pl.Float64:
        return None
    feature = cohort.schema.feature_columns.get(name)
    if feature is not None and feature.unit == "year":
        return YEARS
    return _SDS * float(np.nan_to_num(cohort.table[name].drop_nulls().to_numpy().std())) or 1.0


def cells_of(cohort: Cohort, known: Known) -> pl.DataFrame:
    """Return each patient's cell, numbers in bands."""
    return cohort.table.select(
        (pl.col(c) / width).floor() if width else pl.col(c).cast(pl.String) for c, width in known.items()
    )


def cell_check(train: Cohort, holdout: Cohort, made: Cohort, known: Known) -> Tally:
    """Count made-up patients who are alone in their cell and share it with 1 to 10 real ones."""
    if not known:
        return Tally("small cells", 0, 0, 0, 0)
    own = cells_of(made, known)
    alone = own.filter(own.is_unique())
    hits = []
    for real in (train, holdout):
        sizes = cells_of(real, known).group_by(list(known)).len()
        small = sizes.filter(pl.col("len") < FEWEST)
        hits.append(alone.join(small, on=list(known), how="semi", nulls_equal=True).height)
    return Tally("small cells", hits[0], made.n, hits[1], made.n)


def cell_table(cohort: Cohort, known: Known) -> pl.DataFrame:
    """Return ``columns, cells, smallest, share_below_11`` of a real cohort; a size of 1 to 10 is null."""
    rows = []
    for some in [*([c] for c in known), list(known)] if len(known) > 1 else [list(known)]:
        if not some:
            continue
        sizes = cells_of(cohort, {c: known[c] for c in some}).group_by(some).len()["len"].to_numpy()
        smallest = int(sizes.min())
        share = float(sizes[sizes < FEWEST].sum() / cohort.n)
        hidden = 0 < share * cohort.n < FEWEST
        rows.append(
            (
                ", ".join(some),
                len(sizes),
                smallest if smallest >= FEWEST else None,
                None if hidden else share,
            )
        )
    schema = {"columns": pl.String, "cells": pl.Int64, "smallest": pl.Int64, "share_below_11": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
