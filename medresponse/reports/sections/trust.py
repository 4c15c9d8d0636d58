"""How far to trust it: design, size, calibration, sampler, and what was not adjusted for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports import format as fmt
from medresponse.reports.base import Evidence, Placement, ReportContext, Section

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
        points = [_design(context), _size(context), *_evidence(context.evidence), _sampler(context)]
        return cls(title="How far to trust it", points=tuple(points))


def _design(context: ReportContext) -> Point:
    assignment = context.responses.basis.assignment
    text = {
        "randomised": "randomised, so the average difference is the options\u2019 own; how it varies with a patient\u2019s "
        "inputs rests on the model.",
        "observational": "observational, doctors and patients chose: differences may come from who was given what.",
    }.get(assignment, "one group, no comparison; nothing here says what a change of treatment would do.")
    return Point(name="Design", text=text)


def _size(context: ReportContext) -> Point:
    provenance = context.responses.fit.provenance
    excluded = fmt.suppress([n for _, n in provenance.flow], total_known=False)
    out = (
        f"left out: {', '.join(excluded)} (reasons in the appendix)" if excluded else "none left out by rule"
    )
    inputs = f"nothing beyond the {len(context.responses.basis.adjusted_for)} inputs of the appendix is adjusted for"
    return Point(name="Learned from", text=f"{fmt.count(provenance.n_patients)} patients, {out}; {inputs}.")


def _evidence(evidence: tuple[Evidence, ...]) -> list[Point]:
    if not evidence:
        return [
            Point(
                name="Calibration",
                text="no result was supplied: how well such predictions come true is not shown here.",
            )
        ]
    return [
        Point(name=e.name, text=f"{e.value} ({e.detail})." if e.detail else f"{e.value}.")
        for e in evidence[:_ON_PAGE]
    ]


def _sampler(context: ReportContext) -> Point:
    d = context.responses.fit.diagnostics
    if not d.passed:
        return Point(name="Computation", text=f"FAILED its checks: {'; '.join(d.failures)}. Do not use.")
    return Point(
        name="Computation",
        text=f"all sampler checks passed (R-hat at most {d.rhat:.3f}, {d.divergences} divergences).",
    )
