"""The calibration figure: drawn from the record's numbers, which its alt text says; nothing of few patients."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from medresponse.cohort import Cohort
from medresponse.reports import build_cohort_document, build_report, svg
from medresponse.reports.html import render
from medresponse.response import Responses
from medresponse.validation import ValidationRecord
from tests.reports.conftest import PRODUCED
from tests.reports.linter import faults
from tests.reports.validated import RULES, record_of


def built(responses: Responses, cohort: Cohort, record: ValidationRecord, **options: Any) -> Any:
    given = {"patient": cohort.patients[0], "worthwhile": 0.05, "validation": record, "rules": RULES}
    return build_report(responses, cohort, **given | options)


def panels(document: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(document.to_json())["sections"]["validation"]["panels"]
    return found


def test_marks_stand_where_the_records_numbers_are(survival: Responses, trial: Cohort) -> None:
    record = record_of(survival, 0.05)
    found = panels(built(survival, trial, record))
    assert len(found) == len(record.calibration) == 2
    for panel, recorded in zip(found, record.calibration, strict=True):
        low, high = panel["axis"]["low"], panel["axis"]["high"]
        bars, marks = re.findall(r'<path d="([^"]*)"[^>]*stroke="#1b5e8c"', svg.calibration(panel))
        ends = re.findall(r"M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)", bars)
        means = re.findall(r"M([\d.]+) ([\d.]+)L([\d.]+) [\d.]+", marks)
        assert len(ends) == len(means) == len(recorded.points)
        for p, (x, y_low, _, y_high), (left, y, right) in zip(recorded.points, ends, means, strict=True):
            across = low + (high - low) * (float(x) - 38) / 154
            upwards = [low + (high - low) * (168 - float(v)) / 154 for v in (y_low, y, y_high)]
            assert across == pytest.approx(p.predicted, abs=1e-3 * (high - low))
            assert upwards == pytest.approx([p.lower, p.observed, p.upper], abs=1e-3 * (high - low))
            assert (float(left) + float(right)) / 2 == pytest.approx(float(x), abs=0.011)


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_alt_text_says_every_point(survival: Responses, trial: Cohort, language: str) -> None:
    record = record_of(survival, 0.05)
    document = built(survival, trial, record, language=language)
    response, benefit = panels(document)
    for p in record.calibration[0].points:
        said = [str(round(100 * v)) for v in (p.predicted, p.observed, p.lower, p.upper)]
        assert re.search(r"\D+".join(said), response["alt"]), said
    for p in record.calibration[1].points:
        said = [str(abs(round(100 * v))) for v in (p.predicted, p.observed, p.lower, p.upper)]
        assert re.search(r"\D+".join(said), benefit["alt"]), said
    page = render(document)
    assert page.count('<svg class="calibration"') == 2 and faults(page) == []
    assert (
        response["alt"] in page
        and "20 pa" in json.loads(document.to_json())["sections"]["validation"]["panels_note"]
    )


def test_a_group_of_few_is_left_out_of_a_record_that_has_one(survival: Responses, trial: Cohort) -> None:
    record = record_of(survival, 0.05)
    first, *others = record.calibration[0].points
    response = replace(record.calibration[0], points=(replace(first, n=10), *others))
    (panel,) = panels(built(survival, trial, replace(record, calibration=(response,))))
    assert [p["predicted"] for p in panel["points"]] == [p.predicted for p in others]
    few = replace(response, points=(replace(first, n=10),))
    assert panels(built(survival, trial, replace(record, calibration=(few,)))) == []


def test_a_record_without_points_has_no_figure(survival: Responses, trial: Cohort) -> None:
    document = built(survival, trial, replace(record_of(survival, 0.05), calibration=()))
    assert panels(document) == [] and '<svg class="calibration"' not in render(document)


@pytest.mark.parametrize("kind", ["validation_report", "model_card"])
def test_documents_on_the_model_show_the_same_figure(survival: Responses, trial: Cohort, kind: Any) -> None:
    record = record_of(survival, 0.05)
    document = build_cohort_document(
        kind, survival, trial, validation=record, worthwhile=0.05, produced_utc=PRODUCED
    )
    assert panels(document) == panels(built(survival, trial, record))
    assert document.render().count('<svg class="calibration"') == 2
