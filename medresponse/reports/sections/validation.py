"""The validation that the report rests on: every gate with what was measured, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from medresponse.core.registry import register
from medresponse.reports.base import Placement, ReportContext, Section
from medresponse.reports.calibration import CalibrationPanel, calibration_note, calibration_panels
from medresponse.reports.format import step_for
from medresponse.validation.gates import Gate
from medresponse.validation.record import ValidationRecord

# What is said, by the record's own names.
COLUMNS = (
    "validation.column.gate", "validation.column.measured", "validation.column.limit", "validation.column.result",
)  # fmt: skip
GATE_NAMES = {
    "sampler": "gate.sampler",
    "calibration_in_the_large": "gate.calibration_in_the_large",
    "calibration_slope": "gate.calibration_slope",
    "calibration_curve": "gate.calibration_curve",
    "benefit_in_the_large": "gate.benefit_in_the_large",
    "benefit_slope": "gate.benefit_slope",
    "predictive_distribution": "gate.predictive_distribution",
    "predictive_coverage": "gate.predictive_coverage",
    "concordance": "gate.concordance",
    "skill": "gate.skill",
    "interval_width": "gate.interval_width",
}
RESULTS = {
    "within": "validation.gate.passed",
    "outside": "validation.gate.outside",
    "too_few": "validation.gate.too_few",
    "not_measured": "validation.gate.not_measured",
    "diagnostics": "validation.gate.diagnostics",
}
# What is measured in the responses' unit, and shares of patients or of error; slopes and ratios have no unit.
_OF_RESPONSES = {"calibration_in_the_large", "calibration_curve", "benefit_in_the_large"}
_SHARES = {"predictive_distribution", "predictive_coverage", "concordance", "skill"}


@dataclass(frozen=True, kw_only=True)
class GateRow:
    """One gate: numbers as the record has them, and the texts printed, on the scale of the page."""

    name: str
    raw: tuple[float | None, ...]
    measured: str
    limit: str
    result: str


@register(Section, "validation")
@dataclass(frozen=True, kw_only=True)
class Validation:
    """The record's gates in its own order; of groups of patients only those that failed."""

    placement: ClassVar[Placement] = "appendix"

    title: str
    lead: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[GateRow, ...]
    note: str
    panels: tuple[CalibrationPanel, ...] = ()
    panels_note: str = ""

    @classmethod
    def build(cls, context: ReportContext) -> Self:
        """Return the gates; a sentence alone where nothing was validated."""
        record, say, panels = context.validation, context.say, calibration_panels(context)
        return cls(
            title=say("validation.title"), lead=_lead(context),
            caption=say("validation.caption", method=record.method) if record else "",
            columns=tuple(say(column) for column in COLUMNS) if record else (),
            rows=tuple(gate_row(gate, context) for gate in _listed(record)) if record else (),
            note=_note(context) if record else "", panels=panels, panels_note=calibration_note(context) if panels else "",
        )  # fmt: skip


def _lead(context: ReportContext) -> str:
    made, record = context.provenance, context.validation
    if made.override:
        if record is None:
            return context.say("validation.none", reason=made.override)
        return context.say("validation.does_not_hold", reason=made.override)
    assert record is not None
    return context.say(
        "validation.passed", patients=context.fmt.patients(record.n_patients), population=record.population, day=record.validated_utc[:10],
        expires=record.expires,
    )  # fmt: skip


def _note(context: ReportContext) -> str:
    record = context.validation
    assert record is not None
    level = context.say("number.percent", value=context.fmt.statistic(100 * record.limits.level, 4))
    return context.say("validation.note", level=level, checksum=record.checksum)


def _listed(record: ValidationRecord) -> tuple[Gate, ...]:
    """Return the gates of all patients, and those of groups that failed; a document on the model has the others."""
    failed = tuple(gate for gate in record.every_gate[len(record.gates) :] if not gate.passed)
    return (*record.gates, *failed)


def gate_row(gate: Gate, context: ReportContext) -> GateRow:
    """Return a gate in words and numbers, named by what it is of."""
    factor, unit = _scale(gate, context)
    name = context.say(GATE_NAMES[gate.name])
    if unit:
        name = context.say("validation.gate.in", name=name, unit=unit)
    return GateRow(
        name=f"{name}: {gate.of}" if gate.of else name, raw=(gate.measured, gate.lower, gate.upper),
        measured=_measured(gate, context, factor), limit=_limit(gate, context, factor), result=context.say(RESULTS[gate.reason]),
    )  # fmt: skip


def _scale(gate: Gate, context: ReportContext) -> tuple[float, str]:
    """Return what a gate's numbers are multiplied by to be printed, and the unit that they have then."""
    if gate.name in _OF_RESPONSES:
        return context.wording.factor, context.wording.difference_unit
    return (100.0, context.say("unit_per_100")) if gate.name in _SHARES else (1.0, "")


def _measured(gate: Gate, context: ReportContext, factor: float) -> str:
    fmt = context.fmt
    if gate.measured is None or gate.lower is None or gate.upper is None:
        return fmt.not_known
    value, lower, upper = (factor * number for number in (gate.measured, gate.lower, gate.upper))
    if lower == upper:
        return fmt.statistic(value, 3)
    step = step_for(lower, upper)
    texts = [fmt.amount(number, step) for number in (value, lower, upper)]
    return f"{texts[0]} ({fmt.span(texts[1], texts[2])})"


def _limit(gate: Gate, context: ReportContext, factor: float) -> str:
    fmt = context.fmt
    low, high = (None if end is None else fmt.statistic(factor * end, 3) for end in gate.limit)
    if low is None:
        return context.say("validation.at_most", value=high or fmt.not_known)
    if high is None:
        return context.say("validation.at_least", value=low)
    return low if low == high else fmt.span(low, high)
