"""What is otherwise than in the report that this one replaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from medresponse.core.codec import to_plain
from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.format import clean
from medresponse.reports.sections.inputs import Inputs
from medresponse.reports.sections.making import Making
from medresponse.reports.sections.numbers import Numbers
from medresponse.reports.sections.question import Question

_COMPARED = {"question": Question, "inputs": Inputs, "numbers": Numbers, "making": Making}
COLUMNS = ("changes.what", "changes.before", "changes.now")


@dataclass(frozen=True, kw_only=True)
class ChangeRow:
    """One thing that is said otherwise; or that one of the two reports does not state."""

    label: str
    before: str
    now: str


@register(Section, "changes")
@dataclass(frozen=True, kw_only=True)
class Changes:
    """Question, inputs, estimates (mean and 95% interval) and making, as both reports print them.

    Parameters
    ----------
    replaced : str
        SHA-256 that the earlier report's JSON ends with.
    """

    placement: ClassVar[Placement] = "appendix"

    title: str
    lead: str
    replaced: str
    columns: tuple[str, ...]
    rows: tuple[ChangeRow, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self | None:
        """Return the differences; None if no report is replaced."""
        earlier, say = context.earlier, context.say
        if earlier is None:
            return None
        alike = earlier.plain["language"] == context.language.code
        rows = _differences(context, earlier.plain["sections"]) if alike else ()
        key = "changes.lead" if rows else "changes.none" if alike else "changes.language"
        made = earlier.plain["provenance"]["produced_utc"][:16].replace("T", " ")
        return cls(
            title=say("changes.title"), lead=say(key, made=made, checksum=earlier.checksum), replaced=earlier.checksum,
            columns=tuple(say(column) for column in COLUMNS) if rows else (), rows=rows,
        )  # fmt: skip


def _differences(context: ReportContext, before: Mapping[str, Any]) -> tuple[ChangeRow, ...]:
    rows, absent = [], context.say("changes.absent")
    for name, kind in _COMPARED.items():
        built = kind.build(context)  # type: ignore[attr-defined]
        old = _told(name, before.get(name))
        new = {clean(label): clean(text) for label, text in _told(name, to_plain(built)).items()}
        rows += [
            ChangeRow(
                label=label,
                before=old.get(label, absent),
                now=new.get(label, absent),
            )
            for label in dict.fromkeys([*new, *old])
            if old.get(label) != new.get(label)
        ]
    return tuple(rows)


def _told(name: str, section: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what a section says, by label; nothing if it is not there."""
    if section is None:
        return {}
    if name == "question":
        return {section["title"]: section["question"]}
    if name == "making":
        return {fact["name"]: fact["value"] for fact in section["facts"]}
    if name == "inputs":
        return {row["label"]: row["value"] for row in section["rows"]}
    return {row["label"]: f"{row['cells'][0]} ({row['cells'][-1]})" for row in section["rows"]}
