"""Options without an estimate: why, what would lift it, what is known of the group, and what it does not mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.decisions import Reason
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.withheld import group_result, lift_in_full, reason_in_full


@dataclass(frozen=True, kw_only=True)
class Why:
    """One reason in full, and what would lift it."""

    text: str
    lift: str


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """One option: its reasons, none if they are those of all options, and the group's result."""

    label: str
    mark: str
    reasons: tuple[Why, ...]
    group: str


@register(Section, "abstention")
@dataclass(frozen=True, kw_only=True)
class Abstention:
    """All withheld options in fixed order; `shared` are reasons that hold for every option."""

    placement: ClassVar[Placement] = "full"

    title: str
    meaning: str
    shared_lead: str
    shared: tuple[Why, ...]
    caption: str
    options: tuple[Withheld, ...]
    own: bool
    note: str

    @classmethod
    def build(cls, context: ReportContext) -> Self | None:
        """Return the section; None if every option is estimated."""
        verdict, say = context.verdict, context.say
        withheld = [k for k, shown in enumerate(verdict.shown) if not shown]
        if not withheld:
            return None
        options = tuple(_withheld(context, k) for k in withheld)
        studied = context.fmt.patients(context.responses.fit.provenance.n_patients)
        return cls(
            title=say("withheld.title.none" if verdict.whole else "withheld.title"), meaning=say("withheld.meaning"),
            shared_lead=say("withheld.shared") if verdict.shared else "",
            shared=tuple(_why(context, reason) for reason in verdict.shared), caption=say("withheld.caption"),
            options=options, own=any(option.reasons for option in options), note=say("withheld.note", patients=studied),
        )  # fmt: skip


def _withheld(context: ReportContext, k: int) -> Withheld:
    return Withheld(
        label=context.option_labels[k], mark=context.say("withheld.mark"), group=group_result(context, k),
        reasons=tuple(_why(context, reason) for reason in context.verdict.own[k]),
    )  # fmt: skip


def _why(context: ReportContext, reason: Reason) -> Why:
    return Why(text=reason_in_full(context, reason), lift=lift_in_full(context, reason))
