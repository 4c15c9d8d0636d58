"""The typed report: every number and sentence of a page, before anything is drawn."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medresponse.cohort import Cohort
from medresponse.core.codec import field_names, from_plain, to_plain
from medresponse.core.errors import (
    DataError,
    IntegrityError,
    SpecError,
    UnconvergedFitError,
    UnknownPatientError,
)
from medresponse.core.provenance import utc_now
from medresponse.core.registry import look_up
from medresponse.decisions import AbstentionRules, Verdict, judge
from medresponse.decisions.harms import Harm
from medresponse.reports import sections as _registered  # noqa: F401  (registers the sections)
from medresponse.reports.answer import Answer, answer_of
from medresponse.reports.base import Earlier, Evidence, ReportContext, Section
from medresponse.reports.format import clean
from medresponse.reports.language import language as language_of
from medresponse.reports.marks import ReportProvenance, provenance_of
from medresponse.reports.withheld import published
from medresponse.reports.wording import wording_of
from medresponse.response import Responses, Studied, applicability_of, measure, studied
from medresponse.validation.record import ValidationRecord

SCHEMA_VERSION = 7
SECTIONS = (
    "identity", "banner", "in_short", "question", "abstention", "expected_response", "differences", "survival", "incidence", "outcomes", "harms", "moved",
    "trust", "not_said", "inputs", "rules", "numbers", "assumptions", "evidence", "validation", "making", "flow", "references",
    "glossary", "changes",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One option's estimate, as the index page lists it; if it is withheld a mark, and no interval."""

    label: str
    text: str
    interval: str
    withheld: bool


