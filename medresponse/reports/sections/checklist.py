"""The TRIPOD+AI checklist, filled from the run and from what people declared; gaps are shown as gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.checklist import ChecklistItem, checklist
from medresponse.reports.run_facts import run_facts

Status = Literal["reported", "partly", "gap"]
COLUMNS = (
    "checklist.column.number",
    "checklist.column.item",
    "checklist.column.status",
    "checklist.column.answer",
)
STATUS: dict[Status, str] = {
    "reported": "checklist.reported", "partly": "checklist.partly", "gap": "checklist.gap",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ChecklistRow:
    """One part of an item: what is asked, whether it is answered, and the answer."""

    number: str
    text: str
    status: Status
    mark: str
    answer: str


@register(Section, "checklist")
@dataclass(frozen=True, kw_only=True)
class ChecklistSection:
    """Every item in its order, and how many are open."""

    placement: ClassVar[Placement] = "full"

    title: str
    lead: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[ChecklistRow, ...]
    n_items: int
    n_reported: int
    n_partly: int
    n_gaps: int

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the filled checklist."""
        listed, found, say = checklist("tripod_ai"), run_facts(context), context.say
        rows = tuple(_row(item, context, found) for item in listed.items)
        counts = {status: sum(row.status == status for row in rows) for status in STATUS}
        return cls(
            title=say("checklist.title", name=listed.name), caption=say("checklist.caption", source=listed.source),
            lead=say("checklist.lead", n=len(rows), reported=counts["reported"], partly=counts["partly"], gaps=counts["gap"]),
            columns=tuple(map(say, COLUMNS)), rows=rows, n_items=len(rows), n_reported=counts["reported"],
            n_partly=counts["partly"], n_gaps=counts["gap"],
        )  # fmt: skip


def _row(item: ChecklistItem, context: ReportContext, found: dict[str, str]) -> ChecklistRow:
    told = [found[name] for name in item.run if name in found]
    declared = context.facts.answers.get(item.number, "")
    complete = bool(declared) or (len(told) == len(item.run) > 0 and not item.people)
    status: Status = "reported" if complete else "partly" if told else "gap"
    text = item.text.get(context.language.code, item.text["en"])
    answer = " ".join([*told, declared]).strip() or "\N{EN DASH}"
    return ChecklistRow(
        number=item.number, text=text, status=status, mark=context.say(STATUS[status]), answer=answer
    )
