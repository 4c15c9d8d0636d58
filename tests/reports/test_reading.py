"""Reader questions: five a page, in both languages, and every key is what the page prints."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from medresponse.cohort import cohort_from_frame
from medresponse.reports import PatientReport
from medresponse.reports.html import render
from medresponse.reports.language import languages, placeholders
from medresponse.reports.reading import FOLDER, page_kind, question_sheet, reader_questions, rules
from medresponse.response import Responses, respond
from tests.reports import trials
from tests.reports.test_abstention import barring
from tests.reports.test_html import Page
from tests.reports.validated import RULES, report
from tests.response_kinds import responses_of

KINDS = sorted(file.stem for file in FOLDER.glob("*.yaml"))


@pytest.fixture(params=languages())
def documents(
    request: pytest.FixtureRequest, survival: Responses, trial: Any, dose: Responses, dosing: Any
) -> dict[str, PatientReport]:
    """A page of every kind."""
    code = request.param
    binary, patients = responses_of("binary")
    one = cohort_from_frame(trials.trial_frame().drop("arm"), trials.trial_schema(treatment=None))
    single = respond(trials.fake_survival_fit(one), one, horizon=300)
    return {
        "survival": report(survival, trial, patient="T-001", worthwhile=0.05, language=code).document,
        "comparison": report(binary, patients, patient="P01", worthwhile=0.05, language=code).document,
        "single": report(single, one, patient="T-001", language=code).document,
        "abstention": report(
            survival, trial, patient="T-001", worthwhile=0.05, language=code, rules=barring("1")
        ).document,
        "single_amount": report(dose, dosing, patient="D-003", language=code).document,
    }


def test_every_kind_has_five_questions_in_every_language() -> None:
    for kind in KINDS:
        assert len(rules(kind)) == len({rule.key for rule in rules(kind)}) == 5
        for rule in rules(kind):
            assert set(languages()) <= set(rule.text)
            assert all(placeholders(text) == set(rule.parts) for text in rule.text.values())


def test_every_key_is_what_the_page_prints_at_its_path(documents: dict[str, PatientReport]) -> None:
    assert sorted(documents) == KINDS
    for kind, document in documents.items():
        assert page_kind(document) == kind
        assert len(reader_questions(document)) == 5
        printed = dict(Page(render(document)).paths)
        for asked in reader_questions(document):
            assert printed[asked.path] == asked.key, (kind, asked)
            assert asked.key and asked.key not in asked.question


def test_a_reason_that_all_options_share_is_a_key_too(unconverged: Responses, trial: Any) -> None:
    rules = replace(RULES, unconverged="abstain")
    document = report(unconverged, trial, patient="T-001", worthwhile=0.05, rules=rules).document
    printed = dict(Page(render(document)).paths)
    asked = reader_questions(document)
    assert asked[1].path == "sections.abstention.shared.0.text" and printed[asked[1].path] == asked[1].key
    assert asked[4].key == printed["sections.abstention.meaning"]


def test_a_key_is_the_number_of_its_patient(survival: Responses, trial: Any) -> None:
    """The first two keys, from the draws and not from the report."""
    for patient in ("T-002", "T-017"):
        asked = reader_questions(report(survival, trial, patient=patient, worthwhile=0.05).document)
        mean = survival.select([patient]).summary()["mean"].to_list()
        assert asked[0].key == f"{round(100 * mean[1])} of 100"
        assert asked[1].key == f"{round(100 * (mean[1] - mean[0])):+d} per 100"


def test_the_sheet_has_a_row_a_question(documents: dict[str, PatientReport]) -> None:
    sheet = question_sheet(documents.values())
    assert sheet.height == 5 * len(documents) and sheet["number"].to_list() == [1, 2, 3, 4, 5] * len(
        documents
    )
    assert sheet["page"].unique(maintain_order=True).to_list() == list(documents)
    assert question_sheet([]).columns == sheet.columns
    plain = json.loads(documents["survival"].to_json())
    assert plain["patient"] == sheet["patient"][0]