@dataclass(frozen=True, kw_only=True)
class PatientReport:
    """Everything that a rendering may show, and nothing that it would have to compute.

    Parameters
    ----------
    schema_version : int
    language, title, footer : str
    patient : str
        Pseudonym, exactly as in the cohort (`sections["identity"]` holds its printable form).
    provenance : ReportProvenance
        What the report was made from, and on whose authority.
    stamps : tuple of str
        Warnings that every page carries, as the provenance has them.
    flags : tuple of str
        What a reader should know before opening the page: outside the population, inputs missing.
    rules : AbstentionRules
    verdict : Verdict
        Which options are withheld by these rules, and why.
    answer : Answer
        Question, estimates and inputs for machines, without words to read them by.
    headlines : tuple of Headline
        Options in fixed order; `headline_name` says what the numbers are of.
    page, appendix : tuple of tuple of str
        Rows of section names; two names in a row stand side by side.
    sections : mapping
        Name -> section.

    Raises
    ------
    IntegrityError
        If the stamps are not those of the provenance.
    """

    schema_version: int = SCHEMA_VERSION
    language: str
    title: str
    patient: str
    provenance: ReportProvenance
    stamps: tuple[str, ...]
    flags: tuple[str, ...]
    rules: AbstentionRules
    verdict: Verdict
    answer: Answer
    headline_name: str
    headlines: tuple[Headline, ...]
    footer: str
    page: tuple[tuple[str, ...], ...]
    appendix: tuple[tuple[str, ...], ...]
    sections: Mapping[str, Section]

    def __post_init__(self) -> None:
        if self.stamps != self.provenance.stamps(language_of(self.language)):
            raise IntegrityError("the report's stamps are not those of its provenance", code="stamps")

    @functools.cached_property
    def plain(self) -> dict[str, Any]:
        """The report as nested dicts and lists, which renderings read and nobody changes."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    def to_json(self) -> str:
        """Return the report as JSON, with a checksum over all of it; the same report gives the same bytes."""
        plain = self.plain
        return json.dumps(plain | {"checksum": _checksum(plain)}, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> PatientReport:
        """Read what `to_json` wrote.

        Raises
        ------
        IntegrityError
            If it is not as it was written: the checksum differs, or stamps are missing that the provenance asks for.
        """
        plain = json.loads(text)
        if plain.pop("checksum", None) != _checksum(plain):
            raise IntegrityError("the report is not as it was written (its checksum differs); make it again")
        return from_plain(cls, plain)


def build_report(
    responses: Responses,
    cohort: Cohort,
    *,
    patient: str,
    worthwhile: float | None = None,
    reference: Cohort | Studied | None = None,
    rules: AbstentionRules | None = None,
    evidence: Sequence[Evidence] = (),
    harms: Sequence[Harm] = (),
    validation: ValidationRecord | None = None,
    override: str | None = None,
    allow_unconverged: bool = False,
    produced_utc: str | None = None,
    language: str = "en",
    inputs_hash: str = "",
    previous: PatientReport | None = None,
    sections: Sequence[str] = SECTIONS,
) -> PatientReport:
    """Build one patient's report.

    Parameters
    ----------
    responses : Responses
        Of `cohort`, of any estimand (probabilities of no event are accompanied by mean event-free times).
    cohort : Cohort
    patient : str
        Pseudonymous id.
    worthwhile : float, optional
        Smallest worthwhile benefit in the responses' unit, fixed beforehand; required with two or more
        options if the outcome has a better side.
    reference : Cohort or Studied, optional
        The training cohort, to count the patients on each option who are like this one; `cohort` itself is taken if it is
        that. For many reports give `studied(fit, cohort)`, which is made once.
    rules : AbstentionRules, optional
        When an estimate is withheld; the default rules by default.
    evidence : sequence of Evidence
        Calibration and validation results to print.
    harms : sequence of Harm
    validation : ValidationRecord, optional
        Of this model, its data and this question; `medresponse.validate` makes one.
    override : str, optional
        Why the report is made although no such record holds; it is then stamped on every page, and the reason goes to the
        audit log when the report is saved.
    allow_unconverged : bool
        Make a report from a fit that fails its diagnostics; it is stamped on every page.
    produced_utc : str, optional
        Time of production, ISO 8601; now by default. Give it for byte-identical output.
    language : str
        Code of the page's language: ``en``, ``es`` or another that has a catalogue. Words of the schema stay as they are.
    inputs_hash : str
        What a batch will know the report by when it goes on; see `batch.write_reports`.
    previous : PatientReport, optional
        The patient's report that this one replaces: what differs is listed in the appendix.
    sections : sequence of str
        Names of registered sections, in order.

    Raises
    ------
    UnconvergedFitError
        If the fit fails its diagnostics and `allow_unconverged` is not set.
    UnvalidatedError
        If `validation` is not a passed record of this model, data and question, or has expired, and there is no `override`.
    UnknownPatientError
        If the patient is not among the responses and in the cohort, or `previous` is another's.
    UnknownTreatmentError
        If a harm has a rate for a treatment that is not among the options.
    DataError
        If `cohort` is not what the responses were made for, or `reference` not what the model learned from.
    SpecError
        If `worthwhile` is needed and missing, not positive or larger than any benefit can be, or a section or the
        language is not known.
    """
    words = language_of(language)
    rules = rules or AbstentionRules()
    _check_converged(responses, allow_unconverged, rules)
    single, row = _one_patient(responses, cohort, patient)
    training = training_patients(responses, cohort, reference)
    measures = measure(single, training=training, similar_share=rules.similar_share)
    smallest, made = _checked_worthwhile(responses, worthwhile), produced_utc or utc_now()
    provenance = provenance_of(
        responses, synthetic=cohort.schema.synthetic, worthwhile=smallest, validation=validation, override=override,
        produced_utc=made, inputs_hash=inputs_hash, rules=rules,
    )  # fmt: skip
    verdict = judge(
        single, row, rules, training=training, worthwhile=smallest, measures=measures, allow_unconverged=allow_unconverged
    )[0]  # fmt: skip
    values = _shown_values(single, verdict)
    context = ReportContext(
        responses=single, cohort=row, patient=patient, language=words, wording=wording_of(single, _any(values), words),
        values=values, applicability=applicability_of(single, measures, 0), rules=rules, verdict=verdict,
        worthwhile=smallest, training=training, evidence=tuple(evidence), harms=tuple(harms), produced_utc=made,
        validation=validation, provenance=provenance, earlier=_earlier(previous, patient),
    )  # fmt: skip
    kinds = {name: look_up(Section, name, path="report.sections") for name in sections}
    built = {name: kind.build(context) for name, kind in kinds.items()}  # type: ignore[attr-defined]
    document: PatientReport = cleaned(_document(context, {n: s for n, s in built.items() if s is not None}))
    return dataclasses.replace(document, patient=patient)


def _earlier(previous: PatientReport | None, patient: str) -> Earlier | None:
    if previous is None:
        return None
    if previous.patient != patient:
        raise UnknownPatientError(f"the report to be replaced is not of patient {clean(patient)}")
    return Earlier(plain=previous.plain, checksum=_checksum(previous.plain))


def _document(context: ReportContext, sections: Mapping[str, Section]) -> PatientReport:
    title = "document.title.compare" if context.others else "document.title.single"
    return PatientReport(
        language=context.language.code, title=context.say("document.title.none" if context.verdict.whole else title),
        patient=context.patient, provenance=context.provenance, stamps=context.provenance.stamps(context.language), flags=_flags(context),
        rules=context.rules, verdict=published(context.verdict), answer=answer_of(context), headline_name=context.wording.what,
        headlines=tuple(_headline(context, k) for k in range(len(context.option_labels))),
        footer=context.say("document.footer", patient=context.patient),
        page=_rows(sections, appendix=False), appendix=_rows(sections, appendix=True), sections=sections,
    )  # fmt: skip


def _headline(context: ReportContext, k: int) -> Headline:
    label = context.option_labels[k]
    if k not in context.shown:
        return Headline(label=label, text=context.say("withheld.mark"), interval="", withheld=True)
    estimate = context.wording.absolute(context.values[k])
    return Headline(label=label, text=estimate.text, interval=estimate.interval, withheld=False)


def _rows(sections: Mapping[str, Section], *, appendix: bool) -> tuple[tuple[str, ...], ...]:
    """Pack sections into rows: two neighbours that need half the width share one."""
    rows: list[tuple[str, ...]] = []
    for name, section in sections.items():
        if (section.placement == "appendix") != appendix:
            continue
        beside = len(rows[-1]) == 1 and sections[rows[-1][0]].placement == "half" if rows else False
        if section.placement == "half" and beside:
            rows[-1] = (*rows[-1], name)
        else:
            rows.append((name,))
    return tuple(rows)


def _flags(context: ReportContext) -> tuple[str, ...]:
    found, flags = context.applicability, []
    withheld = [label for k, label in enumerate(context.option_labels) if k not in context.shown]
    if context.verdict.whole:
        flags.append(context.say("flag.withheld.all"))
    elif withheld:
        flags.append(context.say("flag.withheld", options=context.fmt.joined(withheld)))
    if not found.within:
        flags.append(context.say("flag.outside"))
    if found.new_groups:
        flags.append(context.say("flag.new_group"))
    if found.missing:
        inputs = context.say("count.inputs", n=found.n_inputs)
        flags.append(context.say("flag.missing", missing=len(found.missing), inputs=inputs))
    return tuple(flags)


def _shown_values(responses: Responses, verdict: Verdict) -> np.ndarray:
    """Return mean responses (treatment, draw) with nothing but not-a-number where an option is withheld.

    Nothing can be written from those: the formatter and the JSON refuse what is no number.
    """
    values = next(iter(responses.chunks()))[1][0].copy()
    values[~np.array(verdict.shown)] = np.nan
    return np.asarray(values)


def _any(values: np.ndarray) -> np.ndarray:
    """Return the options that are shown; zeros if none is, so that there is a scale to write the group's results on."""
    shown = values[~np.isnan(values).all(axis=-1)]
    return shown if len(shown) else np.zeros((1, values.shape[-1]))


