"""A report as FHIR R4: a Bundle of one risk assessment an option, the inputs it rests on, and the report that it is part of.

Everything is read from the document's `answer` and provenance; nothing is computed but identifiers and percentages.
docs/fhir.md says what stands where; the extensions are defined in ``structure_definitions/``. Resources are checked by the
published R4B models (fhir.resources) before anything is returned. The same document gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from html import escape
from typing import Any
from uuid import UUID, uuid5

from medresponse.core.errors import OutputError, SpecError
from medresponse.core.units import convert_time
from medresponse.reports.answer import PROBABILITIES, Answer, Benefit, Input, OptionAnswer, Posterior
from medresponse.reports.document import PatientReport
from medresponse.reports.language import language
from medresponse.reports.sections.banner import Banner

NAMESPACE = UUID("3506c02b-c2f9-507e-a384-43366631033e")
UCUM = "http://unitsofmeasure.org"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST", "display": "test health data",
}  # fmt: skip

# Codes of units that the schema spells otherwise; all others are UCUM as they stand. Braces annotate what UCUM has no unit for.
UCUM_CODES = {
    "day": "d", "week": "wk", "month": "mo", "year": "a", "decade": "10.a", "mmHg": "mm[Hg]", "cells/mm3": "{cells}/mm3",
    "mg/week": "mg/wk", "mg/day": "mg/d", "copies/mL": "{copies}/mL", "points": "{points}", "mutations": "{mutations}",
    "count": "{count}", "score": "{score}", "events": "{events}", "events per patient": "{events}", "events per day": "{events}/d",
    "events per week": "{events}/wk", "events per month": "{events}/mo", "events per year": "{events}/a",
}  # fmt: skip


def urn(name: str) -> str:
    """Return the URI of one of our own systems and extensions, as docs/fhir.md lists them."""
    return f"urn:uuid:{uuid5(NAMESPACE, name)}"


def models() -> Any:
    """Return the R4B model of a Bundle, which the extra ``fhir`` installs.

    Raises
    ------
    SpecError
        If it is missing.
    """
    try:
        from fhir.resources.R4B.bundle import Bundle
    except ImportError as error:
        raise SpecError(
            "FHIR needs fhir.resources: pip install 'medresponse[fhir]'", code="missing_extra"
        ) from error
    return Bundle


def render_fhir(document: PatientReport, pdf: bytes | None = None) -> str:
    """Return the report as JSON of a FHIR Bundle, without a reviewer."""
    return json.dumps(to_bundle(document, pdf=pdf), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_bundle(
    document: PatientReport,
    *,
    pdf: bytes | None = None,
    reviewer: str | None = None,
    index_day: date | None = None,
) -> dict[str, Any]:
    """Return the report as a FHIR R4 Bundle in plain data.

    Parameters
    ----------
    document : PatientReport
    pdf : bytes, optional
        The report as PDF, which the DiagnosticReport then presents.
    reviewer : str, optional
        Who has reviewed the report. Only then is its status ``final``, and only if it carries no stamp; else it is
        ``preliminary``.
    index_day : date, optional
        Day 0 of the patient. The period of a prediction has dates only if it is given; its length stands there always.

    Raises
    ------
    SpecError
        If the extra ``fhir`` is not installed.
    OutputError
        If what was made is no valid FHIR.
    """
    model, made = models(), _Maker(document, reviewer, index_day)
    plain = made.bundle(pdf)
    try:
        model.model_validate(plain)
    except ValueError as error:  # its own words hold values of the patient
        where = {".".join(str(part) for part in found["loc"]) for found in getattr(error, "errors", list)()}
        raise OutputError(f"the report made no valid FHIR R4 at {', '.join(sorted(where)[:3])}") from None
    return plain


class _Maker:
    """Makes the resources of one document."""

    def __init__(self, document: PatientReport, reviewer: str | None, index_day: date | None) -> None:
        self.document, self.answer, self.reviewer = document, document.answer, (reviewer or "").strip()
        self.index_day = index_day
        self.status = "final" if self.reviewer and not document.stamps else "preliminary"
        # The report's own bytes, and what is said beside them: other content has other identifiers.
        text = document.to_json() + json.dumps([self.reviewer, str(index_day)])
        self.seed = hashlib.sha256(text.encode("utf-8")).hexdigest()

    def bundle(self, pdf: bytes | None) -> dict[str, Any]:
        answer, produced = self.answer, self.document.provenance.produced_utc
        resources = [self._report(pdf), *(self._assessment(k) for k in range(len(answer.options)))]
        resources += [self._device(), *(self._observation(one) for one in answer.inputs)]
        return {
            "resourceType": "Bundle", "id": self._id("bundle"), **self._meta(),
            "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{self._id('bundle')}"}, "type": "collection",
            "timestamp": produced,
            "entry": [{"fullUrl": f"urn:uuid:{one['id']}", "resource": one} for one in resources],
        }  # fmt: skip

    def _id(self, role: str) -> str:
        return str(uuid5(NAMESPACE, f"{self.seed} {role}"))

    def _reference(self, role: str, kind: str) -> dict[str, str]:
        return {"reference": f"urn:uuid:{self._id(role)}", "type": kind}

    def _meta(self) -> dict[str, Any]:
        return {"meta": {"tag": [TEST_DATA]}} if self.document.provenance.synthetic else {}

    def _common(self, kind: str, role: str, lines: list[str]) -> dict[str, Any]:
        body = "".join(f"<p>{escape(line)}</p>" for line in lines)
        return {
            "resourceType": kind, "id": self._id(role), **self._meta(), "language": self.document.language,
            "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'},
        }  # fmt: skip

    @property
    def _subject(self) -> dict[str, Any]:
        return {
            "type": "Patient",
            "identifier": {"system": urn("pseudonym"), "value": self.document.patient},
        }

    def _report(self, pdf: bytes | None) -> dict[str, Any]:
        document, produced = self.document, self.document.provenance.produced_utc
        lines = [*document.stamps, document.title, *_purpose(document), *_said(document)]
        found = {
            **self._common("DiagnosticReport", "report", lines),
            "identifier": [{"system": urn("report"), "value": hashlib.sha256(document.to_json().encode("utf-8")).hexdigest()}],
            "status": self.status, "code": {"text": document.title}, "subject": self._subject, "issued": produced,
        }  # fmt: skip
        if self.status == "final":
            found["resultsInterpreter"] = [{"display": self.reviewer}]
        found["conclusion"] = " ".join([*document.stamps, *_purpose(document), *_said(document)])
        if pdf is not None:
            digest = hashlib.sha1(pdf, usedforsecurity=False).digest()  # SHA-1 is what FHIR asks for here
            found["presentedForm"] = [
                {
                    "contentType": "application/pdf", "language": document.language, "data": base64.b64encode(pdf).decode(),
                    "size": len(pdf), "hash": base64.b64encode(digest).decode(), "title": document.title, "creation": produced,
                }
            ]  # fmt: skip
        return found

    def _assessment(self, k: int) -> dict[str, Any]:
        document, answer, option = self.document, self.answer, self.answer.options[k]
        said = _estimate(document, k)
        lines = [*document.stamps, f"{option.label}: {answer.what}: {said}", *option.withheld]
        software = _software(document)
        return {
            **self._common("RiskAssessment", f"option {k}", lines),
            "identifier": [{"system": urn("report"), "value": f"{self.seed} {option.treatment}"}],
            "parent": self._reference("report", "DiagnosticReport"), "status": self.status,
            "method": {
                "coding": [{"system": urn("model"), "code": document.provenance.model_hash}], "text": software,
            },
            "code": {"text": option.label}, "subject": self._subject, "occurrenceDateTime": document.provenance.produced_utc,
            "performer": self._reference("device", "Device"),
            "basis": [self._reference(f"input {one.name}", "Observation") for one in answer.inputs],
            "prediction": [self._prediction(option, said)],
            **({"note": [{"text": stamp} for stamp in document.stamps]} if document.stamps else {}),
        }  # fmt: skip

    def _prediction(self, option: OptionAnswer, said: str) -> dict[str, Any]:
        answer = self.answer
        extensions = [] if answer.horizon is None else [_horizon(answer)]
        found: dict[str, Any] = {"outcome": {"text": answer.what}}
        if option.response is None:
            extensions.append({"url": ABSENT, "valueCode": "unsupported"})
            found["rationale"] = " ".join(option.withheld)
        else:
            if answer.unit == "probability":
                low, high = option.response.quantiles[0], option.response.quantiles[-1]
                found["probabilityRange"] = {
                    "low": _quantity(low, answer.unit),
                    "high": _quantity(high, answer.unit),
                }
            extensions.append(_posterior(option.response, answer.unit))
            if option.benefit is not None:
                extensions.append(_benefit(option.benefit, answer))
            found["rationale"] = said
        if self.index_day is not None and answer.horizon is not None:
            days = convert_time(answer.horizon, given=answer.horizon_unit, wanted="day")
            end = self.index_day + timedelta(days=round(days))
            found["whenPeriod"] = {"start": self.index_day.isoformat(), "end": end.isoformat()}
        return {"extension": extensions, **found}

    def _device(self) -> dict[str, Any]:
        software = _software(self.document)
        return {
            **self._common("Device", "device", [software]),
            "identifier": [{"system": urn("model"), "value": self.document.provenance.model_hash}],
            "deviceName": [{"name": software, "type": "model-name"}],
        }  # fmt: skip

    def _observation(self, one: Input) -> dict[str, Any]:
        value: dict[str, Any] = {
            "dataAbsentReason": {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}
                ]
            }
        }
        shown = "\N{EN DASH}"
        if one.number is not None:
            value = {"valueQuantity": _quantity(one.number, one.unit or "1")}
            shown = f"{one.number:g} {one.unit}".strip()
        elif one.level:
            coding = {"system": urn("input"), "code": f"{one.name}={one.level}"}
            value = {"valueCodeableConcept": {"coding": [coding], "text": one.text}}
            shown = one.text
        return {
            **self._common("Observation", f"input {one.name}", [f"{one.label}: {shown}"]),
            # What was read is not known to be final in its source.
            "status": "unknown",
            "code": {"coding": [{"system": urn("input"), "code": one.name}], "text": one.label},
            "subject": self._subject, **value,
        }  # fmt: skip


def _purpose(document: PatientReport) -> Iterator[str]:
    """Yield what the page must not be used for: a reader may see the conclusion and nothing else."""
    banner = document.sections["banner"]
    assert isinstance(banner, Banner)
    yield banner.lead
    yield banner.text


def _said(document: PatientReport) -> Iterator[str]:
    """Yield each option's estimate as the page says it."""
    for k, headline in enumerate(document.headlines):
        yield f"{headline.label}: {document.headline_name}: {_estimate(document, k)}"


