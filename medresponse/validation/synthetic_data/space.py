"""Real and made-up patients of one schema in one space, on scales of the real ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medresponse.cohort import TRANSFORMS, Cohort
from medresponse.synthetic.learned.columns import Column, Layout, encode, layout_of

_AT_ONCE = 4_000_000  # distances held at a time, 32 MB


def row_blocks(rows: int, width: int) -> Iterator[slice]:
    """Yield slices of `rows` rows, each of `width` distances, so that a large cohort needs no more memory than a small one."""
    size = max(1, _AT_ONCE // max(width, 1))
    yield from (slice(start, start + size) for start in range(0, rows, size))


@dataclass(frozen=True)
class Block:
    """One column of some patients.

    Parameters
    ----------
    column : Column
    values : numpy.ndarray
        Numbers (NaN missing) or positions of levels (-1 missing), shape (patient,).
    coordinates : numpy.ndarray
        Shape (patient, coordinate); an L1 distance of 1 is one standard deviation of the real patients, another level, or
        missing against not.
    """

    column: Column
    values: np.ndarray
    coordinates: np.ndarray


@dataclass(frozen=True)
class Space:
    """Scales learned from a real cohort: mean and standard deviation of each column of numbers, as transformed."""

    layout: Layout
    scales: dict[str, tuple[float, float]]

    def blocks(self, cohort: Cohort) -> tuple[Block, ...]:
        """Return the columns of a cohort in the layout's order."""
        found = encode(cohort.table, self.layout)
        return tuple(
            Block(c, found[c.name], self._coordinates(c, found[c.name])) for c in self.layout.columns
        )

    def seen_by(self, train: Cohort) -> Space:
        """Return the space in which sites that are small in `train` are one, as a generator that learns from it has them."""
        return Space(layout_of(train), self.scales)

    def matrix(self, cohort: Cohort) -> np.ndarray:
        """Return the coordinates of all columns, shape (patient, coordinate)."""
        return np.column_stack([block.coordinates for block in self.blocks(cohort)])

    def _coordinates(self, column: Column, values: np.ndarray) -> np.ndarray:
        if column.levels:
            # Two patients of different levels differ in two indicators.
            return 0.5 * (values[:, None] == np.arange(-1, len(column.levels)))
        mean, sd = self.scales[column.name]
        missing = np.isnan(values)
        scaled = (self._transformed(column, values) - mean) / sd
        return np.column_stack([np.where(missing, 0.0, scaled), missing])

    def _transformed(self, column: Column, values: np.ndarray) -> np.ndarray:
        feature = self.layout.schema.feature_columns.get(column.name)
        return TRANSFORMS[feature.transform](values) if feature is not None else values


def space_of(cohort: Cohort) -> Space:
    """Learn the scales from a real cohort."""
    layout = layout_of(cohort)
    space = Space(layout, {})
    for name, values in encode(cohort.table, layout).items():
        column = next(c for c in layout.columns if c.name == name)
        if not column.levels:
            transformed = space._transformed(column, values)
            space.scales[name] = (float(np.nanmean(transformed)), float(np.nanstd(transformed)) or 1.0)
    return space