def _check_converged(responses: Responses, allow: bool, rules: AbstentionRules) -> None:
    diagnostics = responses.fit.diagnostics
    if not diagnostics.passed and not allow and rules.unconverged == "refuse":
        raise UnconvergedFitError(
            f"no report from a fit that fails its diagnostics: {'; '.join(diagnostics.failures)}. Sample longer or mend the "
            "model; to look at the pages anyway, allow_unconverged=True (--allow-unconverged) stamps each of them"
        )


def _one_patient(responses: Responses, cohort: Cohort, patient: str) -> tuple[Responses, Cohort]:
    """Return one patient's responses and row of the cohort, which must be of the same inputs."""
    if patient not in responses.ids or patient not in cohort.patients:
        raise UnknownPatientError(
            f"patient {clean(patient)} is not among the {len(responses.ids)} patients of the responses"
        )
    single, row = responses.select([patient]), cohort.select([patient])
    codes = responses.fit.encoding.codes(row)
    if not np.array_equal(codes, single.patients.codes, equal_nan=True):
        raise DataError(
            f"the inputs of patient {clean(patient)} differ between the cohort and the responses; make the responses from this "
            "cohort",
            code="cohort_mismatch",
        )
    return single, row


def _checked_worthwhile(responses: Responses, worthwhile: float | None) -> float | None:
    if len(responses.treatments) < 2 or responses.direction == 0:
        return None
    if worthwhile is None or not worthwhile > 0:
        raise SpecError(
            "a report on differences needs worthwhile=, the smallest worthwhile benefit: a positive number in unit "
            f"{responses.unit!r}, fixed before seeing data",
            code="worthwhile",
        )
    most = {"probability": 1.0, "time": responses.horizon}.get(responses.kind.unit)
    if most is not None and worthwhile >= most:
        raise SpecError(
            f"worthwhile={worthwhile:g} is no possible benefit in unit {responses.unit!r}: it must be below {most:g} (for a "
            "probability, 0.05 is 5 of 100 patients)",
            code="worthwhile",
        )
    return worthwhile


