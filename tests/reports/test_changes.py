"""What a report says of the one that it replaces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from medresponse.cohort import Cohort, cohort_from_frame
from medresponse.core.errors import UnknownPatientError
from medresponse.reports import batch, build_report
from medresponse.reports.batch import write_reports
from medresponse.reports.document import PatientReport
from medresponse.response import Responses, respond
from tests.reports.conftest import PRODUCED
from tests.reports.validated import RULES

ASKED: dict[str, Any] = {"worthwhile": 0.05, "override": "a test", "produced_utc": PRODUCED, "rules": RULES}


@pytest.fixture
def older(trial: Cohort) -> Cohort:
    """The trial, with one patient's age put right."""
    age = pl.when(pl.col("patient") == "T-001").then(80.0).otherwise(pl.col("age"))
    return cohort_from_frame(trial.table.with_columns(age=age), trial.schema)


def report(responses: Responses, cohort: Cohort, trial: Cohort, **change: Any) -> PatientReport:
    return build_report(responses, cohort, patient="T-001", reference=trial, **ASKED | change)


def rows_of(document: PatientReport, section: str) -> dict[str, str]:
    rows = document.plain["sections"][section]["rows"]
    if section == "inputs":
        return {row["label"]: row["value"] for row in rows}
    return {row["label"]: f"{row['cells'][0]} ({row['cells'][4]})" for row in rows}


def test_a_changed_input_and_the_estimates_that_moved_with_it_are_listed_as_both_reports_print_them(
    survival: Responses, trial: Cohort, older: Cohort
) -> None:
    first = report(survival, trial, trial)
    assert "changes" not in first.sections
    second = report(respond(survival.fit, older, horizon=300), older, trial, previous=first)
    section: Any = second.sections["changes"]
    found = {row.label: (row.before, row.now) for row in section.rows}
    expected = {
        label: (before, rows_of(second, part)[label])
        for part in ("inputs", "numbers")
        for label, before in rows_of(first, part).items()
        if rows_of(second, part)[label] != before
    }
    assert found == expected and len(found) > 2 and any("80" in now for _, now in found.values())
    assert section.replaced == json.loads(first.to_json())["checksum"] and section.replaced in section.lead
    assert second.appendix[-1] == ("changes",)


def test_another_question_is_a_change(survival: Responses, trial: Cohort) -> None:
    second = report(survival.at(horizon=200), trial, trial, previous=report(survival, trial, trial))
    section: Any = second.sections["changes"]
    asked = section.rows[0]
    assert "300" in asked.before and "200" in asked.now and "300" not in asked.now


def test_the_same_again_and_another_language_list_nothing(survival: Responses, trial: Cohort) -> None:
    first = report(survival, trial, trial)
    same: Any = report(survival, trial, trial, previous=first).sections["changes"]
    spanish: Any = report(survival, trial, trial, previous=first, language="es").sections["changes"]
    assert same.rows == spanish.rows == () and same.columns == ()
    assert "the same" in same.lead and "otra lengua" in spanish.lead


def test_a_report_of_another_patient_is_refused(survival: Responses, trial: Cohort) -> None:
    other = build_report(survival, trial, patient="T-002", reference=trial, **ASKED)
    with pytest.raises(UnknownPatientError, match="not of patient T-001"):
        report(survival, trial, trial, previous=other)


def test_a_batch_that_replaces_says_what_changed_unless_what_was_there_cannot_be_trusted(
    survival: Responses, trial: Cohort, older: Cohort, tmp_path: Path
) -> None:
    some = ("T-001", "T-002")
    write_reports(survival, trial, tmp_path, patients=some, **ASKED)
    record, other = (tmp_path / "patients" / f"{patient}.json" for patient in some)
    checksum = json.loads(record.read_text())["checksum"]
    other.write_text(other.read_text().replace("T-002", "T-009"))
    aged = respond(survival.fit, older, horizon=300)
    write_reports(aged, older, tmp_path, patients=some, reference=trial, overwrite=True, **ASKED)
    assert json.loads(record.read_text())["sections"]["changes"]["replaced"] == checksum
    assert checksum in (tmp_path / "patients" / "T-001.html").read_text(encoding="utf-8")
    assert "changes" not in json.loads(other.read_text())["sections"]


def test_a_report_of_another_version_is_replaced_without_a_word_on_what_it_said(
    survival: Responses, trial: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_reports(survival, trial, tmp_path, patients=["T-001"], **ASKED)
    monkeypatch.setattr(batch, "SCHEMA_VERSION", batch.SCHEMA_VERSION + 1)
    again = write_reports(survival, trial, tmp_path, patients=["T-001"], overwrite=True, **ASKED)
    record = json.loads((tmp_path / "patients" / "T-001.json").read_text())
    assert not again.failures and not again.outcomes[0].kept and "changes" not in record["sections"]
