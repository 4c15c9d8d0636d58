"""The words of the page, explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section


@dataclass(frozen=True, kw_only=True)
class Term:
    """A term and its meaning."""

    term: str
    meaning: str


@register(Section, "glossary")
@dataclass(frozen=True, kw_only=True)
class Glossary:
    """Only the terms that this report uses."""

    placement: ClassVar[Placement] = "appendix"

    title: str
    terms: tuple[Term, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the terms."""
        return cls(
            title="Words used", terms=tuple(Term(term=t, meaning=m) for t, m in _terms(context).items())
        )


_MEAN_TIME = (
    "average time within a horizon",
    "time free of the event, counted up to the horizon and averaged (restricted mean time).",
)
# Terms that only pages on one kind of estimand use.
_OF_KIND = {
    "survival": _MEAN_TIME,
    "rmst": _MEAN_TIME,
    "cumulative_incidence": (
        "first event",
        "the events exclude each other: a patient counts once, for the one that came first.",
    ),
    "time_lost": (
        "average time lost",
        "time from the event to the horizon, 0 for patients without it, averaged (restricted mean time lost).",
    ),
    "cured": (
        "never going to have",
        "an extrapolation: follow-up ends, and the model says how many would stay free of the event for ever.",
    ),
    "rate": (
        "patient-years (or days, weeks, months)",
        "time under observation added up over patients: 100 patients for a year each are 100 patient-years.",
    ),
    "mean": (
        "one patient\u2019s own value",
        "adds to what is unknown of the average how much single patients differ from it.",
    ),
}


def _terms(context: ReportContext) -> dict[str, str]:
    terms = {
        "patients like this one": "patients with the same inputs, as far as the model knows them.",
        "best estimate": "the average of all values that the data and the model leave possible.",
        "95% interval": "given the data and the model, the value lies inside with probability 95%. It does not cover errors of the "
        "model itself, nor patients outside the studied population.",
        "average patient": "each input alone set to its average over the studied patients.",
    }  # fmt: skip
    if context.others:
        terms["worthwhile"] = (
            "at least as large a benefit as was fixed beforehand as the smallest that matters."
        )
        terms["randomised"] = "options were allocated by chance; observational: they were chosen."
    if context.responses.estimand.kind in _OF_KIND:
        term, meaning = _OF_KIND[context.responses.estimand.kind]
        terms[term] = meaning
    terms["R-hat, effective draws, divergences"] = (
        "signs of whether the computation worked; not of whether the model is right."
    )
    return terms