def _estimate(document: PatientReport, k: int) -> str:
    headline = document.headlines[k]
    if not headline.interval:
        return headline.text
    return f"{headline.text} ({language(document.language).say('interval.95')} {headline.interval})"


def _software(document: PatientReport) -> str:
    return (
        f"medresponse, report schema {document.schema_version}, model {document.provenance.model_hash[:12]}"
    )


def _number(value: float) -> float:
    """Return a number to six significant digits: the last ones of a double say nothing."""
    return float(f"{value:.6g}")


def _quantity(value: float, unit: str) -> dict[str, Any]:
    if unit == "probability":
        return {"value": _number(100 * value), "unit": "%", "system": UCUM, "code": "%"}
    return {"value": _number(value), "unit": unit, "system": UCUM, "code": UCUM_CODES.get(unit, unit)}


def _horizon(answer: Answer) -> dict[str, Any]:
    assert answer.horizon is not None
    return {"url": urn("horizon"), "valueDuration": _quantity(answer.horizon, answer.horizon_unit)}


def _posterior(posterior: Posterior, unit: str) -> dict[str, Any]:
    parts: list[Mapping[str, Any]] = [
        {"url": "mean", "valueQuantity": _quantity(posterior.mean, unit)},
        {"url": "median", "valueQuantity": _quantity(posterior.median, unit)},
    ]
    for probability, value in zip(PROBABILITIES, posterior.quantiles, strict=True):
        pair = [
            {"url": "probability", "valueDecimal": probability},
            {"url": "value", "valueQuantity": _quantity(value, unit)},
        ]
        parts.append({"url": "quantile", "extension": pair})
    return {"url": urn("posterior"), "extension": parts}


def _benefit(benefit: Benefit, answer: Answer) -> dict[str, Any]:
    reference = next(option.label for option in answer.options if option.treatment == answer.reference)
    parts: list[Mapping[str, Any]] = [
        {"url": "against", "valueString": reference},
        {"url": "better", "valueCode": {1: "higher", -1: "lower", 0: "neither"}[answer.direction]},
        _posterior(benefit.posterior, answer.unit),
        {"url": "probabilityAboveZero", "valueDecimal": _number(benefit.above_zero)},
        {"url": "probabilityBelowZero", "valueDecimal": _number(benefit.below_zero)},
    ]
    if benefit.worthwhile is not None and answer.worthwhile is not None:
        parts.append({"url": "worthwhile", "valueQuantity": _quantity(answer.worthwhile, answer.unit)})
        parts.append({"url": "probabilityWorthwhile", "valueDecimal": _number(benefit.worthwhile)})
    return {"url": urn("benefit"), "extension": parts}
