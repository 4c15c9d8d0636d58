"""Displays of responses of every kind: what is shown in words, and never a patient."""

from __future__ import annotations

import pytest

from tests.response_kinds import responses_of


@pytest.mark.parametrize(
    ("kind", "question", "title"),
    [
        ("binary", {}, "probability of dead, unit probability"),
        ("ordinal", {"part": "SD"}, "probability of SD or higher, unit probability"),
        ("count", {}, "event rate, unit events per year"),
        ("cured", {"estimand": "cured"}, "probability of never having the event, unit probability"),
        (
            "competing_risks",
            {"part": "death", "horizon": 12, "estimand": "time_lost"},
            "restricted mean time lost to death without relapse by 12 months, unit month",
        ),
    ],
)
@pytest.mark.parametrize("arms", [2, 5])
def test_a_display_names_the_question_and_every_treatment_and_no_patient(
    kind: str, question: dict[str, object], title: str, arms: int
) -> None:
    responses, _ = responses_of(kind, arms=arms, **question)
    shown = responses._repr_html_()
    assert shown.count(title) >= 2  # above the table and in it
    assert shown.count("<th scope='row'>Option ") == arms
    assert not any(patient in shown for patient in responses.ids)


def test_a_display_of_few_patients_describes_none_of_them() -> None:
    responses, _ = responses_of("binary")
    shown = responses.select(responses.ids[:10])._repr_html_()
    assert "&lt;11 patients" in shown and "<table" not in shown and "<svg" not in shown
    assert "<svg" in responses.select(responses.ids[:11])._repr_html_()
