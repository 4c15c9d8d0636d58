"""What moved this estimate away from the average patient's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import polars as pl

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.wording import Estimate
from medresponse.response import contributions

MOST = 5


@dataclass(frozen=True, kw_only=True)
class MovedRow:
    """One input with its value, and its change a column."""

    label: str
    value: str
    changes: tuple[Estimate, ...]


@register(Section, "moved")
@dataclass(frozen=True, kw_only=True)
class Moved:
    """At most five inputs, largest change first."""

    placement: ClassVar[Placement] = "half"

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[MovedRow, ...]
    note: str

    @classmethod
    def build(cls, context: ReportContext) -> Self | None:
        """Return the largest contributions; None if the model has no inputs."""
        table = contributions(context.responses, context.patient)
        if table.is_empty():
            return None
        keys = [f"benefit:{context.responses.treatments[k]}" for k in context.others] or [context.responses.treatments[0]]
        chosen = table.filter(pl.col("treatment").is_in(keys))
        largest = chosen.group_by("feature").agg(pl.col("change").abs().max()).sort(["change", "feature"], descending=[True, False])
        unit = context.wording.difference_unit
        return cls(
            title="What moved this estimate", caption=_caption(context, unit), columns=_columns(context),
            rows=tuple(_row(context, chosen, name, keys) for name in largest["feature"].head(MOST)),
            note="Association inside the model, not cause. Changes need not add up.",
        )  # fmt: skip


def _caption(context: ReportContext, unit: str) -> str:
    if not context.others:
        return f"Change in the estimate against the average patient, {unit}"
    reference = context.option_labels[context.reference_idx]
    what = "benefit over" if context.wording.direction else "difference from"
    return f"Change in {what} {reference} against the average patient, {unit}"


def _columns(context: ReportContext) -> tuple[str, ...]:
    if len(context.others) < 2:
        return ("Change (95% interval)",)
    return tuple(context.option_labels[k] for k in context.others)


def _row(context: ReportContext, table: pl.DataFrame, name: str, keys: list[str]) -> MovedRow:
    own = {row["treatment"]: row for row in table.filter(pl.col("feature") == name).iter_rows(named=True)}
    changes = tuple(context.wording.written_difference(own[k]["change"], own[k]["lower"], own[k]["upper"]) for k in keys)
    return MovedRow(label=context.feature_label(name), value=context.feature_value(name), changes=changes)
