from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medresponse.cohort import Cohort, cohort_from_frame
from medresponse.core.errors import (
    DataError,
    SpecError,
    UnconvergedFitError,
    UnknownPatientError,
    UnknownTreatmentError,
)
from medresponse.core.registry import registered
from medresponse.reports import Harm, PatientReport, Rate, Report, Section
from medresponse.reports.document import SECTIONS
from medresponse.reports.format import Formatter, per_hundred
from medresponse.reports.language import language
from medresponse.response import Responses, contrast, contributions, respond
from tests.reports import trials
from tests.reports.validated import build_report, report

FMT = Formatter(language("en"))


def sections(made: Report) -> dict[str, Any]:
    return json.loads(made.document.to_json())["sections"]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def test_every_registered_section_has_its_place_and_its_template() -> None:
    from medresponse.reports import cohort_documents
    from medresponse.reports.html import environment

    placed = {*SECTIONS, *(name for names in cohort_documents.SECTIONS.values() for name in names)}
    assert set(registered(Section)) == placed
    assert {f"sections/{name}.html.j2" for name in placed} <= set(environment().list_templates())


def test_the_document_survives_its_json(survival_report: Report, dose_report: Report) -> None:
    for made in (survival_report, dose_report):
        again = PatientReport.from_json(made.document.to_json())
        assert again == made.document and again.to_json() == made.document.to_json()


def test_the_same_inputs_give_the_same_bytes(survival: Responses, trial: Cohort) -> None:
    first, second = (
        build_report(
            survival, trial, patient="T-002", worthwhile=0.05, produced_utc="2026-01-01T00:00:00+00:00"
        ).to_json()
        for _ in range(2)
    )
    assert first == second


def test_numbers_are_those_of_the_draws(survival: Responses, trial: Cohort, survival_report: Report) -> None:
    found = sections(survival_report)
    summary = survival.select(["T-001"]).summary()
    for option, row in zip(found["expected_response"]["options"], summary.iter_rows(named=True), strict=True):
        estimate = option["estimate"]
        assert [estimate[k] for k in ("mean", "lower", "upper")] == pytest.approx(
            [row[k] for k in ("mean", "lower", "upper")]
        )
        assert estimate["text"] == FMT.of_100(row["mean"])
        assert option["icons"] == per_hundred(row["mean"])
    comparison = found["differences"]["comparisons"][0]
    row = contrast(survival.select(["T-001"]), worthwhile=0.05).row(0, named=True)
    assert comparison["estimate"]["mean"] == pytest.approx(row["benefit"])
    assert [p["value"] for p in comparison["probabilities"][:2]] == pytest.approx(
        [row["p_benefit"], row["p_worthwhile"]]
    )
    gained = survival.at(horizon=300, kind="rmst").draws(["T-001"]).values[0]
    assert comparison["time_gained"]["mean"] == pytest.approx((gained[1] - gained[0]).mean())


def test_an_unconverged_fit_is_refused_with_its_failures(unconverged: Responses, trial: Cohort) -> None:
    with pytest.raises(UnconvergedFitError, match=r"R-hat 1\.200.*3 divergent"):
        report(unconverged, trial, patient="T-001", worthwhile=0.05)


def test_an_unconverged_fit_that_is_allowed_is_stamped_in_the_data(
    unconverged: Responses, trial: Cohort
) -> None:
    made = report(unconverged, trial, patient="T-001", worthwhile=0.05, allow_unconverged=True)
    assert language("en").say("stamp.not_converged") in made.document.stamps
    assert len(sections(made)["making"]["failures"]) == 2


def test_synthetic_patients_are_stamped_from_their_provenance(survival: Responses, trial: Cohort) -> None:
    fit = replace(survival.fit, provenance=replace(survival.fit.provenance, synthetic=True))
    made = report(replace(survival, fit=fit), trial, patient="T-001", worthwhile=0.05)
    assert made.document.stamps == (language("en").say("stamp.synthetic"),)


def test_bad_requests_are_refused(survival: Responses, trial: Cohort, newcomers: Cohort) -> None:
    with pytest.raises(UnknownPatientError):
        report(survival, trial, patient="nobody", worthwhile=0.05)
    for worthwhile in (None, 0.0, float("nan")):
        with pytest.raises(SpecError, match="worthwhile"):
            report(survival, trial, patient="T-001", worthwhile=worthwhile)
    with pytest.raises(DataError, match="not the cohort that the model learned from"):
        report(survival, trial, patient="T-001", worthwhile=0.05, reference=newcomers)
    with pytest.raises(SpecError, match="did you mean 'harms'"):
        build_report(survival, trial, patient="T-001", worthwhile=0.05, sections=("harm",))
    with pytest.raises(UnknownTreatmentError):
        harm = Harm(name="Rash", rates={"7": Rate(mean=0.1, lower=0.0, upper=0.2)}, source="T1")
        report(survival, trial, patient="T-001", worthwhile=0.05, harms=[harm])


def test_responses_of_another_cohort_are_refused(survival: Responses) -> None:
    other = cohort_from_frame(trials.trial_frame(seed=4), trials.trial_schema())
    with pytest.raises(DataError, match="differ between the cohort and the responses"):
        report(survival, other, patient="T-001", worthwhile=0.05)


