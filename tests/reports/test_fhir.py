"""FHIR R4: valid by two implementations, no more said than the report says, the same bytes each time."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.structuredefinition import StructureDefinition
from fhirclient.models import bundle as smart
from fhirclient.models import structuredefinition as smart_definition

from medresponse.cohort import Cohort, cohort_from_frame
from medresponse.core import units
from medresponse.core.errors import OutputError, SpecError
from medresponse.core.results import verify_results
from medresponse.decisions import AbstentionRules, Contraindication
from medresponse.reports import Report, fhir
from medresponse.reports.answer import PROBABILITIES
from medresponse.reports.batch import write_reports
from medresponse.reports.fhir import ABSENT, TEST_DATA, UCUM, render_fhir, to_bundle, urn
from medresponse.response import Responses, respond
from tests.reports import trials
from tests.reports.validated import RULES, record_of, report
from tests.response_kinds import responses_of

DOCS = Path(__file__).parents[2] / "docs" / "fhir.md"
DEFINITIONS = Path(fhir.__file__).parent / "structure_definitions"
PDF = b"%PDF-1.7 as it would be"


def barring(*treatments: str) -> AbstentionRules:
    barred = Contraindication(
        feature="age", comparison="at_least", values=(0.0,), treatments=treatments, reason="bleeding", source="label"
    )  # fmt: skip
    return replace(RULES, contraindications=(barred,))


@pytest.fixture(scope="module")
def made_reports(
    survival: Responses, trial: Cohort, survival_report: Report, dose_report: Report, newcomer_report: Report,
    spanish_report: Report,
) -> dict[str, Report]:  # fmt: skip
    """Reports of every kind of answer: probabilities, amounts, rates, times, missing inputs, withheld options, stamps."""
    found = {
        "survival": survival_report, "dose": dose_report, "newcomer": newcomer_report, "spanish": spanish_report,
        "withheld": report(survival, trial, patient="T-001", worthwhile=0.05, rules=barring("1")),
        "all withheld": report(survival, trial, patient="T-001", worthwhile=0.05, rules=barring("0", "1")),
    }  # fmt: skip
    longer = survival.at(horizon=300, kind="rmst")
    found["months"] = report(longer, trial, patient="T-001", worthwhile=10.0)
    for kind, question in (
        ("count", {"estimand": "rate"}),
        ("ordinal", {"estimand": "at_least", "part": "SD"}),
    ):
        responses, cohort = responses_of(kind, **question)
        found[kind] = report(responses, cohort, patient="P01", worthwhile=0.05)
    return found


KINDS = ("survival", "dose", "newcomer", "spanish", "withheld", "all withheld", "months", "count", "ordinal")


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, made_reports: dict[str, Report]) -> Report:
    return made_reports[request.param]


def of_type(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def walk(value: Any) -> Iterator[Any]:
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(item)


def extension(prediction: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((e for e in prediction["extension"] if e["url"] == urn(name)), None)


def test_it_is_valid_by_two_implementations(made: Report) -> None:
    plain = json.loads(render_fhir(made.document, PDF))
    read = Bundle.model_validate(plain)
    assert [e.resource.get_resource_type() for e in read.entry] == [
        e["resource"]["resourceType"] for e in plain["entry"]
    ]
    client = smart.Bundle(plain, strict=True)
    assert len(client.entry) == len(plain["entry"])
    client.as_json()  # which validates what it writes


def test_the_same_document_gives_the_same_bytes_and_another_one_other_identifiers(
    survival: Responses, trial: Cohort, survival_report: Report
) -> None:
    text = render_fhir(survival_report.document)
    assert render_fhir(type(survival_report.document).from_json(survival_report.document.to_json())) == text
    other = report(survival, trial, patient="T-002", worthwhile=0.05)
    ids = [{e["fullUrl"] for e in json.loads(t)["entry"]} for t in (text, render_fhir(other.document))]
    assert not ids[0] & ids[1]


def test_every_id_is_a_urn_and_every_reference_resolves_within_the_bundle(made: Report) -> None:
    bundle = to_bundle(made.document)
    urls = [e["fullUrl"] for e in bundle["entry"]]
    assert len(set(urls)) == len(urls)
    for entry in bundle["entry"]:
        assert (
            entry["fullUrl"] == f"urn:uuid:{entry['resource']['id']}"
            and UUID(entry["resource"]["id"]).version == 5
        )
    kinds = {e["fullUrl"]: e["resource"]["resourceType"] for e in bundle["entry"]}
    references = [v for v in walk(bundle) if isinstance(v, dict) and "reference" in v]
    assert references and all(kinds[r["reference"]] == r["type"] for r in references)


def test_the_patient_is_a_pseudonym_and_nothing_else(made: Report) -> None:
    bundle = to_bundle(made.document)
    assert not of_type(bundle, "Patient")
    for kind in ("DiagnosticReport", "RiskAssessment", "Observation"):
        for resource in of_type(bundle, kind):
            identifier = {"system": urn("pseudonym"), "value": made.document.patient}
            assert resource["subject"] == {"type": "Patient", "identifier": identifier}


def test_one_assessment_an_option_with_method_basis_and_one_prediction(made: Report) -> None:
    bundle, document = to_bundle(made.document), made.document
    assessments = of_type(bundle, "RiskAssessment")
    assert [a["code"]["text"] for a in assessments] == [o.label for o in document.answer.options]
    inputs = {o["code"]["coding"][0]["code"]: f"urn:uuid:{o['id']}" for o in of_type(bundle, "Observation")}
    assert list(inputs) == [one.name for one in document.answer.inputs]
    for assessment in assessments:
        assert assessment["method"]["coding"][0]["code"] == document.provenance.model_hash
        assert [b["reference"] for b in assessment["basis"]] == list(inputs.values())
        (prediction,) = assessment["prediction"]
        assert not {"probabilityRange", "probabilityDecimal"} <= set(prediction)
        assert "qualitativeRisk" not in prediction and "relativeRisk" not in prediction
        horizon = extension(prediction, "horizon")
        assert (horizon is None) == (document.answer.horizon is None)


def test_estimates_are_those_of_the_document_to_six_digits(made: Report) -> None:
    answer = made.document.answer
    factor = 100 if answer.unit == "probability" else 1
    for assessment, option in zip(
        of_type(to_bundle(made.document), "RiskAssessment"), answer.options, strict=True
    ):
        (prediction,) = assessment["prediction"]
        if option.response is None:
            continue
        found = extension(prediction, "posterior")
        assert found is not None
        parts = {p["url"]: p["valueQuantity"]["value"] for p in found["extension"] if p["url"] != "quantile"}
        assert parts["mean"] == pytest.approx(factor * option.response.mean, rel=1e-5)
        assert parts["median"] == pytest.approx(factor * option.response.median, rel=1e-5)
        quantiles = [
            (q["extension"][0]["valueDecimal"], q["extension"][1]["valueQuantity"]["value"])
            for q in found["extension"] if q["url"] == "quantile"
        ]  # fmt: skip
        assert [p for p, _ in quantiles] == list(PROBABILITIES)
        assert [v for _, v in quantiles] == pytest.approx(
            [factor * q for q in option.response.quantiles], rel=1e-5
        )
        if answer.unit == "probability":
            bounds = prediction["probabilityRange"]
            assert (bounds["low"]["value"], bounds["high"]["value"]) == (quantiles[0][1], quantiles[-1][1])
            assert bounds["low"]["code"] == bounds["high"]["code"] == "%"
        else:
            assert not any(key.startswith("probability") for key in prediction)
        benefit = extension(prediction, "benefit")
        assert (benefit is None) == (option.benefit is None)
        if benefit is not None and option.benefit is not None:
            numbers = {p["url"]: p.get("valueDecimal") for p in benefit["extension"]}
            assert numbers["probabilityAboveZero"] == pytest.approx(option.benefit.above_zero, rel=1e-5)
            assert numbers["probabilityWorthwhile"] == pytest.approx(option.benefit.worthwhile, rel=1e-5)


@pytest.mark.parametrize(("name", "barred"), [("withheld", {1}), ("all withheld", {0, 1})])
def test_a_withheld_option_has_reasons_and_no_number(
    made_reports: dict[str, Report], name: str, barred: set[int]
) -> None:
    for k, assessment in enumerate(of_type(to_bundle(made_reports[name].document), "RiskAssessment")):
        (prediction,) = assessment["prediction"]
        absent = {"url": ABSENT, "valueCode": "unsupported"}
        assert (absent in prediction["extension"]) == (k in barred)
        if k in barred:
            left = [e for e in prediction["extension"] if e["url"] != urn("horizon")]
            assert left == [absent] and set(prediction) == {"extension", "outcome", "rationale"}
            assert "bleeding" in prediction["rationale"]


def test_it_is_final_only_with_a_named_reviewer_and_without_a_stamp(
    survival: Responses, trial: Cohort, survival_report: Report
) -> None:
    synthetic = replace(
        survival, fit=replace(survival.fit, provenance=replace(survival.fit.provenance, synthetic=True))
    )
    stamped = report(synthetic, trial, patient="T-001", worthwhile=0.05)
    for one, reviewer, status in (
        (survival_report, None, "preliminary"), (survival_report, "  ", "preliminary"), (survival_report, "R. Eviewer", "final"),
        (stamped, "R. Eviewer", "preliminary"),
    ):  # fmt: skip
        bundle = to_bundle(one.document, reviewer=reviewer)
        (whole,) = of_type(bundle, "DiagnosticReport")
        assert {whole["status"], *(a["status"] for a in of_type(bundle, "RiskAssessment"))} == {status}
        assert ("resultsInterpreter" in whole) == (status == "final")
        assert {o["status"] for o in of_type(bundle, "Observation")} == {"unknown"}
        assert "final" not in render_fhir(one.document).replace('"finally', "")


def test_stamps_and_synthetic_data_are_marked_on_every_resource(survival: Responses, trial: Cohort) -> None:
    synthetic = replace(
        survival, fit=replace(survival.fit, provenance=replace(survival.fit.provenance, synthetic=True))
    )
    document = report(synthetic, trial, patient="T-001", worthwhile=0.05).document
    bundle = to_bundle(document)
    for resource in (bundle, *(e["resource"] for e in bundle["entry"])):
        assert resource["meta"]["tag"] == [TEST_DATA]
    (whole,) = of_type(bundle, "DiagnosticReport")
    assert whole["conclusion"].startswith(document.stamps[0])
    assert "Research use only" in whole["conclusion"] and "Research use only" in whole["text"]["div"]
    for assessment in of_type(bundle, "RiskAssessment"):
        assert [n["text"] for n in assessment["note"]] == list(document.stamps)


def test_inputs_have_their_units_and_what_is_missing_says_so(made_reports: dict[str, Report]) -> None:
    found = {
        o["code"]["text"]: o for o in of_type(to_bundle(made_reports["newcomer"].document), "Observation")
    }
    for label in ("Age", "CD4 count"):
        assert (
            "valueQuantity" not in found[label]
            and found[label]["dataAbsentReason"]["coding"][0]["code"] == "unknown"
        )
    full = {
        o["code"]["text"]: o for o in of_type(to_bundle(made_reports["survival"].document), "Observation")
    }
    assert full["CD4 count"]["valueQuantity"] == {
        "value": 156.0,
        "unit": "cells/mm3",
        "system": UCUM,
        "code": "{cells}/mm3",
    }
    assert full["Age"]["valueQuantity"]["code"] == "a"
    assert full["Sex"]["valueCodeableConcept"]["text"] == "male"


# The codes of https://ucum.org/ucum that stand as they are, without a brace.
UNITS = {
    "1", "%", "kg", "g", "mg", "ug", "cm", "mm", "m", "kg/m2", "m2", "mm[Hg]", "Cel", "10*9/L", "10*6/mL", "mg/wk", "mg/d",
    "mmol/L", "umol/L", "mg/dL", "g/dL", "U/L", "mm3", "mL/min", "10.a", "mm/h", "ng/mL", "fmol/mg", "h", "d", "wk", "mo", "a",
}  # fmt: skip


def test_every_unit_that_a_schema_may_name_has_a_code_of_ucum() -> None:
    for unit in units._KNOWN | set(units._DAYS):
        code = fhir.UCUM_CODES.get(unit, unit)
        assert code in UNITS or re.fullmatch(r"\{[a-z]+\}(/(mm3|mL|d|wk|mo|a))?", code), unit


def test_the_pdf_is_presented_whole(survival_report: Report) -> None:
    (whole,) = of_type(to_bundle(survival_report.document, pdf=PDF), "DiagnosticReport")
    (form,) = whole["presentedForm"]
    assert base64.b64decode(form["data"]) == PDF and form["size"] == len(PDF)
    assert base64.b64decode(form["hash"]) == hashlib.sha1(PDF).digest()
    assert "presentedForm" not in of_type(to_bundle(survival_report.document), "DiagnosticReport")[0]


def test_a_day_zero_that_is_given_makes_the_period(survival_report: Report) -> None:
    bundle = to_bundle(survival_report.document, index_day=date(2026, 1, 1))
    periods = {json.dumps(a["prediction"][0]["whenPeriod"]) for a in of_type(bundle, "RiskAssessment")}
    assert periods == {'{"start": "2026-01-01", "end": "2026-10-28"}'}  # 300 days
    horizon = extension(of_type(bundle, "RiskAssessment")[0]["prediction"][0], "horizon")
    assert horizon is not None and horizon["valueDuration"]["code"] == "d"
    assert not any(
        "whenPeriod" in a["prediction"][0]
        for a in of_type(to_bundle(survival_report.document), "RiskAssessment")
    )


def test_text_from_data_makes_no_element(trial: Cohort) -> None:
    hostile = "<script>alert(1)</script>&\"'"
    frame = trials.trial_frame().with_columns((pl.lit(hostile) + pl.col("patient")).alias("patient"))
    levels = {"0": {"label": hostile}, "1": {"label": "B"}}
    treatment = {"column": "arm", "reference": "0", "assignment": "randomised", "levels": levels}
    cohort = cohort_from_frame(frame, trials.trial_schema(treatment=treatment))
    responses = respond(trials.fake_survival_fit(cohort), cohort, horizon=300)
    bundle = to_bundle(report(responses, cohort, patient=f"{hostile}T-001", worthwhile=0.05).document)
    for entry in bundle["entry"]:
        assert set(re.findall(r"</?([a-z]+)", entry["resource"]["text"]["div"])) == {"div", "p"}
    smart.Bundle(bundle, strict=True)


def test_the_extensions_used_are_those_that_are_defined_and_documented(
    made_reports: dict[str, Report],
) -> None:
    docs = DOCS.read_text(encoding="utf-8")
    defined = {}
    for name in ("posterior", "benefit", "horizon"):
        plain = json.loads((DEFINITIONS / f"{name}.json").read_text(encoding="utf-8"))
        StructureDefinition.model_validate(plain)
        smart_definition.StructureDefinition(plain, strict=True)
        assert plain["url"] == urn(name)
        defined[plain["url"]] = {
            e["id"].removeprefix("Extension.extension:"): e for e in plain["differential"]["element"] if e["id"].count(":") == 1 and "sliceName" in e
        }  # fmt: skip
    for name in ("posterior", "benefit", "horizon", "pseudonym", "report", "model", "input"):
        assert urn(name) in docs, name
    for one in made_reports.values():
        for item in walk(to_bundle(one.document)):
            if not isinstance(item, dict) or item.get("url") not in defined:
                continue
            slices = defined[item["url"]]
            names = [part["url"] for part in item.get("extension", ())]
            known = {n: f"{urn(n)}" if n == "posterior" else n for n in slices}
            assert set(names) <= set(known.values())
            required = {known[n] for n, e in slices.items() if e["min"]}
            assert required <= set(names)


def test_batches_write_it_and_the_pdf_is_in_it_where_both_are_asked_for(
    survival: Responses, trial: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medresponse.reports import formats

    cheap = replace(formats.FORMATS["pdf"], render=lambda document: PDF)
    monkeypatch.setitem(formats.FORMATS, "pdf", cheap)
    options = {"worthwhile": 0.05, "validation": record_of(survival, 0.05)}
    for names, presented in ((("fhir",), False), (("fhir", "pdf"), True)):
        folder = tmp_path / str(presented)
        batch = write_reports(survival, trial, folder, patients=["T-001", "T-002"], formats=names, **options)
        assert not batch.failures and verify_results(folder).breaks == ()
        for patient in ("T-001", "T-002"):
            text = (folder / "patients" / f"{patient}.fhir.json").read_text(encoding="utf-8")
            assert ('"presentedForm"' in text) is presented
    one = report(survival, trial, patient="T-001", worthwhile=0.05)
    path = one.save(tmp_path / "one.fhir.json")
    assert path.name == "one.fhir.json" and json.loads(path.read_text())["resourceType"] == "Bundle"
    assert (tmp_path / "one.json").is_file()


def test_without_the_extra_one_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fhir.resources.R4B.bundle", None)
    with pytest.raises(SpecError, match=r"medresponse\[fhir\]"):
        fhir.models()


def test_an_invalid_resource_is_refused_without_a_patients_value(
    survival_report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fhir, "_number", lambda value: "T-001 has 156")  # no number where one must be
    with pytest.raises(OutputError, match="no valid FHIR R4 at entry") as stop:
        to_bundle(survival_report.document)
    assert "156" not in str(stop.value) and "T-001" not in str(stop.value)


def test_numbers_are_decimals_that_survive_reading(survival_report: Report) -> None:
    text = render_fhir(survival_report.document)
    for number in re.findall(r'"value": ([0-9.eE+-]+)', text):
        assert len(Decimal(number).normalize().as_tuple().digits) <= 6
