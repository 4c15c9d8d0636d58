"""The validation's numbers in the appendix, on the scale of the page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medresponse.cohort import Cohort
from medresponse.reports import build_report
from medresponse.reports.sections.validation import GATE_NAMES, Validation
from medresponse.response import Responses
from medresponse.validation import judge
from medresponse.validation.gates import GATES
from tests.reports.validated import RULES, record_of

# Gate, measured with its interval, limit -> what is printed of it.
PRINTED = [
    ("sampler", (0.0, 0.0, 0.0), (0.0, 0.0), "0", "0", ""),
    ("calibration_in_the_large", (0.00533, -0.016, 0.0266), (-0.05, 0.05), "0.5 (−1.6 to 2.7)", "−5 to 5", " (per 100)"),
    ("calibration_curve", (0.0112, 0.0, 0.0301), (None, 0.05), "1.1 (0.0 to 3.0)", "at most 5", " (per 100)"),
    ("benefit_in_the_large", (0.01, -0.13, 0.15), (-0.02, 0.02), "1 (−13 to 15)", "−2 to 2", " (per 100)"),
    ("calibration_slope", (1.01, 0.9, 1.12), (0.9, 1.1), "1.01 (0.90 to 1.12)", "0.9 to 1.1", ""),
    ("predictive_distribution", (0.021, 0.0, 0.042), (None, 0.05), "2.1 (0.0 to 4.2)", "at most 5", " (per 100)"),
    ("predictive_coverage", (0.91, 0.884, 0.931), (0.87, 0.93), "91.0 (88.4 to 93.1)", "87 to 93", " (per 100)"),
    ("concordance", (0.612, 0.573, 0.651), (0.5, None), "61.2 (57.3 to 65.1)", "at least 50", " (per 100)"),
    ("skill", (0.051, 0.012, 0.09), (-0.01, None), "5.1 (1.2 to 9.0)", "at least −1", " (per 100)"),
    ("interval_width", (1.07, 0.81, 1.4), (None, 1.25), "1.07 (0.81 to 1.40)", "at most 1.25", ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "numbers", "limit", "measured", "tolerated", "unit"), PRINTED)
def test_a_gate_is_printed_on_the_scale_of_the_page(
    survival: Responses, trial: Cohort, name: str, numbers: tuple[float, float, float],
    limit: tuple[float | None, float | None], measured: str, tolerated: str, unit: str,
) -> None:  # fmt: skip
    gate = judge(name, *numbers, limit=limit, of="Treatment A")
    record = replace(record_of(survival, 0.05), gates=(gate,))
    made = build_report(
        survival, trial, patient="T-001", worthwhile=0.05, validation=record, rules=RULES,
        sections=("validation",),
    )  # fmt: skip
    section = made.sections["validation"]
    assert isinstance(section, Validation)
    (row,) = section.rows
    assert (row.measured, row.limit) == (measured, tolerated) and row.raw == numbers
    assert row.name.endswith(f"{unit}: Treatment A")


def test_every_gate_has_its_words_and_is_tried_here() -> None:
    assert set(GATE_NAMES) == set(GATES)
    assert {name for name, *_ in PRINTED} == set(GATES) - {"benefit_slope"}