def test_missing_inputs_and_patients_outside_are_said(
    survival: Responses, newcomers: Cohort, newcomer_report: Report
) -> None:
    checks = {c["name"]: c for c in sections(newcomer_report)["question"]["checks"]}
    assert checks["Inputs complete"]["result"] == "2 of 4 missing"
    assert "Age and CD4 count" in checks["Inputs complete"]["detail"]
    assert newcomer_report.document.flags == ("2 of 4 inputs missing",)
    far = report(respond(survival.fit, newcomers, horizon=300), newcomers, patient="N-002", worthwhile=0.05)
    population, use = sections(far)["question"]["checks"][:2]
    assert population["mark"] == "▲" and "CD4 count" in population["detail"]
    assert use["result"] == "Not shown"
    assert "outside the studied population" in far.document.flags


def test_too_uncertain_is_said_and_no_word_stands_for_a_probability(trial: Cohort) -> None:
    unclear = respond(trials.fake_survival_fit(trial, benefit=0.0), trial, horizon=300)
    made = report(unclear, trial, patient="T-001", worthwhile=0.05)
    assert "too uncertain to say" in sections(made)["in_short"]["sentences"][0]
    clear = respond(trials.fake_survival_fit(trial, benefit=2.0), trial, horizon=300)
    assert (
        "too uncertain"
        not in sections(report(clear, trial, patient="T-001", worthwhile=0.05))["in_short"]["sentences"][0]
    )


def test_forbidden_words_and_numbers_are_nowhere(
    survival_report: Report, dose_report: Report, newcomer_report: Report
) -> None:
    for made in (survival_report, dose_report, newcomer_report):
        said = " ".join(
            text for name, s in sections(made).items() if name not in ("glossary",) for text in texts(s)
        )
        said = said.replace("likely values", "")  # values given other inputs, not an outcome
        assert not re.search(
            r"\b(likely|probably|possibly|best option|recommended|winner|p-value|hazard ratio)\b", said
        )
        assert not re.search(r"(?<![\d.,])(0|100)%", said)
        assert not re.search(r"[^\w]-\d", said.replace("VKORC1 -1639", ""))


def test_harms_without_a_rate_are_not_known(survival_report: Report, dose_report: Report) -> None:
    rows = sections(survival_report)["harms"]["rows"]
    assert rows[0]["cells"] == ["3 (1 to 5)", "not known"]
    assert rows[1]["cells"] == ["not known", "<1 (<1 to 2)"]
    assert sections(dose_report)["harms"]["statement"].startswith("Not known: this model estimates no harms")


def test_a_single_arm_has_no_differences_and_tells_the_two_intervals_apart(
    dose: Responses, dose_report: Report
) -> None:
    found = sections(dose_report)
    assert "differences" not in found and "survival" not in found
    option = found["expected_response"]["options"][0]
    assert option["icons"] is None
    own = dose.select(["D-003"])
    row, person = own.summary().row(0, named=True), own.predictive(level=0.9).row(0, named=True)
    assert (option["estimate"]["lower"], option["estimate"]["upper"]) == pytest.approx(
        (row["lower"], row["upper"])
    )
    assert (option["person"]["lower"], option["person"]["upper"]) == pytest.approx(
        (person["lower"], person["upper"])
    )
    assert option["person"]["interval"] in found["in_short"]["sentences"][0]
    assert found["expected_response"]["axis"]["low"] == 0.0


def test_at_most_five_inputs_moved_it_largest_first_and_all_rows_add_up(
    survival_report: Report, survival: Responses
) -> None:
    *rows, total = sections(survival_report)["moved"]["rows"]
    sizes = [abs(row["changes"][0]["mean"]) for row in rows if row["label"] != "All others"]
    assert 0 < len(sizes) <= 5 and sizes == sorted(sizes, reverse=True)
    found = contributions(survival, "T-001")
    assert total["label"] == "Sum"
    assert total["changes"][0]["mean"] == pytest.approx(found.benefits("1").sum(axis=0).mean())
    assert sum(row["changes"][0]["mean"] for row in rows) == pytest.approx(total["changes"][0]["mean"])


def test_small_exclusions_are_suppressed_in_the_flow(survival: Responses, trial: Cohort) -> None:
    flow = (("no consent", 4), ("no follow-up", 120))
    fit = replace(survival.fit, provenance=replace(survival.fit.provenance, flow=flow))
    rows = sections(report(replace(survival, fit=fit), trial, patient="T-001", worthwhile=0.05))["flow"][
        "rows"
    ]
    assert [row["n"] for row in rows] == ["not shown", "<11", "120", "60"]


def test_restricted_mean_time_can_be_the_main_response(survival: Responses, trial: Cohort) -> None:
    longer = survival.at(horizon=300, kind="rmst")
    option = sections(report(longer, trial, patient="T-001", worthwhile=10.0))["expected_response"][
        "options"
    ][0]
    assert option["estimate"]["text"].endswith(" days") and option["icons"] is None


def test_an_outcome_where_less_is_better_turns_the_sign(dosing: Cohort) -> None:
    arms = {
        "column": "arm", "reference": "x", "assignment": "randomised", "levels": {"x": {"label": "X"}, "y": {"label": "Y"}},
    }  # fmt: skip
    outcome = {
        "dose": {
            "kind": "continuous",
            "column": "dose",
            "unit": "mmHg",
            "label": "blood pressure",
            "direction": "lower_is_better",
        }
    }
    frame = trials.dose_frame().with_columns(arm=np.array(["x", "y"] * 30))
    cohort = cohort_from_frame(frame, trials.dose_schema(treatment=arms, outcomes=outcome))
    responses = respond(trials.fake_gaussian_fit(cohort), cohort)
    comparison = sections(report(responses, cohort, patient="D-003", worthwhile=1.0))["differences"][
        "comparisons"
    ][0]
    draws = responses.draws(["D-003"]).values[0]
    assert comparison["estimate"]["mean"] == pytest.approx((draws[0] - draws[1]).mean())
