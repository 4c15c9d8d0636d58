"""What a model is for, what it is not for, its limits, whom to ask, and until when it may be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.run_facts import run_facts
from medresponse.reports.sections.banner import validity


@dataclass(frozen=True, kw_only=True)
class CardFact:
    """A name and what is said under it, one text or several."""

    name: str
    values: tuple[str, ...]


@register(Section, "card")
@dataclass(frozen=True, kw_only=True)
class Card:
    """Facts on one model, in the manner of Sendak and others (2020), npj Digit Med 3:41; what nobody declared is said to be missing.

    Parameters
    ----------
    title : str
    facts : tuple of CardFact
    n_missing : int
        Facts that nobody declared.
    """

    placement: ClassVar[Placement] = "full"

    title: str
    facts: tuple[CardFact, ...]
    n_missing: int

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the facts."""
        say, facts, found = context.say, context.facts, run_facts(context)
        provenance, record = context.responses.fit.provenance, context.validation
        entries: dict[str, tuple[str, ...]] = {
            say("card.name"): (" ".join((facts.name, facts.version)).strip(),),
            say("card.intended_use"): (facts.intended_use,),
            say("card.intended_users"): (facts.intended_users,),
            say("card.not_for"): facts.not_for,
            say("card.what"): (found["output"],),
            say("card.model"): (found["model"],),
            say("card.data"): (found["source"], context.fmt.patients(provenance.n_patients)),
            say("card.inputs"): (found.get("predictors", say("making.adjusted.none")),),
            say("card.status"): (validity(context),),
            say("card.performance"): (found.get("performance", ""), found.get("subgroups", ""), *([record.population, record.method] if record else ())),
            say("card.limits"): facts.limits,
            say("card.contact"): (facts.contact,),
            say("card.expires"): (context.expires,),
        }  # fmt: skip
        kept = {name: tuple(value for value in values if value) for name, values in entries.items()}
        missing = say("card.missing")
        return cls(
            title=say("card.title"), n_missing=sum(not values for values in kept.values()),
            facts=tuple(CardFact(name=name, values=values or (missing,)) for name, values in kept.items()),
        )  # fmt: skip
