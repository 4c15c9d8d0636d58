"""Expected response under each option: natural frequencies with icons, or amounts, always with the interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.format import per_hundred
from medresponse.reports.plotdata import Axis, axis_of
from medresponse.reports.predictive import predictive_of
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
    """Options in fixed order on one scale."""

    placement: ClassVar[Placement] = "full"

    title: str
    what: str
    options: tuple[OptionResponse, ...]
    axis: Axis
    legend: str
    interval_name: str
    person_name: str

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the responses of every option."""
        wording, person = context.wording, predictive_of(context)
        estimates = [wording.absolute(draws) for draws in context.values]
        people: list[Estimate | None] = list(person) or [None] * len(estimates)
        pairs = zip(context.option_labels, estimates, people, strict=True)
        interval = "interval.95" if wording.scale == "per_100" else "expected_response.interval_of_average"
        return cls(
            title=_title(context), what=wording.counted if wording.scale == "per_100" else "",
            options=tuple(_option(context, label, estimate, one) for label, estimate, one in pairs),
            axis=_axis(wording, [*estimates, *person]), legend=_legend(context, bool(person)),
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
