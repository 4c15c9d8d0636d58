"""A cohort's table <-> arrays: which columns are learned, in which order, and how they are encoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from medresponse.cohort import Cohort, CompetingRisks, Schema, TimeToEvent
from medresponse.cohort.roles import error_columns
from medresponse.core.small_cells import FLOOR

FEWEST = FLOOR
"""Patients below whom nothing is said: the smallest cell in US public releases (El Emam, Guide to the De-Identification
of Personal Health Information, 2013, chapter 16)."""

OTHER = "other sites"
"""Name under which sites of fewer than 11 patients are learned together; their own stay out."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One learned column.

    Parameters
    ----------
    name : str
    levels : tuple of str
        What a position means, in the order of the schema (sites in alphabetical order); empty for numbers.
    ordered : bool
        Whether the levels have an order (two always have).
    above : str, optional
        Column that this one exceeds in every patient: what is encoded is the difference.
    always : bool
        Whether draws are never missing.
    """

    name: str
    levels: tuple[str, ...] = ()
    ordered: bool = False
    above: str | None = None
    always: bool = False


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The learned columns of a cohort, in the order in which one is drawn given those before it.

    Parameters
    ----------
    schema : Schema
        Of the real cohort.
    dtypes : mapping
        Column -> polars type, in the order of the table.
    baseline, treatment, outcomes : tuple of Column
        Sites and features (with their standard errors), then the treatment, then what outcomes read: levels before
        numbers, since time depends on what ended it.
    """

    schema: Schema
    dtypes: Mapping[str, pl.DataType]
    baseline: tuple[Column, ...]
    treatment: tuple[Column, ...]
    outcomes: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """All learned columns in their order."""
        return (*self.baseline, *self.treatment, *self.outcomes)


def layout_of(cohort: Cohort) -> Layout:
    """Return how a cohort's columns are learned; one without a treatment or outcomes keeps to those that it has."""
    schema, table = cohort.schema, cohort.table
    differences = dict(_differences(schema))
    features, errors = schema.feature_columns, error_columns(schema)

    def column(name: str) -> Column:
        dtype = table.schema[name]
        feature = features.get(name)
        if dtype == pl.Float64:
            return Column(name=name, above=differences.get(name), always=name in errors)
        if dtype == pl.Boolean:
            levels: tuple[str, ...] = ("false", "true")
        elif isinstance(dtype, pl.Enum):
            levels = tuple(dtype.categories.to_list())
        else:
            levels = _sites(table[name])
        ordered = len(levels) == 2 or (feature is not None and feature.type in ("ordinal", "dosage"))
        ordinal = any(levels == o.parts and name in o.reads for o in schema.outcomes.values())
        return Column(name=name, levels=levels, ordered=ordered or ordinal)

    present = [name for name in table.columns if name != schema.id]
    reads = {name for outcome in schema.outcomes.values() for name in outcome.reads}
    treated = {schema.treatment.column} if schema.treatment else set()
    outcomes = [column(name) for name in present if name in reads]
    return Layout(
        schema=schema,
        dtypes=dict(table.schema),
        baseline=tuple(column(name) for name in present if name not in reads | treated),
        treatment=tuple(column(name) for name in present if name in treated),
        outcomes=tuple(sorted(outcomes, key=lambda c: (not c.levels, _depth(c, differences)))),
    )


def _sites(column: pl.Series) -> tuple[str, ...]:
    sizes = column.drop_nulls().value_counts().sort(column.name)
    # Made-up patients have such a site already.
    own = sizes.filter((pl.col("count") >= FEWEST) & (pl.col(column.name) != OTHER))[column.name].to_list()
    return tuple(own) if len(own) == sizes.height else (*own, OTHER)


def _differences(schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield each column that must exceed another, with the other: time after entry, end after start of an interval."""
    for outcome in schema.outcomes.values():
        if isinstance(outcome, TimeToEvent | CompetingRisks) and outcome.entry is not None:
            yield outcome.time, outcome.entry
        if isinstance(outcome, TimeToEvent) and outcome.upper is not None:
            yield outcome.upper, outcome.time


def _depth(column: Column, differences: Mapping[str, str]) -> int:
    return 0 if column.above is None else 1 + int(column.above in differences)


def encode(table: pl.DataFrame, layout: Layout) -> dict[str, np.ndarray]:
    """Return the learned columns as arrays: numbers (NaN missing) or positions of levels (-1 missing or unknown)."""
    found: dict[str, np.ndarray] = {}
    for column in layout.columns:
        series = table[column.name]
        if column.levels:
            text = series.cast(pl.String)
            if OTHER in column.levels:
                text = text.set(text.is_not_null() & ~text.is_in(list(column.levels)), OTHER)
            levels = text.cast(pl.Enum(list(column.levels)), strict=False)
            found[column.name] = levels.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
        else:
            values = series.cast(pl.Float64).fill_null(np.nan).to_numpy()
            if column.above is not None:
                values = values - table[column.above].cast(pl.Float64).fill_null(np.nan).to_numpy()
            found[column.name] = values
    return found


def decode(columns: Mapping[str, np.ndarray], layout: Layout) -> pl.DataFrame:
    """Return arrays as a table in the columns' canonical types, without ids."""
    made: dict[str, pl.Series] = {}
    for column in layout.columns:
        values = columns[column.name]
        if column.levels:
            words = [column.levels[code] if code >= 0 else None for code in values.tolist()]
            if layout.dtypes[column.name] == pl.Boolean:
                made[column.name] = pl.Series(
                    [None if w is None else w == "true" for w in words], dtype=pl.Boolean
                )
            else:
                made[column.name] = pl.Series(words, dtype=layout.dtypes[column.name])
            continue
        base = 0.0 if column.above is None else made[column.above].to_numpy()
        made[column.name] = pl.Series(values + base, dtype=pl.Float64).fill_nan(None)
    table = pl.DataFrame(made)
    for name, feature in layout.schema.feature_columns.items():
        if feature.error_column in made and name in made:
            known = pl.col(name).is_not_null()
            error = feature.error_column
            shared = sum(f.error_column == error for f in layout.schema.feature_columns.values()) > 1
            if not shared:
                table = table.with_columns(pl.when(known).then(pl.col(error)).alias(error))
    return table.select(name for name in layout.dtypes if name in made)
