"""Panels of the calibration figure: what was predicted against what was observed, from the validation record."""

from __future__ import annotations

from dataclasses import dataclass

from medresponse.core.small_cells import is_small
from medresponse.reports.base import ReportContext
from medresponse.reports.format import step_for
from medresponse.reports.plotdata import Axis, axis_of
from medresponse.validation.calibration_groups import GroupedCalibration, GroupPoint


@dataclass(frozen=True, kw_only=True)
class PanelPoint:
    """One group: predicted and observed means and the 95% interval of the observed one, in the responses' unit."""

    predicted: float
    observed: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class CalibrationPanel:
    """The groups of one quantity; the axis is that of both directions."""

    title: str
    axis: Axis
    across: str
    upwards: str
    points: tuple[PanelPoint, ...]
    alt: str


def calibration_panels(context: ReportContext) -> tuple[CalibrationPanel, ...]:
    """Return a panel for each quantity of the record that has groups; none without a record."""
    if context.validation is None:
        return ()
    panels = (_panel(one, context) for one in context.validation.calibration)
    return tuple(panel for panel in panels if panel is not None)


def calibration_note(context: ReportContext) -> str:
    """Return how the panels are to be read, with the least number of patients that a point stands for."""
    assert context.validation is not None
    fewest = min(p.n for one in context.validation.calibration for p in _shown(one))
    return context.say("calibration.note", patients=context.fmt.patients(fewest))


def _shown(one: GroupedCalibration) -> list[GroupPoint]:
    return [point for point in one.points if not is_small(point.n)]


def _panel(one: GroupedCalibration, context: ReportContext) -> CalibrationPanel | None:
    points, benefit, say, wording = _shown(one), one.quantity == "benefit", context.say, context.wording
    values = [v for p in points for v in (p.predicted, p.observed, p.lower, p.upper)]
    if not points or not min(values) < max(values):
        return None
    name = say("calibration.benefit", option=one.of) if benefit else say("calibration.response")
    unit = wording.difference_unit if benefit else wording.absolute_unit
    title = say("validation.gate.in", name=name, unit=unit) if unit else name
    said = "; ".join(_in_words(point, context, benefit=benefit) for point in points)
    return CalibrationPanel(
        title=title, axis=axis_of(min(values), max(values), wording, signed=benefit), across=say("calibration.predicted"),
        upwards=say("calibration.observed"), alt=say("calibration.alt", title=title, points=said),
        points=tuple(PanelPoint(predicted=p.predicted, observed=p.observed, lower=p.lower, upper=p.upper) for p in points),
    )  # fmt: skip


def _in_words(point: GroupPoint, context: ReportContext, *, benefit: bool) -> str:
    wording, fmt = context.wording, context.fmt
    values = (point.predicted, point.observed, point.lower, point.upper)
    if benefit:
        step = wording.difference_step(point.lower, point.upper)
        texts = [wording.bare_signed(value, step) for value in values]
    elif wording.scale == "per_100":
        texts = [fmt.count_of_100(value) for value in values]
    else:
        step = step_for(wording.factor * point.lower, wording.factor * point.upper)
        texts = [fmt.amount(wording.factor * value, step) for value in values]
    return context.say(
        "calibration.point", predicted=texts[0], observed=texts[1], interval=fmt.span(texts[2], texts[3])
    )
