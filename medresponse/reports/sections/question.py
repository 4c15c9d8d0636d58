"""What is asked, and whether the model applies to this patient: before any estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from medresponse.core.registry import register
from medresponse.reports import format as fmt
from medresponse.reports.base import Placement, ReportContext, Section


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
        provenance, design = context.responses.fit.provenance, _design(context.responses.basis.assignment)
        compared = (
            f"Studied: {fmt.count(provenance.n_patients)} patients of {provenance.cohort_name}, {design}."
        )
        if context.others:
            compared = f"Compared, in a fixed order: {fmt.joined(context.option_labels)}. {compared}"
        checks = [_population(context), _inputs(context)]
        if context.others:
            checks.insert(1, _use(context))
        return cls(
            title="Question and applicability", question=_question(context), compared=compared,
            caption="Is the model applicable to this patient?", checks=tuple(checks),
        )  # fmt: skip


def _design(assignment: str) -> str:
    return {"randomised": "a randomised comparison", "observational": "an observational cohort"}.get(
        assignment, "a single group"
    )


def _question(context: ReportContext) -> str:
    wording = context.wording
    start = (
        "If patients like this one start each option at day 0"
        if context.others
        else "Of patients like this one"
    )
    if wording.scale == "per_100":
        return f"{start}, how many of 100 {wording.verb} {wording.what}?"
    if wording.scale == "events":
        return f"{start}, how many {wording.what} are to be expected {wording.absolute_unit}?"
    return f"{start}, what {wording.what} is to be expected?"


def _check(name: str, passed: bool, result: str, detail: str) -> Check:
    return Check(
        name=name, passed=passed, mark="\u2713" if passed else "\u25b2", result=result, detail=detail
    )


def _population(context: ReportContext) -> Check:
    found = context.applicability
    outside = [context.feature_label(name) for name in found.outside]
    rare = [context.feature_label(name) for name in found.unusual_levels]
    parts = []
    if outside:
        parts.append(f"Outside the central 98% of studied patients: {fmt.joined(outside)}.")
    if rare:
        parts.append(f"Value that fewer than 1% of studied patients had: {fmt.joined(rare)}.")
    if not parts:
        parts.append("Each known input is inside the studied range.")
    parts.append(_distance(found.distance_percentile))
    if found.new_groups:
        parts.append(
            f"New to the model: {fmt.joined(found.new_groups)}; its effect is unknown and widens the intervals."
        )
    passed = found.within and not found.new_groups
    return _check("Within the studied population", passed, "Yes" if passed else "Caution", " ".join(parts))


def _distance(percentile: float) -> str:
    if percentile >= 99:
        return "The combination is more unusual than that of 99% of studied patients: estimates lean on extrapolation."
    if percentile < 50:
        return "The combination is no more unusual than that of half the studied patients."
    return f"The combination is more unusual than that of {percentile:.0f}% of studied patients."


def _use(context: ReportContext) -> Check:
    name = "Each option was used"
    if context.reference is None:
        return _check(
            name,
            False,
            "Not shown",
            "The training cohort was not at hand, so patients per option were not counted.",
        )
    counts = np.bincount(context.reference.treatment_idx, minlength=len(context.option_labels))
    texts = fmt.suppress([int(n) for n in counts])
    passed = bool((counts >= fmt.FLOOR).all())
    detail = "; ".join(f"{label}: {text}" for label, text in zip(context.option_labels, texts, strict=True))
    return _check(
        name, passed, "Yes" if passed else "Caution", f"Studied patients who received it: {detail}."
    )


def _inputs(context: ReportContext) -> Check:
    found = context.applicability
    total, missing = found.n_inputs, [context.feature_label(name) for name in found.missing]
    if not missing:
        return _check("Inputs complete", True, "Yes", f"All {total} inputs are recorded.")
    detail = f"Not recorded: {fmt.joined(missing)}. Averaged over the likely values given the other inputs, which widens the intervals."
    return _check("Inputs complete", False, f"{len(missing)} of {total} missing", detail)
