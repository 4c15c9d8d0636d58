"""What is asked, and whether the model applies to this patient: before any estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.core.small_cells import Totals, is_small
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.withheld import effective


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check: a mark (a shape, not a colour), a result and a detail."""

    name: str
    passed: bool
    mark: str
    result: str
    detail: str


@register(Section, "question")
@dataclass(frozen=True, kw_only=True)
class Question:
    """The question in one sentence, its options and population, and the applicability checks."""

    placement: ClassVar[Placement] = "full"

    title: str
    question: str
    compared: str
    caption: str
    checks: tuple[Check, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the question and the checks."""
        say, provenance = context.say, context.responses.fit.provenance
        compared = [
            say(
                "question.studied", patients=context.fmt.patients(provenance.n_patients), population=provenance.cohort_name,
                design=say(_DESIGN.get(context.responses.basis.assignment, "design.single")),
            )
        ]  # fmt: skip
        if context.others:
            options = context.fmt.joined(context.option_labels)
            compared.insert(0, say("question.options", options=options))
        checks = [
            _population(context),
            _use(context),
            *_chance(context),
            _inputs(context),
            *_declared(context),
        ]
        return cls(
            title=say("question.title"), question=_question(context), compared=" ".join(compared),
            caption=say("question.caption"), checks=tuple(checks),
        )  # fmt: skip


_DESIGN = {"randomised": "design.randomised", "observational": "design.observational"}
_COMPARE = {
    "are": "question.compare.are", "have": "question.compare.have", "events": "question.compare.events",
    "amount": "question.compare.amount",
}  # fmt: skip
_SINGLE = {
    "are": "question.single.are", "have": "question.single.have", "events": "question.single.events",
    "amount": "question.single.amount",
}  # fmt: skip


def _question(context: ReportContext) -> str:
    wording = context.wording
    parts = {"what": wording.what} | ({"among": wording.among} if wording.among else {})
    return context.say((_COMPARE if context.others else _SINGLE)[wording.noun], **parts)


def _check(name: str, passed: bool, result: str, detail: str) -> Check:
    return Check(
        name=name, passed=passed, mark="\u2713" if passed else "\u25b2", result=result, detail=detail
    )


def _population(context: ReportContext) -> Check:
    found, say, joined = context.applicability, context.say, context.fmt.joined
    outside = [context.feature_label(name) for name in found.outside]
    rare = [context.feature_label(name) for name in found.unusual_levels]
    sentences = []
    if outside:
        sentences.append(say("check.population.outside", inputs=joined(outside)))
    if rare:
        sentences.append(say("check.population.rare", inputs=joined(rare)))
    unknown = 0 < found.n_inputs == len(found.missing)
    if unknown:
        sentences = [say("check.population.nothing")]
    else:
        sentences = sentences or [say("check.population.inside")]
        sentences.append(_distance(context, found.distance_percentile))
    if found.new_groups:
        sentences.append(say("check.population.new", groups=joined(found.new_groups)))
    passed = found.within and not found.new_groups and not unknown
    return _check(say("check.population"), passed, _yes(context, passed), " ".join(sentences))


def _yes(context: ReportContext, passed: bool) -> str:
    return context.say("check.yes" if passed else "check.caution")


def _distance(context: ReportContext, percentile: float) -> str:
    if percentile >= 99:
        return context.say("check.population.beyond")
    if percentile < 50:
        return context.say("check.population.usual")
    return context.say("check.population.unusual", share=context.fmt.percent(percentile / 100))


def _use(context: ReportContext) -> Check:
    say = context.say
    name = say("check.use" if context.others else "check.use.single")
    similar = context.applicability.similar
    if context.training is None or similar is None:
        return _check(name, False, say("check.not_shown"), say("check.use.no_reference"))
    counts = context.training.counts
    sentences = []
    if context.others:
        totals: Totals = "unknown" if is_small(int(counts.sum())) else "known"
        texts = context.fmt.cells(counts.tolist(), totals=totals)
        sentences.append(say("check.use.counts", counts=_each(context, texts)))
    numbers = [effective(context, n) for n in similar]
    if context.others:
        sentences.append(say("check.use.similar", numbers=_each(context, numbers)))
    else:
        sentences.append(say("check.use.similar_single", number=numbers[0]))
    few = [
        r
        for own in context.verdict.own
        for r in own
        if r.code in ("few_similar", "few_alike", "nobody_studied")
    ]
    passed = not (few or any(n == 0 or is_small(n) for n in counts.tolist()))
    return _check(name, passed, _yes(context, passed), " ".join(sentences))


def _chance(context: ReportContext) -> list[Check]:
    """Return the check of how often patients like this one received each option, where options were chosen."""
    say, chances = context.say, context.applicability.propensity
    if context.responses.basis.assignment != "observational":
        return []
    if chances is None:
        return [
            _check(say("check.chance"), False, say("check.not_shown"), say("reason.overlap_unknown.full"))
        ]
    passed = min(chances) >= context.rules.least_propensity
    shares = _each(context, [context.fmt.percent(chance) for chance in chances])
    return [
        _check(say("check.chance"), passed, _yes(context, passed), say("check.chance.shares", shares=shares))
    ]


def _declared(context: ReportContext) -> list[Check]:
    """Return the check of declared contraindications, where there are any."""
    say = context.say
    if not context.rules.contraindications:
        return []
    against = [
        label
        for label, reasons in zip(context.option_labels, context.verdict.own, strict=True)
        if any(r.code in ("contraindicated", "contraindication_unchecked") for r in reasons)
    ]
    detail = say("check.declared.none", n=len(context.rules.contraindications))
    if against:
        detail = say("check.declared.some", options=context.fmt.joined(against))
    return [_check(say("check.declared"), not against, _yes(context, not against), detail)]


def _each(context: ReportContext, texts: Sequence[str]) -> str:
    return "; ".join(f"{label}: {text}" for label, text in zip(context.option_labels, texts, strict=True))


def _inputs(context: ReportContext) -> Check:
    found, say = context.applicability, context.say
    total, missing = found.n_inputs, [context.feature_label(name) for name in found.missing]
    if not missing:
        return _check(say("check.inputs"), True, say("check.yes"), say("check.inputs.all", total=total))
    detail = say("check.inputs.averaged", inputs=context.fmt.joined(missing))
    result = say("check.inputs.missing", missing=len(missing), total=total)
    return _check(say("check.inputs"), False, result, detail)
