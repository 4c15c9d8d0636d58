"""Expected response under each option: natural frequencies with icons, or amounts, always with the interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports import format as fmt
from medresponse.reports.base import Placement, ReportContext, Section
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
        return cls(
            title=_title(wording), what=wording.counted if wording.scale == "per_100" else "",
            options=tuple(_option(label, estimate, one, wording) for label, estimate, one in pairs),
            axis=_axis(wording, [*estimates, *person]), legend=_legend(wording, bool(person), len(estimates) > 1),
            interval_name="95% interval" if wording.scale == "per_100" else "95% interval of the average",
            person_name="one patient\u2019s own value, 90% interval" if person else "",
        )  # fmt: skip


def _title(wording: Wording) -> str:
    if wording.scale == "per_100":
        return "Expected response: of 100 patients like this one"
    return f"Expected response: {wording.what}{', ' + wording.among if wording.among else ''}"


def _option(label: str, estimate: Estimate, person: Estimate | None, wording: Wording) -> OptionResponse:
    icons = fmt.per_hundred(estimate.mean) if wording.scale == "per_100" else None
    alt = f"{label}: {estimate.text}, 95% interval {estimate.interval}"
    if wording.scale == "per_100":
        alt = f"{label}: {estimate.text} {wording.counted}, 95% interval {estimate.interval} of 100"
    if person is not None:
        alt += f"; one patient\u2019s own value, 90% interval {person.interval}"
    return OptionResponse(label=label, estimate=estimate, icons=icons, person=person, alt=alt)


def _axis(wording: Wording, estimates: list[Estimate]) -> Axis:
    if wording.scale == "per_100":
        return axis_of(0.0, 1.0, wording)
    # From zero unless there are values below it: a cut axis makes small differences look large.
    return axis_of(min(0.0, *(e.lower for e in estimates)), max(0.0, *(e.upper for e in estimates)), wording)


def _legend(wording: Wording, person: bool, several: bool) -> str:
    order = " Options are in a fixed order, not ranked." if several else ""
    if wording.scale == "per_100":
        return (
            f"\u25cf {wording.counted}   \u25cb not (best estimate). Bar: 95% interval, tick: best estimate, "
            f"scale 0 to 100 patients.{order}"
        )
    thin = " Thin line: where the values of 90 of 100 single patients like this one lie (people differ, however much data there are)."
    return (
        "Thick bar: 95% interval of the average of patients like this one (what the data leave unknown); tick: best "
        f"estimate.{thin if person else ''}{order}"
    )
