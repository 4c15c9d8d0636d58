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
            lead="Research use only \N{EM DASH} not a recommendation.",
            text="Not validated for clinical use. Estimates come from a statistical model, not from this patient\u2019s own "
            f"response. Not for emergencies, nor for patients unlike those of {population}.",
        )
