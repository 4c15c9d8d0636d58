"""Pages in Spanish, on every kind of question: nothing of them is English, and numbers are Spain's."""

from __future__ import annotations

import json
import re
import string
from typing import Any

import pytest

from medresponse.reports import Report
from medresponse.reports.html import render
from medresponse.reports.language import language
from medresponse.response import Responses
from tests.reports.test_html import Page
from tests.reports.test_outcomes import QUESTIONS
from tests.reports.validated import report
from tests.response_kinds import responses_of


def fixed_parts(code: str) -> set[str]:
    """The stretches of a catalogue's sentences between placeholders."""
    entries = language(code).entries.values()
    forms = [f for entry in entries for f in ([entry] if isinstance(entry, str) else entry.values())]
    return {literal for form in forms for literal, *_ in string.Formatter().parse(form)}


# Longer ones only: "data" and "no" are words of both languages.
ENGLISH = {part for part in fixed_parts("en") - fixed_parts("es") if len(part) >= 9}


def visible(text: str) -> str:
    page = Page(text)
    labels = [str(found.get("aria-label", "")) for _, found in page.tags]
    return " ".join([*page.visible, *labels])


def document_of(kind: str, **options: Any) -> Report:
    outcome, question = QUESTIONS[kind]
    responses, cohort = responses_of(outcome, **question, **options)
    return report(responses, cohort, patient="P01", worthwhile=0.05, language="es")


@pytest.mark.parametrize("effect", [-0.8, 0.0, 0.8])
@pytest.mark.parametrize("kind", QUESTIONS)
def test_no_english_is_left_on_a_page_on_any_question(kind: str, effect: float) -> None:
    said = visible(render(document_of(kind, effect=effect).document))
    assert not [part for part in ENGLISH if part in said]


def test_a_single_group_is_spoken_of_in_spanish(dose: Responses, dosing: Any) -> None:
    made = report(dose, dosing, patient="D-003", language="es")
    said = visible(render(made.document))
    assert not [part for part in ENGLISH if part in said]
    assert "mg/week" in said  # a unit without words of its own stays as UCUM writes it


def test_numbers_are_written_as_spanish_writes_them(spanish_report: Report) -> None:
    found = json.loads(spanish_report.document.to_json())["sections"]
    del found["making"], found["identity"], found["validation"]  # versions, hashes and dates
    said = " ".join(
        str(v)
        for v in re.findall(r'"text": "[^"]*"|"cells": \[[^]]*\]', json.dumps(found, ensure_ascii=False))
    )
    assert "," in said and not re.search(r"\d\.\d", said)
    page = visible(render(spanish_report.document))
    assert not re.search(r"\d ?%", page) and not re.search(r"(?<![\w\d])-\d", page)
    assert '<html lang="es">' in render(spanish_report.document)


def test_the_answer_is_a_spanish_sentence(spanish_report: Report) -> None:
    found = json.loads(spanish_report.document.to_json())["sections"]
    assert found["question"]["question"] == (
        "Si pacientes como este comienzan cada opción el día 0, ¿cuántos de 100 estarán libres de recaída a 300 días?"
    )
    assert re.fullmatch(
        "Tratamiento A frente a Atención habitual: demasiado incierto para decir si habrá más o menos pacientes como este libres "
        r"de recaída a 300 días; estimación: \d+ de 100 frente a \d+ de 100 \(diferencia: \d+ más por cada 100; el intervalo de "
        "credibilidad del 95\u00a0%, \\d+ menos a \\d+ más, incluye el 0\\)\\.",
        found["in_short"]["sentences"][0],
    )
    assert spanish_report.document.flags == ("faltan 2 de 4 variables",)
