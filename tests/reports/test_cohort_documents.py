"""Validation report and model card: their numbers, their gaps, their expiry, and their words in every language."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from medresponse.cohort import Cohort
from medresponse.core.audit import replay
from medresponse.core.errors import OutputExistsError, SpecError
from medresponse.reports import (
    CohortDocument,
    Evidence,
    IndexLink,
    ModelFacts,
    build_cohort_document,
    load_facts,
    save_cohort_document,
    write_index,
)
from medresponse.reports.checklist import checklist
from medresponse.reports.format import clean
from medresponse.reports.language import languages
from medresponse.response import Responses, respond
from medresponse.validation import judge
from medresponse.validation.subgroups import Subgroup
from tests.reports.conftest import PRODUCED
from tests.reports.hostile import HOSTILE
from tests.reports.test_html import Page, look_up
from tests.reports.validated import record_of

KINDS = ("validation_report", "model_card")
FACTS = ModelFacts(
    name="Relapse model", version="1.2", intended_use="To discuss options with a patient.", intended_users="Prescribers.",
    not_for=("emergencies", "children"), limits=("a small trial",), contact="the model office", expires="2998-06-30",
    answers={"17": "Approved by the committee.", "5a": "All patients of the trial."},
)  # fmt: skip


def made(kind: Any, responses: Responses, cohort: Cohort, **options: Any) -> CohortDocument:
    given = {
        "facts": FACTS, "validation": record_of(responses, 0.05), "worthwhile": 0.05, "produced_utc": PRODUCED,
        "evidence": [Evidence(name="Calibration", value="predicted 60, observed 58", detail="held-out fold")],
    }  # fmt: skip
    return build_cohort_document(kind, responses, cohort, **given | options)


def sections(document: CohortDocument) -> dict[str, Any]:
    return json.loads(document.to_json())["sections"]


@pytest.mark.parametrize("code", languages())
@pytest.mark.parametrize("kind", KINDS)
def test_every_text_of_the_page_is_the_jsons(
    kind: str, code: str, survival: Responses, trial: Cohort
) -> None:
    document = made(kind, survival, trial, language=code)
    text = document.render()
    page, plain = Page(text), json.loads(document.to_json())
    assert len(page.paths) > 25 and f'<html lang="{code}">' in text and "<script" not in text
    for path, said in page.paths:
        assert said == look_up(plain, path), path
    drawn = re.sub(r"<svg.*?</svg>", "", text[text.index("<body>") :], flags=re.DOTALL)
    outside = re.sub(r"<span data-path[^>]*>.*?</span>", "", drawn, flags=re.DOTALL)
    assert not re.findall(r"\d", re.sub(r"<[^>]*>", " ", outside))
    assert CohortDocument.from_json(document.to_json()) == document


@pytest.mark.parametrize(("code", "said"), [("en", "history (normal)"), ("es", "antecedentes (normal)")])
def test_blocks_and_their_priors_are_named_in_the_language_of_the_document(
    code: str, said: str, survival: Responses, trial: Cohort
) -> None:
    assert said in made("validation_report", survival, trial, language=code).to_json()


def test_nothing_of_a_single_patient_is_in_a_document(survival: Responses, trial: Cohort) -> None:
    for kind in KINDS:
        text = made(kind, survival, trial).to_json()
        assert not any(patient in text for patient in trial.patients)


def test_the_checklist_is_the_published_one_in_parts() -> None:
    listed = checklist("tripod_ai").items
    assert len(listed) == len({item.number for item in listed}) == 52
    assert {int(re.sub(r"\D", "", item.number)) for item in listed} == set(range(1, 28))
    for item in listed:
        assert set(languages()) <= set(item.text) and (item.run or item.people), item.number


def test_gaps_are_counted_and_shown_and_answers_close_them(survival: Responses, trial: Cohort) -> None:
    found = sections(made("validation_report", survival, trial))["checklist"]
    rows = {row["number"]: row for row in found["rows"]}
    by = {s: [n for n, row in rows.items() if row["status"] == s] for s in ("reported", "partly", "gap")}
    assert [found["n_reported"], found["n_partly"], found["n_gaps"]] == [len(v) for v in by.values()]
    assert sum(map(len, by.values())) == found["n_items"] == 52
    assert {"11", "12a", "17", "5a", "26"} <= set(by["reported"])
    assert {"9b", "10", "16", "20b", "21", "22", "23a"} <= set(by["partly"]) and {"2", "18a", "25"} <= set(
        by["gap"]
    )
    assert all((row["answer"] == "\N{EN DASH}") == (row["status"] == "gap") for row in rows.values())
    assert "five-fold cross-validation" in rows["12a"]["answer"] and "60 patients" in rows["10"]["answer"]

    answers = {item.number: "Said." for item in checklist("tripod_ai").items}
    full = sections(made("validation_report", survival, trial, facts=replace(FACTS, answers=answers)))
    assert full["checklist"]["n_reported"] == 52 and full["checklist"]["n_gaps"] == 0


def a_group(level: str, n: int | None, *measured: float) -> Subgroup:
    gates = tuple(
        judge(
            "calibration_in_the_large", value, value - 0.1, value + 0.1, limit=(-0.05, 0.05), ideal=(0.0, 0.0)
        )
        for value in measured
    )
    return Subgroup(column="smoking", level=level, label=f"Smoking: {level}", n=n, few=not n, gates=gates)


@pytest.mark.parametrize("kind", KINDS)
def test_performance_in_groups_is_shown_with_intervals_and_small_groups_are_only_counted(
    kind: str, survival: Responses, trial: Cohort
) -> None:
    groups = (
        a_group("never", 40, 0.02),
        a_group("former", 31, 0.2),
        a_group("current", None),
        a_group("", None),
    )
    record = record_of(survival, 0.05, subgroups=groups)
    assert not record.passed and record.failures[0].startswith(
        "Mean response, predicted less observed, Smoking: former"
    )
    document = made(kind, survival, trial, validation=record)
    found = sections(document)["subgroups"]
    assert [(row["label"], row["n"]) for row in found["rows"]] == [
        ("Smoking: never", "40"),
        ("Smoking: former", "31"),
    ]
    assert [row["checks"][0]["raw"][0] for row in found["rows"]] == [0.02, 0.2]
    assert found["rows"][0]["checks"][0]["measured"] == "2 (−8 to 12)"
    assert "FAILED" in found["rows"][1]["checks"][0]["result"] and "1 of 2 checks passed" in found["lead"]
    assert found["notes"] == [
        "Smoking: 2 groups are not shown, since they or others hold 10 patients or fewer."
    ]
    rows = sections(document)["validation"]["rows"]
    assert rows[-1]["name"].endswith("Smoking: former") and len(rows) == len(record.gates) + 1
    page = document.render()
    assert 'rowspan="1"' in page and "Smoking: never" in page


def test_the_checklist_holds_what_groups_and_sites_were_found(survival: Responses, trial: Cohort) -> None:
    record = record_of(survival, 0.05, subgroups=(a_group("never", 40, 0.02),))
    found = sections(made("validation_report", survival, trial, validation=record))["checklist"]["rows"]
    rows = {row["number"]: row for row in found}
    assert rows["23a"]["status"] == "reported" and "1 of 1 checks passed" in rows["23a"]["answer"]
    assert rows["23b"]["status"] == "gap"  # smoking is no site


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gates": ()}, "Not validated: no validation holds for this page."),
        ({}, "Checked by predictions for patients left out of the model’s own data; not validated in others"),
        (
            {"validated_in": "cd" * 32},
            "Checked on other patients: a made-up trial; not validated for clinical use.",
        ),
    ],
)
def test_the_card_says_no_more_than_the_record_shows(
    changes: dict[str, Any], said: str, survival: Responses, trial: Cohort
) -> None:
    def status(responses: Responses) -> str:
        record = record_of(responses, 0.05, **changes)
        found = sections(made("model_card", responses, trial, validation=record))["card"]["facts"]
        return str({fact["name"]: fact["values"] for fact in found}["Validated"][0])

    assert status(survival).startswith(said)
    fit = survival.fit
    made_up = replace(survival, fit=replace(fit, provenance=replace(fit.provenance, synthetic=True)))
    wanted = said if "gates" in changes else "Checked on made-up patients only; not validated for real ones."
    assert status(made_up) == wanted


def test_without_a_record_or_declarations_the_gaps_are_said_and_the_page_is_stamped(
    survival: Responses, trial: Cohort
) -> None:
    report = made("validation_report", survival, trial, facts=None, validation=None, evidence=())
    rows = {row["number"]: row["status"] for row in sections(report)["checklist"]["rows"]}
    assert {rows[n] for n in ("12a", "12e", "21", "23a", "3b", "26", "17")} == {"gap"}
    assert any("NOT VALIDATED" in stamp for stamp in report.stamps)
    assert report.remark == f"{list(rows.values()).count('gap')} checklist items are not answered."
    card = made("model_card", survival, trial, facts=None, validation=None, evidence=())
    facts = {fact["name"]: fact["values"] for fact in sections(card)["card"]["facts"]}
    for name in ("Intended use", "Not for", "Performance", "Limits", "Contact", "Not to be used after"):
        assert facts[name] == ["\N{BLACK UP-POINTING TRIANGLE} not declared"], name
    assert sections(card)["card"]["n_missing"] == 8
    assert card.warnings == ("No expiry date was declared.",)


def test_a_document_that_is_edited_keeps_its_stamps(survival: Responses, trial: Cohort) -> None:
    document = made("model_card", survival, trial, validation=None)
    plain = json.loads(document.to_json()) | {"stamps": []}
    assert CohortDocument.from_json(json.dumps(plain)).stamps == document.stamps != ()


@pytest.mark.parametrize(
    ("declared", "recorded", "expires", "expired"),
    [
        ("2998-06-30", "2999-12-31", "2998-06-30", False),
        ("2999-12-31", "2998-01-01", "2998-01-01", False),
        ("2026-01-01", "2999-12-31", "2026-01-01", True),
        ("", "2026-01-01", "2026-01-01", True),
    ],
)
def test_the_earlier_date_expires_a_model_and_is_warned_of(
    declared: str, recorded: str, expires: str, expired: bool, survival: Responses, trial: Cohort
) -> None:
    record = record_of(survival, 0.05, expires=recorded)
    card = made("model_card", survival, trial, facts=replace(FACTS, expires=declared), validation=record)
    assert (card.expires, card.expired) == (expires, expired)
    assert any("EXPIRED" in warning for warning in card.warnings) == expired
    assert ("EXPIRED on 2026-01-01" in card.render()) == expired and expires in card.remark


def test_a_model_whose_validation_fails_is_not_called_valid_until_a_date(
    survival: Responses, trial: Cohort
) -> None:
    good = record_of(survival, 0.05)
    record = replace(good, gates=(*good.gates, judge("calibration_slope", 0.4, 0.3, 0.5, limit=(0.9, 1.1))))
    card = made("model_card", survival, trial, validation=record)
    assert card.remark == card.stamps[0] and "NOT VALIDATED" in card.remark
    assert made("model_card", survival, trial, validation=good).remark == "valid until 2998-06-30"


def test_a_given_time_of_production_does_not_bring_an_expired_model_back(
    survival: Responses, trial: Cohort
) -> None:
    facts = replace(FACTS, expires="2020-01-01")
    assert made("model_card", survival, trial, facts=facts, produced_utc="2019-01-01T00:00:00+00:00").expired


def test_characteristics_are_the_cohorts_and_small_counts_are_hidden(
    survival: Responses, trial: Cohort
) -> None:
    found = sections(made("validation_report", survival, trial))["characteristics"]
    assert found["columns"][1:] == ["Usual care", "Treatment A"]
    rows = {row["name"]: row["cells"] for row in found["rows"]}
    for k, arm in enumerate(("0", "1")):
        part = trial.table.filter(pl.col("arm") == arm)
        assert rows["Patients"][k] == str(part.height)
        low, middle, high = np.quantile(part["cd4"].to_numpy(), [0.25, 0.5, 0.75])
        printed = [float(x) for x in re.findall(r"[\d.]+", rows["CD4 count (cells/mm³)"][k])]
        np.testing.assert_allclose(printed, [middle, low, high], atol=5.1)
        for level in ("never", "former", "current"):
            n = int((part["smoking"] == level).sum())
            assert rows[f"Smoking: {level}"][k] in (str(n) if n > 10 else "<11", "not shown")
    assert not any(cell.isdigit() and 0 < int(cell) < 11 for cells in rows.values() for cell in cells)


def test_a_cohort_that_the_model_did_not_learn_from_has_no_characteristics(
    survival: Responses, newcomers: Cohort
) -> None:
    document = made("validation_report", respond(survival.fit, newcomers, horizon=300), newcomers)
    found = sections(document)
    assert "characteristics" not in found
    assert next(r for r in found["checklist"]["rows"] if r["number"] == "20b")["status"] == "gap"


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_arm_with_an_amount_has_its_documents_too(
    kind: str, dose: Responses, dosing: Cohort
) -> None:
    text = made(kind, dose, dosing, worthwhile=None, validation=record_of(dose, None)).render()
    assert "weekly warfarin dose" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_declarations_stay_text(text: str, survival: Responses, trial: Cohort) -> None:
    def page(said: str) -> Page:
        facts = ModelFacts(
            name=said, version=said, intended_use=said, intended_users=said, not_for=(said,), limits=(said,), contact=said,
            expires="2998-06-30", answers={"17": said},
        )  # fmt: skip
        record = record_of(survival, 0.05, population=said, method=said)
        return Page(
            made("model_card", survival, trial, facts=facts, validation=record).render()
            + made("validation_report", survival, trial, facts=facts, validation=record).render()
        )

    hostile, plain = page(text), page("plain")
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in plain.tags]
    assert clean(text) in "".join(hostile.visible)


def test_documents_are_saved_logged_and_linked(survival: Responses, trial: Cohort, tmp_path: Path) -> None:
    links = [save_cohort_document(made(kind, survival, trial), tmp_path) for kind in KINDS]
    assert links[1] == IndexLink(href="model_card.html", title="Model card", remark="valid until 2998-06-30")
    text = write_index([], tmp_path, title="t", intro="i", documents=links).read_text(encoding="utf-8")
    assert all(f'href="{kind}.html"' in text and (tmp_path / f"{kind}.json").is_file() for kind in KINDS)
    assert [entry.action for entry in replay(tmp_path).entries] == [*KINDS, "index"]
    with pytest.raises(OutputExistsError):
        save_cohort_document(made("model_card", survival, trial), tmp_path)


def test_declarations_are_read_from_yaml_and_mistakes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "facts.yaml"
    file.write_text("name: A\nexpires: '2027-01-31'\nanswers: {'17': approved}\nnot_for: [children]\n")
    assert load_facts(file) == ModelFacts(
        name="A", expires="2027-01-31", answers={"17": "approved"}, not_for=("children",)
    )
    for wrong, message in (
        ("expires: soon", "no date"),
        ("answers: {'17a': x}", "no item '17a'; did you mean '17'"),
        ("contakt: x", "contakt"),
    ):
        file.write_text(wrong)
        with pytest.raises(SpecError, match=message):
            load_facts(file)
