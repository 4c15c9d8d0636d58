"""What the page must not be used for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section


@register(Section, "banner")
@dataclass(frozen=True, kw_only=True)
class Banner:
    """Status of the page, in two sentences."""

    placement: ClassVar[Placement] = "full"

    lead: str
    text: str

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the banner."""
        population = context.responses.fit.provenance.cohort_name
        return cls(
            lead=context.say("banner.lead"),
            text=context.say("banner.text", population=population),
        )
