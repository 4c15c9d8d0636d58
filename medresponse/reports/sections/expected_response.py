"""Expected response under each option: natural frequencies with icons, or amounts, always with the interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.format import per_hundred
from medresponse.reports.plotdata import Axis, axis_of
from medresponse.reports.predictive import predictive_of
from medresponse.reports.withheld import WithheldOption, withheld_option
from medresponse.reports.wording import Estimate, Wording


@dataclass(frozen=True, kw_only=True)
class OptionResponse:
    """One option: the mean response, for an amount the spread of one person's value, and the figure's alt text."""

    label: str
    estimate: Estimate
    icons: int | None
    person: Estimate | None
    alt: str


@register(Section, "expected_response")
@dataclass(frozen=True, kw_only=True)
class ExpectedResponse:
    """Options in fixed order on one scale; one that is withheld is listed with its mark and reason."""

    placement: ClassVar[Placement] = "full"

    title: str
    what: str
    options: tuple[OptionResponse | WithheldOption, ...]
    axis: Axis
    legend: str
    icons: bool
    interval_name: str
    person_name: str

    @classmethod
    def build(cls, context: ReportContext) -> Self | None:
        """Return the responses of every option; None if all are withheld."""
        if context.verdict.whole:
            return None
        wording, person = context.wording, predictive_of(context)
        estimates = {k: wording.absolute(context.values[k]) for k in context.shown}
        people: list[Estimate | None] = list(person) or [None] * len(context.values)
        options = tuple(
            _option(context, label, estimates[k], people[k])
            if k in estimates
            else withheld_option(context, k)
            for k, label in enumerate(context.option_labels)
        )
        drawn = [*estimates.values(), *(p for p in people if p is not None)]
        interval = "interval.95" if wording.scale == "per_100" else "expected_response.interval_of_average"
        return cls(
            title=_title(context), what=wording.counted if wording.scale == "per_100" else "",
            options=options, axis=_axis(wording, drawn), icons=wording.scale == "per_100", legend=_legend(context, bool(person)),
            interval_name=context.say(interval), person_name=context.say("expected_response.person") if person else "",
        )  # fmt: skip


def _title(context: ReportContext) -> str:
    wording = context.wording
    if wording.scale == "per_100":
        return context.say("expected_response.title.of_100")
    if wording.among:
        return context.say("expected_response.title.events", what=wording.what, among=wording.among)
    return context.say("expected_response.title.amount", what=wording.what)


def _option(
    context: ReportContext, label: str, estimate: Estimate, person: Estimate | None
) -> OptionResponse:
    wording, icons = context.wording, None
    parts = {"option": label, "estimate": estimate.text, "interval": estimate.interval}
    if wording.scale == "per_100":
        icons = per_hundred(estimate.mean)
        alt = context.say("expected_response.alt.of_100", counted=wording.counted, **parts)
    elif person is not None:
        alt = context.say("expected_response.alt.person", person=person.interval, **parts)
    else:
        alt = context.say("expected_response.alt.mean", **parts)
    return OptionResponse(label=label, estimate=estimate, icons=icons, person=person, alt=alt)


def _axis(wording: Wording, estimates: list[Estimate]) -> Axis:
    if wording.scale == "per_100":
        return axis_of(0.0, 1.0, wording)
    # From zero unless there are values below it: a cut axis makes small differences look large.
    return axis_of(min(0.0, *(e.lower for e in estimates)), max(0.0, *(e.upper for e in estimates)), wording)


def _legend(context: ReportContext, person: bool) -> str:
    say, wording = context.say, context.wording
    if wording.scale == "per_100":
        sentences = [say("expected_response.legend.of_100", counted=wording.counted)]
    else:
        sentences = [say("expected_response.legend.mean")]
    if person:
        sentences.append(say("expected_response.legend.person"))
    if context.others:
        sentences.append(say("expected_response.order"))
    return " ".join(sentences)
