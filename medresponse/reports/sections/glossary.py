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
    if context.responses.estimand.kind == "survival":
        terms["average time within a horizon"] = (
            "time free of the event, counted up to the horizon and averaged (restricted mean time)."
        )
    if context.responses.estimand.kind == "mean":
        terms["one patient\u2019s own value"] = (
            "adds to what is unknown of the average how much single patients differ from it."
        )
    terms["R-hat, effective draws, divergences"] = (
        "signs of whether the computation worked; not of whether the model is right."
    )
    return terms
