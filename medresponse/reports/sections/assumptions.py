"""What an estimate assumes, in plain words, and what of it was checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section

_TIMED = {"survival", "rmst", "cured", "cumulative_incidence", "time_lost"}
_NOT_MET = {"nobody_studied", "few_similar", "few_alike", "rarely_given", "overlap_unknown"}


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """One assumption: its name, what it means for this page, and whether it was checked."""

    name: str
    meaning: str
    checked: str


@register(Section, "assumptions")
@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """The quantity estimated, and the assumptions in the order consistency, exchangeability, positivity, others.

    Hernán & Robins (2020), Causal Inference: What If, chapters 1 to 3, 12 and 17.
    """

    placement: ClassVar[Placement] = "appendix"

    title: str
    lead: str
    items: tuple[Assumption, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self | None:
        """Return the assumptions; None if nothing is estimated."""
        if context.verdict.whole:
            return None
        key = "assumptions.lead.compare" if context.others else "assumptions.lead.single"
        lead = context.say(key, population=context.responses.fit.provenance.cohort_name)
        return cls(title=context.say("assumptions.title"), lead=lead, items=tuple(_items(context)))


def _items(context: ReportContext) -> Iterator[Assumption]:
    say, made = context.say, context.responses.fit.provenance
    not_checked = say("assumptions.not_checked")
    if context.others:
        meaning, checked = say("assumptions.consistency.meaning"), say("assumptions.no_data")
        yield Assumption(name=say("assumptions.consistency"), meaning=meaning, checked=checked)
        yield _exchangeability(context)
    yield _positivity(context)
    if context.responses.estimand.kind in _TIMED:
        meaning = say("assumptions.censoring.meaning")
        yield Assumption(name=say("assumptions.censoring"), meaning=meaning, checked=not_checked)
    if made.imputations > 1 or context.applicability.missing:
        meaning = say("assumptions.missing.meaning")
        yield Assumption(name=say("assumptions.missing"), meaning=meaning, checked=not_checked)
    yield _form(context)
    yield Assumption(
        name=say("assumptions.patient"), meaning=say("assumptions.patient.meaning", population=made.cohort_name),
        checked=say("assumptions.patient.checked"),
    )  # fmt: skip


def _exchangeability(context: ReportContext) -> Assumption:
    say, name = context.say, context.say("assumptions.exchangeability")
    if context.responses.basis.assignment == "randomised":
        meaning = say("assumptions.exchangeability.randomised")
        return Assumption(name=name, meaning=meaning, checked=say("assumptions.exchangeability.by_lot"))
    inputs = say("count.inputs", n=len(context.responses.basis.adjusted_for))
    meaning = say("assumptions.exchangeability.observational", inputs=inputs)
    # E-values stand on page 1, but not of differences between times.
    hidden = context.compared and context.responses.kind.unit != "time"
    key = "assumptions.exchangeability.e_value" if hidden else "assumptions.no_data"
    return Assumption(name=name, meaning=meaning, checked=say(key))


def _positivity(context: ReportContext) -> Assumption:
    say, name = context.say, context.say("assumptions.positivity")
    key = "assumptions.positivity.meaning" if context.others else "assumptions.positivity.single"
    meaning = say(key)
    if context.applicability.similar is None:
        return Assumption(name=name, meaning=meaning, checked=say("assumptions.positivity.unknown"))
    failed = [any(reason.code in _NOT_MET for reason in own) for own in context.verdict.own]
    met = [label for label, bad in zip(context.option_labels, failed, strict=True) if not bad]
    unmet = [label for label, bad in zip(context.option_labels, failed, strict=True) if bad]
    if not context.others:
        return Assumption(name=name, meaning=meaning, checked=say("assumptions.positivity.found"))
    sentences = [say("assumptions.positivity.met", options=context.fmt.joined(met))] if met else []
    if unmet:
        sentences.append(say("assumptions.positivity.unmet", options=context.fmt.joined(unmet)))
    return Assumption(name=name, meaning=meaning, checked=" ".join(sentences))


def _form(context: ReportContext) -> Assumption:
    say, record = context.say, context.validation
    checked = say("assumptions.not_checked")
    if record is not None and not context.provenance.override:
        checked = say("assumptions.form.checked", patients=context.fmt.patients(record.n_patients))
    return Assumption(name=say("assumptions.form"), meaning=say("assumptions.form.meaning"), checked=checked)
