"""Reports with a validation record that holds, for tests of everything but the gate."""

from __future__ import annotations

from typing import Any

from medresponse import reports
from medresponse.cohort import Cohort
from medresponse.decisions import AbstentionRules
from medresponse.reports import PatientReport, Report
from medresponse.response import Responses
from medresponse.validation import GateLimits, Question, ValidationRecord, judge


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
        "limits": GateLimits(), "gates": gates, "validated_utc": "2026-01-01T00:00:00+00:00", "expires": "2999-12-31",
    }  # fmt: skip
    return ValidationRecord(**plain | changes)


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
