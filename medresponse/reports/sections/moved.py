"""What moved this estimate away from the average patient's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import polars as pl

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.response import contributions

MOST = 5


@dataclass(frozen=True, kw_only=True)
class Change:
    """How far one input moves one estimate: mean and 95% interval in the responses' unit, and the text."""

    mean: float
    lower: float
    upper: float
    text: str


@dataclass(frozen=True, kw_only=True)
class MovedRow:
    """One input with its value, and its change a column."""

    label: str
    value: str
    changes: tuple[Change, ...]


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
        chosen = table.filter(pl.col("treatment").is_in(_keys(context)))
        names = _largest(chosen)
        step = _step(context, chosen.filter(pl.col("feature").is_in(names)))
        rows = [_row(context, chosen, name, step) for name in names]
        nothing = context.wording.bare_difference(0.0, 0.0, 0.0, step=step)
        printed = tuple(row for row in rows if any(change.text != nothing for change in row.changes))
        note = [context.say("moved.note")]
        if len(printed) < len(rows):
            note.append(context.say("moved.note.smaller"))
        return cls(
            title=context.say("moved.title"), caption=_caption(context, context.wording.difference_unit),
            columns=_columns(context), rows=printed,
            note=" ".join(note),
        )  # fmt: skip


def _keys(context: ReportContext) -> list[str]:
    """Return the rows of `contributions` that are shown: benefits, or for a single arm the response."""
    treatments = context.responses.treatments
    return [f"benefit:{treatments[k]}" for k in context.others] or [treatments[0]]


def _largest(table: pl.DataFrame) -> list[str]:
    size = table.group_by("feature").agg(pl.col("change").abs().max())
    return size.sort(["change", "feature"], descending=[True, False])["feature"].head(MOST).to_list()


def _caption(context: ReportContext, unit: str) -> str:
    if not context.others:
        return context.say("moved.caption.estimate", unit=unit)
    if context.wording.direction:
        return context.say("moved.caption.benefit", unit=unit)
    return context.say("moved.caption.difference", unit=unit)


def _columns(context: ReportContext) -> tuple[str, ...]:
    if len(context.others) < 2:
        return (context.say("moved.change"),)
    return tuple(context.option_labels[k] for k in context.others)


def _step(context: ReportContext, table: pl.DataFrame) -> float:
    """Return one rounding step for the whole table: that of the widest interval."""
    widest = table.sort(pl.col("upper") - pl.col("lower"), descending=True).row(0, named=True)
    return context.wording.difference_step(widest["lower"], widest["upper"])


def _row(context: ReportContext, table: pl.DataFrame, name: str, step: float) -> MovedRow:
    own = {row["treatment"]: row for row in table.filter(pl.col("feature") == name).iter_rows(named=True)}
    changes = tuple(_change(context, own[key], step) for key in _keys(context))
    return MovedRow(label=context.feature_label(name), value=context.feature_value(name), changes=changes)


def _change(context: ReportContext, row: dict[str, float], step: float) -> Change:
    mean, lower, upper = row["change"], row["lower"], row["upper"]
    text = context.wording.bare_difference(mean, lower, upper, step=step)
    return Change(mean=mean, lower=lower, upper=upper, text=text)
