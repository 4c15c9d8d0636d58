"""Who, when, what made it: the strip at the top of the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.provenance import own_version
from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section


@register(Section, "identity")
@dataclass(frozen=True, kw_only=True)
class Identity:
    """Pseudonym, times, versions and hashes.

    Parameters
    ----------
    patient : str
        Pseudonym, never a name.
    index_time : str
        What time zero means.
    produced_utc, software, model, spec_hash, cohort, cohort_fingerprint : str
        When the page was made, by what, and the first 12 characters of the hashes of the fit and its cohort.
    language : str
        Of the page, by its own name.
    use : str
    """

    placement: ClassVar[Placement] = "full"

    patient: str
    index_time: str
    produced_utc: str
    software: str
    model: str
    spec_hash: str
    cohort: str
    cohort_fingerprint: str
    language: str
    use: str

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the strip."""
        fit = context.responses.fit
        provenance = fit.provenance
        return cls(
            patient=context.patient,
            index_time=context.say("identity.index_time"),
            produced_utc=f"{context.produced_utc[:16].replace('T', ' ')} UTC",
            software=f"medresponse {own_version()}",
            model=context.say(
                "identity.fitted", family=context.family_label, date=provenance.created_utc[:10]
            ),
            spec_hash=provenance.spec_hash[:12],
            cohort=provenance.cohort_name,
            cohort_fingerprint=provenance.cohort_fingerprint[:12],
            language=context.language.locale.get_display_name() or context.language.code,
            use=context.say("identity.use"),
        )
