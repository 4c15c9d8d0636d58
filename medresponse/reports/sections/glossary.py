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
        terms = tuple(
            Term(term=context.say(term), meaning=context.say(meaning)) for term, meaning in _terms(context)
        )
        return cls(title=context.say("glossary.title"), terms=terms)


_ALWAYS = (
    ("glossary.like", "glossary.like.meaning"),
    ("glossary.estimate", "glossary.estimate.meaning"),
    ("glossary.interval", "glossary.interval.meaning"),
    ("glossary.average", "glossary.average.meaning"),
)
_COMPARED = (
    ("glossary.worthwhile", "glossary.worthwhile.meaning"),
    ("glossary.randomised", "glossary.randomised.meaning"),
)
_MEAN_TIME = ("glossary.mean_time", "glossary.mean_time.meaning")
# Terms that only pages on one kind of estimand use.
_OF_KIND = {
    "survival": _MEAN_TIME,
    "rmst": _MEAN_TIME,
    "cumulative_incidence": ("glossary.first_event", "glossary.first_event.meaning"),
    "time_lost": ("glossary.time_lost", "glossary.time_lost.meaning"),
    "cured": ("glossary.cured", "glossary.cured.meaning"),
    "rate": ("glossary.rate", "glossary.rate.meaning"),
    "mean": ("glossary.person", "glossary.person.meaning"),
}
_SAMPLER = ("glossary.sampler", "glossary.sampler.meaning")


def _terms(context: ReportContext) -> tuple[tuple[str, str], ...]:
    """Return the keys of each term and its meaning, in the order of the page."""
    kind = context.responses.estimand.kind
    own = (_OF_KIND[kind],) if kind in _OF_KIND else ()
    return (*_ALWAYS, *(_COMPARED if context.others else ()), *own, _SAMPLER)
