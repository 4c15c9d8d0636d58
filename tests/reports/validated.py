"""Reports with a validation record that holds, for tests of everything but the gate."""

from __future__ import annotations

from typing import Any

import numpy as np

from medresponse import reports
from medresponse.cohort import Cohort
from medresponse.decisions import AbstentionRules
from medresponse.reports import PatientReport, Report
from medresponse.response import Responses
from medresponse.validation import GateLimits, Question, ValidationRecord, judge
from medresponse.validation.calibration_groups import GroupedCalibration, GroupPoint


def record_of(responses: Responses, worthwhile: float | None, **changes: Any) -> ValidationRecord:
    """A passed record of these responses' model, data and question."""
    asked = worthwhile if len(responses.treatments) > 1 and responses.direction else None
    treatment = responses.fit.schema.treatment
    # In the responses' unit, each option off by its own percentage of the average.
    mean = float(responses.mean_over_patients().mean())
    gaps = [
        judge(
            "calibration_in_the_large", (k + 1) * 0.01 * mean, (k - 3) * 0.01 * mean, (k + 5) * 0.01 * mean,
            limit=(-mean, mean), ideal=(0.0, 0.0), of=treatment.label(t) if treatment else "",
        )
        for k, t in enumerate(responses.treatments)
    ]  # fmt: skip
    gates = (*gaps, judge("calibration_slope", 1.01, 0.9, 1.2, limit=(0.9, 1.1)))
    plain: dict[str, Any] = {
        "model_hash": responses.fit.provenance.spec_hash, "data_hash": responses.fit.provenance.cohort_fingerprint,
        "validated_in": responses.fit.provenance.cohort_fingerprint, "population": "a made-up trial",
        "method": "five-fold cross-validation", "n_patients": 60, "question": Question.of(responses, asked),
        "limits": GateLimits(), "gates": gates, "calibration": calibration_of(responses, mean), "validated_utc": "2026-01-01T00:00:00+00:00", "expires": "2999-12-31",
    }  # fmt: skip
    return ValidationRecord(**plain | changes)


def calibration_of(responses: Responses, mean: float) -> tuple[GroupedCalibration, ...]:
    """Three groups of the response, and two of the benefit of every option but the reference."""

    most = 1.0 if responses.kind.unit == "probability" else np.inf

    def points(*parts: tuple[float, float, float, float]) -> tuple[GroupPoint, ...]:
        names = ("predicted", "observed", "lower", "upper")
        return tuple(
            GroupPoint(**{name: min(share * mean, most) for name, share in zip(names, part, strict=True)}, n=60 // len(parts))
            for part in parts
        )  # fmt: skip

    response = points((0.81, 0.77, 0.58, 0.96), (1.0, 1.04, 0.86, 1.22), (1.17, 1.13, 0.99, 1.27))
    found = [GroupedCalibration(quantity="response", points=response)]
    treatment = responses.fit.schema.treatment
    for k, t in enumerate(responses.treatments):
        if treatment and len(responses.treatments) > 1 and t != responses.basis.reference:
            own = points((0.02 * k, -0.03, -0.21, 0.15), (0.11, 0.13 * k, -0.05, 0.31 * k))
            found.append(GroupedCalibration(quantity="benefit", of=treatment.label(t), points=own))
    return tuple(found)


# The trials of these tests have sixty patients: few are like any one of them, and intervals are wide.
RULES = AbstentionRules(
    most_beyond=1.0, most_distance=1.25, fewest_similar=1.0, least_alike=0.01, widest=10.0
)


def report(
    responses: Responses, cohort: Cohort, *, worthwhile: float | None = None, **options: Any
) -> Report:
    """`medresponse.reports.report` with such a record."""
    record = record_of(responses, worthwhile)
    options = {"rules": RULES} | options
    return reports.report(responses, cohort, worthwhile=worthwhile, validation=record, **options)


def build_report(
    responses: Responses, cohort: Cohort, *, worthwhile: float | None = None, **options: Any
) -> PatientReport:
    """`medresponse.reports.build_report` with such a record."""
    record = record_of(responses, worthwhile)
    options = {"rules": RULES} | options
    return reports.build_report(responses, cohort, worthwhile=worthwhile, validation=record, **options)