def training_cohort(responses: Responses, cohort: Cohort, reference: Cohort | None) -> Cohort | None:
    """Return the training cohort, if it is at hand: `reference`, or `cohort` where it is that.

    Raises
    ------
    DataError
        If `reference` is not what the model learned from.
    """
    learned_from = responses.fit.provenance.cohort_fingerprint
    if reference is None:
        return cohort if cohort.fingerprint == learned_from else None
    if reference.fingerprint != learned_from:
        raise DataError(
            "reference is not the cohort that the model learned from (fingerprints differ)",
            code="cohort_mismatch",
        )
    return reference


def training_patients(
    responses: Responses, cohort: Cohort, reference: Cohort | Studied | None
) -> Studied | None:
    """Return the training patients, if they are at hand: `reference`, or `cohort` where it is that.

    Raises
    ------
    DataError
        If `reference` is not what the model learned from.
    """
    if isinstance(reference, Studied):
        if reference.fingerprint != responses.fit.provenance.cohort_fingerprint:
            raise DataError(
                "reference is not made from the cohort that the model learned from (fingerprints differ)",
                code="cohort_mismatch",
            )
        return reference
    found = training_cohort(responses, cohort, reference)
    return None if found is None else studied(responses.fit, found)


def _checksum(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True, allow_nan=False).encode()).hexdigest()


def cleaned(value: Any) -> Any:
    """Return a document in which every text is printable, whatever the data held."""
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, tuple):
        if value and isinstance(value[0], float):
            return value
        items = [cleaned(item) for item in value]
        return value if all(map(operator.is_, items, value)) else tuple(items)
    if isinstance(value, Mapping):
        return {key: cleaned(item) for key, item in value.items()}
    parts = {name: getattr(value, name) for name in field_names(value.__class__)}
    after = {name: cleaned(part) for name, part in parts.items()}
    changed = {name: part for name, part in after.items() if part is not parts[name]}
    return dataclasses.replace(value, **changed) if changed else value
