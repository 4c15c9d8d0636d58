"""Performance in the groups of patients that the schema declares: calibration, benefit, coverage, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.core.small_cells import FLOOR
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.sections.validation import GateRow, gate_row
from medresponse.validation.record import ValidationRecord
from medresponse.validation.subgroups import Subgroup

COLUMNS = (
    "subgroups.column.group", "subgroups.column.n", "validation.column.gate", "validation.column.measured",
    "validation.column.limit", "validation.column.result",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SubgroupRow:
    """One group and its checks."""

    label: str
    n: str
    checks: tuple[GateRow, ...]


@register(Section, "subgroups")
@dataclass(frozen=True, kw_only=True)
class Subgroups:
    """Every group that may be shown, in the schema's order, and how many may not."""

    placement: ClassVar[Placement] = "full"

    title: str
    lead: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[SubgroupRow, ...]
    notes: tuple[str, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the table; a sentence alone where nothing was measured."""
        record, say = context.validation, context.say
        if record is None or not record.subgroups:
            lead = say("subgroups.none" if record else "subgroups.no_record")
            return cls(title=say("subgroups.title"), lead=lead, caption="", columns=(), rows=(), notes=())
        rows = tuple(_row(group, context) for group in record.subgroups if group.gates)
        return cls(
            title=say("subgroups.title"), lead=_lead(record, context), caption=say("validation.caption", method=record.method),
            columns=tuple(map(say, COLUMNS)) if rows else (), rows=rows, notes=tuple(_hidden(record, context)),
        )  # fmt: skip


def _lead(record: ValidationRecord, context: ReportContext) -> str:
    found = [gate for group in record.subgroups for gate in group.gates]
    level = context.say("number.percent", value=context.fmt.statistic(100 * record.limits.level, 4))
    return context.say(
        "subgroups.lead", passed=sum(gate.passed for gate in found), checks=len(found), level=level
    )


def _row(group: Subgroup, context: ReportContext) -> SubgroupRow:
    checks = tuple(gate_row(gate, context) for gate in group.gates)
    assert group.n is not None
    return SubgroupRow(label=_label(group, context), n=context.fmt.count(group.n), checks=checks)


def _label(group: Subgroup, context: ReportContext) -> str:
    if group.level:
        return group.label
    return f"{_column(group.column, context)}: {context.say('value.not_recorded')}"


def _column(name: str, context: ReportContext) -> str:
    known = name in context.responses.fit.schema.feature_columns
    return context.feature_label(name) if known else name


def _hidden(record: ValidationRecord, context: ReportContext) -> list[str]:
    notes = []
    for column in dict.fromkeys(group.column for group in record.subgroups):
        n = sum(group.column == column and not group.gates for group in record.subgroups)
        if n:
            notes.append(
                context.say("subgroups.hidden", n=n, column=_column(column, context), most=FLOOR - 1)
            )
    return notes
