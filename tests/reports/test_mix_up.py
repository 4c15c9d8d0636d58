"""A page is one patient's: whoever else is in the cohort, in whatever order, under whatever id (hazard: wrong patient)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medresponse import reports
from medresponse.cohort import Cohort, cohort_from_frame
from medresponse.inference import Fit
from medresponse.reports import Report, write_index
from medresponse.reports.html import css_string, render
from medresponse.reports.output import file_stem
from medresponse.response import Responses, respond
from tests.reports import trials
from tests.reports.conftest import PRODUCED
from tests.reports.validated import RULES, record_of, report

AGES = range(21, 90)


@pytest.fixture(scope="module")
def fit(survival: Responses) -> Fit:
    return survival.fit


@st.composite
def strangers(draw: st.DrawFn) -> list[dict[str, object]]:
    """Two to four new patients of one frame, in any order: no two of one id or age, some with an input missing."""
    n = draw(st.integers(2, 4))
    ids = draw(st.lists(st.integers(1000, 9999), min_size=n, max_size=n, unique=True))
    ages = draw(st.lists(st.sampled_from(AGES), min_size=n, max_size=n, unique=True))
    rows: list[dict[str, object]] = []
    for number, age in zip(ids, ages, strict=True):
        rows.append(
            {
                "patient": f"Q{number}Z", "arm": "0", "time": 10.0, "event": False, "age": float(age),
                "cd4": draw(st.sampled_from([None, 12.0, 150.0, 390.0])), "sex": draw(st.sampled_from(["f", "m"])),
                "smoking": draw(st.sampled_from(["never", "former", "current"])),
            }
        )  # fmt: skip
    return rows


def cohort_of(rows: list[dict[str, object]], like: Cohort) -> Cohort:
    frame = pl.DataFrame(rows, schema_overrides={"cd4": pl.Float64})
    return cohort_from_frame(frame, like.schema, for_prediction=True)


def pages(fit: Fit, rows: list[dict[str, object]], trial: Cohort) -> dict[str, Report]:
    """A report of each patient, all made from one cohort."""
    cohort = cohort_of(rows, trial)
    responses = respond(fit, cohort, horizon=300)
    record = record_of(respond(fit, trial, horizon=300), 0.05)  # one, whoever is asked about
    return {
        patient: reports.report(
            responses, cohort, patient=patient, worthwhile=0.05, reference=trial, produced_utc=PRODUCED, validation=record, rules=RULES
        )
        for patient in cohort.patients
    }  # fmt: skip


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=strangers())
def test_no_page_carries_another_patients_id_or_numbers(
    fit: Fit, trial: Cohort, rows: list[dict[str, object]]
) -> None:
    made = pages(fit, rows, trial)
    assert set(made) == {row["patient"] for row in rows}
    for row in rows:
        own = str(row["patient"])
        document, text = made[own].document, render(made[own].document)
        assert set(re.findall(r"Q\d{4}Z", text)) == {own}
        shown = {i["label"]: i["value"] for i in json.loads(document.to_json())["sections"]["inputs"]["rows"]}
        assert shown["Age"].split()[0] == f"{row['age']:.0f}"


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=strangers(), data=st.data())
def test_a_page_is_the_same_whoever_else_is_in_the_cohort(
    fit: Fit, trial: Cohort, rows: list[dict[str, object]], data: st.DataObject
) -> None:
    """Of a complete patient: what a missing input may have been is drawn for the cohort as a whole."""
    rows = [row | {"cd4": row["cd4"] or 77.0} for row in rows]
    together = pages(fit, data.draw(st.permutations(rows)), trial)
    alone = data.draw(st.sampled_from(rows))
    own = str(alone["patient"])
    assert pages(fit, [alone], trial)[own].document == together[own].document


def test_the_id_stands_on_each_part_and_in_the_running_footer(survival_report: Report) -> None:
    text = render(survival_report.document)
    page, appendix = text.split('<article class="appendix"')
    assert "T-001" in page[page.index("<body>") :] and "T-001" in appendix
    footer = re.search(r"@page \{ @bottom-left \{ content: (.*?); \} \}", page)
    assert footer is not None and footer[1] == str(css_string(survival_report.document.footer))
    assert "T-001" in survival_report.document.footer


@given(st.lists(st.text(min_size=1), min_size=2, max_size=6, unique=True))
def test_no_two_ids_share_a_file(ids: list[str]) -> None:
    assert len({file_stem(patient).casefold() for patient in ids}) == len(ids)


def test_ids_that_differ_only_in_case_or_accents_get_pages_of_their_own(
    trial: Cohort, fit: Fit, tmp_path: Path
) -> None:
    ids = ["a-1", "A-1", "a 1", "a/1", "é1", "e\u03011", "Con", "CON"]
    frame = trials.trial_frame(len(ids)).with_columns(patient=pl.Series(ids))
    cohort = cohort_from_frame(frame, trial.schema, for_prediction=True)
    responses = respond(fit, cohort, horizon=300)
    made = (report(responses, cohort, patient=p, worthwhile=0.05, reference=trial) for p in cohort.patients)
    write_index(made, tmp_path, title="t", intro="i")
    files = list((tmp_path / "patients").glob("*.json"))
    assert len({file.name.casefold() for file in files}) == len(cohort.patients)
    found = {file.stem: json.loads(file.read_text(encoding="utf-8"))["patient"] for file in files}
    assert found == {file_stem(patient): patient for patient in found.values()}
    assert set(found.values()) == set(cohort.patients)
