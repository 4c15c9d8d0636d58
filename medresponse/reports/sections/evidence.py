"""All calibration and validation results that came with the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Evidence, Placement, ReportContext, Section


@register(Section, "evidence")
@dataclass(frozen=True, kw_only=True)
class EvidenceTable:
    """The evidence as it was supplied."""

    placement: ClassVar[Placement] = "appendix"

    title: str
    caption: str
    rows: tuple[Evidence, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self | None:
        """Return the table; None if nothing was supplied."""
        if not context.evidence:
            return None
        return cls(
            title=context.say("evidence.title"),
            caption=context.say("evidence.caption"),
            rows=context.evidence,
        )
