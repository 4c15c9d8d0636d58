"""Harms on the same denominator; "not known" is a result and is printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.decisions.harms import Harm
from medresponse.reports import format as fmt
from medresponse.reports.base import Placement, ReportContext, Section

NOT_KNOWN = "not known"


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
            statement = "Not known: this model estimates no harms. That is no evidence that there are none."
            return cls(title="Harms", statement=statement, options=(), rows=())
        rows = tuple(_row(context, harm) for harm in context.harms)
        statement = "Of 100 patients, with 95% intervals. Averages of a group unless said otherwise."
        return cls(title="Harms", statement=statement, options=context.option_labels, rows=rows)


def _row(context: ReportContext, harm: Harm) -> HarmRow:
    unknown = set(harm.rates) - set(context.responses.treatments)
    for treatment in sorted(unknown):
        context.responses.treatment_position(treatment)  # raises UnknownTreatmentError with the valid ones
    return HarmRow(
        name=harm.name, cells=tuple(_cell(harm, t) for t in context.responses.treatments),
        individualised="yes" if harm.individualised else "no", source=harm.source,
        horizon=harm.horizon or context.wording.by or "not stated",
    )  # fmt: skip


def _cell(harm: Harm, treatment: str) -> str:
    rate = harm.rates.get(treatment)
    if rate is None:
        return NOT_KNOWN
    return f"{fmt.count_of_100(rate.mean)} ({fmt.span(fmt.count_of_100(rate.lower), fmt.count_of_100(rate.upper))})"
