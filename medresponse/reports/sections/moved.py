"""What moved this estimate away from the average patient's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.response import NOT_RECORDED, OTHERS, Contributions, contributions

MOST = 5
_Table = dict[str, dict[str, tuple[float, float, float]]]


@dataclass(frozen=True, kw_only=True)
class Change:
    """How far one input moves one estimate: mean and 95% interval in the responses' unit, and the text."""

    mean: float
    lower: float
    upper: float
    text: str


@dataclass(frozen=True, kw_only=True)
class MovedRow:
    """One input with its value (or several together), and its change a column."""

    label: str
    value: str
    changes: tuple[Change, ...]


@register(Section, "moved")
@dataclass(frozen=True, kw_only=True)
class Moved:
    """At most five inputs, largest change first; then those not recorded, all others together, and the sum."""

    placement: ClassVar[Placement] = "half"

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[MovedRow, ...]
    note: str

    @classmethod
    def build(cls, context: ReportContext) -> Self | None:
        """Return the largest contributions; None if the model has no inputs, or all that they move is withheld."""
        if context.verdict.whole or (context.others and not context.compared):
            return None
        found = contributions(context.responses, context.patient)
        if not found.inputs:
            return None
        table = _by_input(context, found)
        step = _step(context, table)
        nothing = context.wording.bare_difference(0.0, 0.0, 0.0, step=step)
        features = context.responses.fit.encoding.names
        unknown = NOT_RECORDED in found.inputs
        rows = {n: _changes(context, table, n, step) for n in _largest(table, features)[: MOST - unknown]}
        printed = [n for n, changes in rows.items() if any(change.text != nothing for change in changes)]
        shown = [
            MovedRow(label=context.feature_label(n), value=context.feature_value(n), changes=rows[n])
            for n in printed
        ]
        n_missing = len(context.applicability.missing)
        if unknown:
            value = context.say("count.inputs", n=n_missing)
            changes = _changes(context, table, NOT_RECORDED, step)
            shown.append(MovedRow(label=context.say("moved.missing"), value=value, changes=changes))
        rest = _by_input(context, found.apart((*printed, NOT_RECORDED)))
        if shown and OTHERS in rest:
            value = context.say("count.inputs", n=len(features) - len(printed) - n_missing)
            changes = _changes(context, rest, OTHERS, step)
            shown.append(MovedRow(label=context.say("moved.others"), value=value, changes=changes))
        every = _by_input(context, found.apart(()))
        changes = _changes(context, every, OTHERS, step)
        shown.append(
            MovedRow(label=context.say("moved.sum"), value=context.say("moved.sum.of"), changes=changes)
        )
        note = [context.say("moved.note")]
        if context.responses.fit.layout.groupings:
            note.append(context.say("moved.note.site"))
        return cls(
            title=context.say("moved.title"), caption=_caption(context, context.wording.difference_unit),
            columns=_columns(context), rows=tuple(shown), note=" ".join(note),
        )  # fmt: skip


def _keys(context: ReportContext) -> list[str]:
    """Return the rows of `contributions` that are shown: benefits, or for a single arm the response."""
    treatments = context.responses.treatments
    return [f"benefit:{treatments[k]}" for k in context.compared] or [treatments[0]]


def _by_input(context: ReportContext, found: Contributions) -> _Table:
    """Return the rows that are shown: input -> row of `_keys` -> change, lower and upper."""
    names, values = found.summary()
    at = {key: names.index(key) for key in _keys(context)}
    rows = dict(zip(found.inputs, values.transpose(1, 2, 0).tolist(), strict=True))
    return {feature: {key: tuple(row[i]) for key, i in at.items()} for feature, row in rows.items()}


def _largest(table: _Table, features: tuple[str, ...]) -> list[str]:
    size = {name: max(abs(row[0]) for row in table[name].values()) for name in features if name in table}
    return sorted(size, key=lambda name: (-size[name], name))


def _caption(context: ReportContext, unit: str) -> str:
    if not context.others:
        return context.say("moved.caption.estimate", unit=unit)
    if context.wording.direction:
        return context.say("moved.caption.benefit", unit=unit)
    return context.say("moved.caption.difference", unit=unit)


def _columns(context: ReportContext) -> tuple[str, ...]:
    if len(context.others) < 2:
        return (context.say("moved.change"),)
    return tuple(context.option_labels[k] for k in context.compared)


def _step(context: ReportContext, table: _Table) -> float:
    """Return one rounding step for the whole table: that of the widest interval."""
    rows = [row for own in table.values() for row in own.values()]
    _, lower, upper = max(rows, key=lambda row: row[2] - row[1])
    return context.wording.difference_step(lower, upper)


def _changes(context: ReportContext, table: _Table, name: str, step: float) -> tuple[Change, ...]:
    return tuple(_change(context, table[name][key], step) for key in _keys(context))


def _change(context: ReportContext, row: tuple[float, float, float], step: float) -> Change:
    mean, lower, upper = row
    text = context.wording.bare_difference(mean, lower, upper, step=step)
    return Change(mean=mean, lower=lower, upper=upper, text=text)
