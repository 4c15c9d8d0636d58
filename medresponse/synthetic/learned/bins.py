"""Bins of columns that are fixed before the data are seen: by the schema's levels and ranges, or by given bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import polars as pl

from medresponse.cohort import TRANSFORMS, Schema
from medresponse.core.errors import DataError
from medresponse.synthetic.learned.columns import Column, Layout

_INVERSES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {"none": lambda x: x, "log": np.exp, "log1p": np.expm1, "sqrt": np.square}
)


@dataclass(frozen=True)
class Bins:
    """Bins of one column: levels, or equal steps between `edges` on the scale of `transform`, then missing values.

    `optional` says whether a value may be missing: never a treatment or what an outcome must have.
    """

    name: str
    n_levels: int
    edges: np.ndarray
    transform: str
    whole: bool
    optional: bool

    @property
    def n(self) -> int:
        """Bins of values."""
        return self.n_levels or len(self.edges) - 1

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Return the bin of each encoded value, the last one for missing; values outside the bounds are in the end bins."""
        if self.n_levels:
            return np.where(values < 0, self.n, values)
        missing = np.isnan(values)
        low, high = (_INVERSES[self.transform](self.edges[i]) for i in (0, -1))
        scaled = TRANSFORMS[self.transform](np.clip(np.where(missing, low, values), low, high))
        inside = np.clip(np.searchsorted(self.edges, scaled, side="right") - 1, 0, self.n - 1)
        return np.where(missing, self.n, inside)

    def count(self, values: np.ndarray) -> np.ndarray:
        """Return how many values each bin has, missing ones last if there may be any."""
        return np.bincount(self.codes(values), minlength=self.n + 1)[: self.n + self.optional]

    def values(self, chosen: np.ndarray, missing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return encoded values from bins, spread evenly on the scale of the transform."""
        if self.n_levels:
            return np.where(missing, -1, chosen)
        within = self.edges[chosen] + rng.uniform(size=len(chosen)) * (self.edges[1] - self.edges[0])
        raw = _INVERSES[self.transform](within)
        return np.where(missing, np.nan, np.round(raw) if self.whole else raw)


def bins_of(layout: Layout, *, bounds: Mapping[str, tuple[float, float]], n_bins: int) -> tuple[Bins, ...]:
    """Return the bins of every column.

    Raises
    ------
    DataError
        If a column's bounds or levels could only come from the data; one message names them all.
    """
    problems = list(_unbounded(layout, bounds))
    if problems:
        raise DataError(
            f"bounds must be known without the data: {'; '.join(problems)}", code="unbounded_column"
        )
    return tuple(_bins(column, layout.schema, bounds, n_bins) for column in layout.columns)


def _range(
    name: str, schema: Schema, bounds: Mapping[str, tuple[float, float]]
) -> tuple[float, float] | None:
    if name in bounds:
        return bounds[name]
    feature = schema.feature_columns.get(name)
    if feature is not None:
        return feature.range
    for outcome in schema.outcomes.values():
        if name in outcome.reads and getattr(outcome, "range", None) is not None:
            return tuple(getattr(outcome, "range"))  # noqa: B009
    return None


def _unbounded(layout: Layout, bounds: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    columns = {column.name: column for column in layout.columns}
    for name in bounds:
        if name not in columns or columns[name].levels:
            yield f"bounds: {name} is no column of numbers"
    for name, column in columns.items():
        if layout.dtypes[name] == pl.String:
            yield f"column {name}: its names are not in the schema; take it out of sites"
        if column.levels:
            continue
        limits = _range(name, layout.schema, bounds)
        if limits is None:
            yield f"column {name}: give a range in the schema, or bounds"
        elif not np.isfinite(
            TRANSFORMS[_transform(name, layout.schema)](np.array(limits, dtype=float))
        ).all():
            yield f"column {name}: its bounds have no finite {_transform(name, layout.schema)}"


def _transform(name: str, schema: Schema) -> str:
    feature = schema.feature_columns.get(name)
    return "none" if feature is None else feature.transform


def _bins(column: Column, schema: Schema, bounds: Mapping[str, tuple[float, float]], n_bins: int) -> Bins:
    optional = column.name in schema.feature_columns or any(
        o.reads[column.name].may_be_empty for o in schema.outcomes.values() if column.name in o.reads
    )
    if column.levels:
        return Bins(column.name, len(column.levels), np.empty(0), "none", False, optional)
    transform = _transform(column.name, schema)
    limits = _range(column.name, schema, bounds)
    assert limits is not None
    low, high = TRANSFORMS[transform](np.array(limits, dtype=float))
    feature = schema.feature_columns.get(column.name)
    counted = any(
        o.kind == "count" and getattr(o, "column", None) == column.name for o in schema.outcomes.values()
    )
    whole = counted or (feature is not None and feature.unit == "count")
    return Bins(column.name, 0, np.linspace(low, high, n_bins + 1), transform, whole, optional)
