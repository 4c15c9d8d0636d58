"""How far to trust it: design, size, calibration, sampler, and what was not adjusted for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.sampler import sampler_failures

_ON_PAGE = 3


@dataclass(frozen=True, kw_only=True)
class Point:
    """A name and a sentence."""

    name: str
    text: str


@register(Section, "trust")
@dataclass(frozen=True, kw_only=True)
class Trust:
    """A short list; the whole of the evidence stands in the appendix."""

    placement: ClassVar[Placement] = "half"

    title: str
    points: tuple[Point, ...]

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the points."""
        points = [_design(context), _size(context), *_evidence(context), _sampler(context)]
        return cls(title=context.say("trust.title"), points=tuple(points))


_DESIGN = {"randomised": "trust.design.randomised", "observational": "trust.design.observational"}


def _design(context: ReportContext) -> Point:
    key = _DESIGN.get(context.responses.basis.assignment, "trust.design.single")
    return Point(name=context.say("trust.design"), text=context.say(key))


def _size(context: ReportContext) -> Point:
    say, provenance = context.say, context.responses.fit.provenance
    patients = context.fmt.patients(provenance.n_patients)
    inputs = say("count.inputs", n=len(context.responses.basis.adjusted_for))
    excluded = ", ".join(context.fmt.cells([n for _, n in provenance.flow], totals="unknown"))
    if excluded:
        text = say("trust.size.excluded", patients=patients, excluded=excluded, inputs=inputs)
    else:
        text = say("trust.size.all", patients=patients, inputs=inputs)
    return Point(name=say("trust.size"), text=text)


def _evidence(context: ReportContext) -> list[Point]:
    say = context.say
    if not context.evidence:
        return [Point(name=say("trust.calibration"), text=say("trust.calibration.none"))]
    return [
        Point(
            name=e.name,
            text=say("trust.evidence.detail", value=e.value, detail=e.detail)
            if e.detail
            else say("trust.evidence", value=e.value),
        )
        for e in context.evidence[:_ON_PAGE]
    ]


def _sampler(context: ReportContext) -> Point:
    say, diagnostics = context.say, context.responses.fit.diagnostics
    failures = sampler_failures(context)
    if failures:
        text = say("trust.computation.failed", failures="; ".join(failures))
    else:
        divergences = say("count.divergences", n=diagnostics.divergences)
        rhat = context.fmt.fixed(diagnostics.rhat, 3)
        text = say("trust.computation.passed", rhat=rhat, divergences=divergences)
    return Point(name=say("trust.computation"), text=text)
