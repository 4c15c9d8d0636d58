"""What the page must not be used for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section


@register(Section, "banner")
@dataclass(frozen=True, kw_only=True)
class Banner:
    """Status of the page: what it is, what was validated, what it is not for."""

    placement: ClassVar[Placement] = "full"

    lead: str
    text: str

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the banner."""
        text = context.say("banner.text", population=context.responses.fit.provenance.cohort_name)
        return cls(lead=context.say("banner.lead"), text=f"{validity(context)} {text}")


def validity(context: ReportContext) -> str:
    """Return what the validation shows, and no more: predictions came true in whom, or nothing; never that care got better."""
    made, record = context.provenance, context.validation
    if made.override or record is None:
        return context.say("validity.none")
    if made.synthetic:
        return context.say("validity.synthetic")
    if record.validated_in == made.data_hash:
        return context.say("validity.internal")
    return context.say("validity.external", population=record.population)
