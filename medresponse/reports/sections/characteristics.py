"""Who the training patients are: each input under each option, small counts suppressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl

from medresponse.cohort import Cohort
from medresponse.core.registry import register
from medresponse.core.small_cells import FLOOR
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.format import step_for


@dataclass(frozen=True, kw_only=True)
class CharacteristicsRow:
    """One input or one of its levels, a cell an option."""

    name: str
    cells: tuple[str, ...]


@register(Section, "characteristics")
@dataclass(frozen=True, kw_only=True)
class Characteristics:
    """Counts of levels; medians with quartiles of numbers, where there are enough patients."""

    placement: ClassVar[Placement] = "full"

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[CharacteristicsRow, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self | None:
        """Return the table; nothing without the training cohort."""
        if context.reference is None:
            return None
        say, parts = context.say, _by_option(context.reference)
        rows = [
            CharacteristicsRow(name=say("flow.patients"), cells=context.fmt.cells([p.height for p in parts]))
        ]
        for name in context.responses.basis.adjusted_for:
            if name in context.reference.schema.feature_columns:
                rows += _rows(name, parts, context)
        return cls(
            title=say("characteristics.title"), caption=say("characteristics.caption", most=FLOOR - 1),
            columns=(say("characteristics.input"), *context.option_labels), rows=tuple(rows),
        )  # fmt: skip


def _by_option(cohort: Cohort) -> list[pl.DataFrame]:
    if cohort.schema.treatment is None:
        return [cohort.table]
    column = cohort.schema.treatment.column
    return [cohort.table.filter(pl.col(column).cast(pl.String) == level) for level in cohort.treatments]


def _rows(name: str, parts: list[pl.DataFrame], context: ReportContext) -> list[CharacteristicsRow]:
    feature, label = context.responses.fit.schema.feature_columns[name], context.feature_label(name)
    if feature.is_discrete:
        levels = [(level, feature.labels.get(level, level)) for level in feature.level_names]
        columns = [part[name].cast(pl.String) for part in parts]
        counts = [[int((column == level).sum()) for column in columns] for level, _ in levels]
        counts.append([column.null_count() for column in columns])
        texts = context.fmt.grid(np.array(counts, dtype=np.int64))
        names = [f"{label}: {words}" for _, words in levels]
        names.append(f"{label}: {context.say('value.not_recorded')}")
        return [
            CharacteristicsRow(name=row, cells=tuple(cells))
            for row, cells in zip(names, texts, strict=True)
            if any(cell != "0" for cell in cells)
        ]
    unit = context.fmt.unit_words(feature.unit) if feature.unit else ""
    return [
        CharacteristicsRow(
            name=f"{label} ({unit})" if unit else label,
            cells=tuple(_quartiles(part[name], context) for part in parts),
        )
    ]


def _quartiles(column: pl.Series, context: ReportContext) -> str:
    """Return the median and quartiles of the recorded values; nothing on fewer patients than may be counted."""
    values, fmt = column.drop_nulls().cast(pl.Float64).to_numpy(), context.fmt
    if len(values) < FLOOR:
        return fmt.withheld
    low, middle, high = (float(q) for q in np.quantile(values, [0.25, 0.5, 0.75]))
    step = step_for(low, high)
    return f"{fmt.amount(middle, step)} ({fmt.span(fmt.amount(low, step), fmt.amount(high, step))})"
