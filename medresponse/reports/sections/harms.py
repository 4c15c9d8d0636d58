"""Harms on the same denominator; "not known" is a result and is printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.decisions.harms import Harm
from medresponse.reports.base import Placement, ReportContext, Section


@dataclass(frozen=True, kw_only=True)
class HarmRow:
    """One harm: what is printed for each option, in fixed order."""

    name: str
    cells: tuple[str, ...]
    individualised: str
    horizon: str
    source: str


@register(Section, "harms")
@dataclass(frozen=True, kw_only=True)
class Harms:
    """A table of harms, or the sentence that none is known."""

    placement: ClassVar[Placement] = "full"

    title: str
    statement: str
    options: tuple[str, ...]
    rows: tuple[HarmRow, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the harms."""
        if not context.harms:
            return cls(
                title=context.say("harms.title"), statement=context.say("harms.none"), options=(), rows=()
            )
        rows = tuple(_row(context, harm) for harm in context.harms)
        return cls(
            title=context.say("harms.title"),
            statement=context.say("harms.statement"),
            options=context.option_labels,
            rows=rows,
        )


def _row(context: ReportContext, harm: Harm) -> HarmRow:
    unknown = set(harm.rates) - set(context.responses.treatments)
    for treatment in sorted(unknown):
        context.responses.treatment_position(treatment)  # raises UnknownTreatmentError with the valid ones
    return HarmRow(
        name=harm.name, cells=tuple(_cell(context, harm, k) for k in range(len(context.responses.treatments))),
        individualised=context.say("value.yes" if harm.individualised else "value.no"), source=harm.source,
        horizon=harm.horizon or context.wording.by or context.say("harms.not_stated"),
    )  # fmt: skip


def _cell(context: ReportContext, harm: Harm, k: int) -> str:
    rate, fmt = harm.rates.get(context.responses.treatments[k]), context.fmt
    if rate is None:
        return context.say("harms.not_known")
    if harm.individualised and k not in context.shown:
        return context.say("withheld.mark")  # as much this patient's own estimate as any other
    return f"{fmt.count_of_100(rate.mean)} ({fmt.span(fmt.count_of_100(rate.lower), fmt.count_of_100(rate.upper))})"
