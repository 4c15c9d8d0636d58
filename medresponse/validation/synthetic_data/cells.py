"""Cells of quasi-identifiers: what an outsider may know of a patient, and how few share it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from medresponse.cohort import Cohort
from medresponse.core.errors import DataError
from medresponse.core.registry import did_you_mean
from medresponse.synthetic.learned import FEWEST
from medresponse.validation.synthetic_data.risk import Tally

BAND = 5.0
"""Width of the bands in which a known number is told, in its unit (years of age)."""


def known_to_outsiders(cohort: Cohort, named: Sequence[str] | None) -> tuple[str, ...]:
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
        return tuple(named)
    ages = [
        n for n, f in cohort.schema.feature_columns.items() if "age" in (n.lower(), (f.label or "").lower())
    ]
    wanted = {*cohort.schema.groups, *cohort.schema.sites, *ages}
    return tuple(name for name in columns if name in wanted)


def cells_of(cohort: Cohort, columns: Sequence[str]) -> pl.DataFrame:
    """Return each patient's cell as text columns, numbers in bands."""
    table = cohort.table
    banded = [
        (pl.col(c) / BAND).floor() if table.schema[c] == pl.Float64 else pl.col(c).cast(pl.String)
        for c in columns
    ]
    return table.select(*banded)


def cell_check(train: Cohort, holdout: Cohort, made: Cohort, columns: Sequence[str]) -> Tally:
    """Count made-up patients who are alone in their cell and share it with 1 to 10 real ones."""
    if not columns:
        return Tally("small cells", 0, 0, 0, 0)
    own = cells_of(made, columns)
    alone = own.filter(own.is_unique())
    hits = []
    for real in (train, holdout):
        sizes = cells_of(real, columns).group_by(columns).len()
        small = sizes.filter(pl.col("len") < FEWEST)
        hits.append(alone.join(small, on=list(columns), how="semi", nulls_equal=True).height)
    return Tally("small cells", hits[0], made.n, hits[1], made.n)


def cell_table(cohort: Cohort, columns: Sequence[str]) -> pl.DataFrame:
    """Return ``columns, cells, smallest, share_below_11`` of a real cohort; a size of 1 to 10 is null."""
    rows = []
    for known in [*([c] for c in columns), list(columns)] if len(columns) > 1 else [list(columns)]:
        if not known:
            continue
        sizes = cells_of(cohort, known).group_by(known).len()["len"].to_numpy()
        smallest = int(sizes.min())
        share = float(sizes[sizes < FEWEST].sum() / cohort.n)
        hidden = 0 < share * cohort.n < FEWEST
        rows.append(
            (
                ", ".join(known),
                len(sizes),
                smallest if smallest >= FEWEST else None,
                None if hidden else share,
            )
        )
    schema = {"columns": pl.String, "cells": pl.Int64, "smallest": pl.Int64, "share_below_11": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
