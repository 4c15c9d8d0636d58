"""Documents on a model rather than on a patient: the validation report and the model card."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from medresponse.cohort import Cohort
from medresponse.core.atomic import require_absent, write_text
from medresponse.core.audit import append
from medresponse.core.codec import from_plain, to_plain
from medresponse.core.provenance import utc_now
from medresponse.core.registry import look_up
from medresponse.decisions import AbstentionRules, Verdict
from medresponse.reports.base import Evidence, ReportContext, Section
from medresponse.reports.document import cleaned, training_cohort
from medresponse.reports.facts import ModelFacts
from medresponse.reports.html import render_with
from medresponse.reports.index import IndexLink
from medresponse.reports.language import language as language_of
from medresponse.reports.marks import ReportProvenance, provenance_of
from medresponse.reports.wording import wording_of
from medresponse.response import Responses, applicability
from medresponse.validation.record import ValidationRecord

SCHEMA_VERSION = 2
Kind = Literal["validation_report", "model_card"]
SECTIONS: dict[Kind, tuple[str, ...]] = {
    "validation_report": (
        "validation",
        "subgroups",
        "evidence",
        "flow",
        "characteristics",
        "making",
        "checklist",
    ),
    "model_card": ("card", "validation", "subgroups", "evidence"),
}
KINDS = tuple(SECTIONS)
_TITLES: dict[Kind, tuple[str, str]] = {
    "validation_report": ("cohort.validation_report", "cohort.validation_report.lead"),
    "model_card": ("cohort.model_card", "cohort.model_card.lead"),
}


@dataclass(frozen=True, kw_only=True)
class CohortDocument:
    """One document on a model; its page prints these fields and computes nothing.

    Parameters
    ----------
    kind : str
        ``validation_report`` or ``model_card``.
    language, title, lead, footer : str
    stamps : tuple of str
        As on patients' pages; they follow from the provenance.
    warnings : tuple of str
        Past its expiry, no expiry declared, gaps.
    remark : str
        What the index says beside the link.
    expires : str
        ISO date; empty if none was declared.
    expired : bool
        Whether it was past when the document was made.
    provenance : ReportProvenance
    order : tuple of str
        Names of the sections, in order.
    sections : mapping
        Name -> section.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Kind
    language: str
    title: str
    lead: str
    footer: str
    stamps: tuple[str, ...]
    warnings: tuple[str, ...]
    remark: str
    expires: str
    expired: bool
    provenance: ReportProvenance
    order: tuple[str, ...]
    sections: Mapping[str, Section]

    def to_json(self) -> str:
        """Return the document as JSON; the same document gives the same bytes."""
        return json.dumps(to_plain(self), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> CohortDocument:
        """Read what `to_json` wrote; its stamps are those that its provenance asks for, whatever it says."""
        read = from_plain(cls, json.loads(text))
        return dataclasses.replace(read, stamps=read.provenance.stamps(language_of(read.language)))

    def render(self) -> str:
        """Return the page: self-contained HTML without script."""
        return render_with("cohort_document.html.j2", json.loads(self.to_json()), self.language)


def build_cohort_document(
    kind: Kind,
    responses: Responses,
    cohort: Cohort,
    *,
    facts: ModelFacts | None = None,
    validation: ValidationRecord | None = None,
    worthwhile: float | None = None,
    reference: Cohort | None = None,
    evidence: Sequence[Evidence] = (),
    produced_utc: str | None = None,
    language: str = "en",
) -> CohortDocument:
    """Build the validation report or the model card of a fit.

    Unlike a patient's page it needs no validation that holds: it is stamped, and shows what is missing.

    Parameters
    ----------
    kind : str
        ``validation_report`` or ``model_card``.
    responses : Responses
        Of the question that the model answers.
    cohort : Cohort
        The patients of `responses`; nothing of any single one is printed.
    facts : ModelFacts, optional
        What people declare; gaps otherwise.
    validation : ValidationRecord, optional
    worthwhile : float, optional
        Smallest worthwhile benefit, as it is given for patients' pages.
    reference : Cohort, optional
        The training cohort, for its characteristics; `cohort` itself is taken if it is that.
    evidence : sequence of Evidence
    produced_utc : str, optional
        ISO 8601; now by default. Give it for byte-identical output.
    language : str

    Returns
    -------
    CohortDocument
    """
    words, made, facts = language_of(language), produced_utc or utc_now(), facts or ModelFacts()
    patient = responses.ids[0]
    single = responses.select([patient])
    values = next(iter(single.chunks()))[1][0]
    provenance = provenance_of(
        responses, synthetic=cohort.schema.synthetic, worthwhile=worthwhile, validation=validation,
        override=words.say("cohort.override"), produced_utc=made, inputs_hash="", rules=None,
    )  # fmt: skip
    dates = [day for day in (facts.expires, validation.expires if validation else "") if day]
    nothing = Verdict(
        patient=patient, treatments=single.treatments, reference=single.basis.reference, shared=(),
        own=((),) * len(single.treatments),
    )  # fmt: skip
    context = ReportContext(
        responses=single, cohort=cohort.select([patient]), patient=patient, language=words, wording=wording_of(single, values, words),
        values=values, applicability=applicability(single, cohort, patient), worthwhile=worthwhile, provenance=provenance,
        rules=AbstentionRules(), verdict=nothing, training=None,
        validation=validation, reference=training_cohort(responses, cohort, reference), evidence=tuple(evidence), produced_utc=made, facts=facts,
        expires=min(dates, default=""),
    )  # fmt: skip
    built: dict[str, Section] = {}
    for name in SECTIONS[kind]:
        section = look_up(Section, name, path="document.sections").build(context)  # type: ignore[attr-defined]
        if section is not None:
            built[name] = section
    document: CohortDocument = cleaned(_document(kind, context, built))
    return document


def _document(kind: Kind, context: ReportContext, sections: Mapping[str, Section]) -> CohortDocument:
    say, expires = context.say, context.expires
    # As for patients' pages: a time of production can be given, the clock cannot, and the later one decides.
    day = max(date.fromisoformat(context.produced_utc[:10]), datetime.now(UTC).date())
    expired = bool(expires) and day > date.fromisoformat(expires)
    title, lead = _TITLES[kind]
    warnings = [say("cohort.expired", day=expires)] if expired else []
    if not expires:
        warnings.append(say("cohort.no_expiry"))
    stamps = context.provenance.stamps(context.language)
    if context.provenance.override and not expired:
        remark = stamps[0]  # a date ahead would say that the model may be used
    else:
        remark = warnings[0] if warnings else say("cohort.until", day=expires)
    if kind == "validation_report":
        gaps = getattr(sections["checklist"], "n_gaps")  # noqa: B009  (of the one section that has it)
        remark = say("cohort.gaps", n=gaps)
        if gaps:
            warnings.append(remark)
    name = " ".join((context.facts.name, context.facts.version)).strip() or context.wording.what
    return CohortDocument(
        kind=kind, language=context.language.code, title=say(title), lead=say(lead, what=context.wording.what),
        footer=say("cohort.footer", name=name, hash=context.provenance.model_hash[:12], produced=context.produced_utc[:10]),
        stamps=stamps, warnings=tuple(warnings), remark=remark, expires=expires,
        expired=expired, provenance=context.provenance, order=tuple(sections), sections=sections,
    )  # fmt: skip


def save_cohort_document(
    document: CohortDocument, folder: str | Path, *, overwrite: bool = False, who: str | None = None
) -> IndexLink:
    """Write a document as ``<kind>.html`` and ``<kind>.json`` into `folder`, and return the link for the index.

    Raises
    ------
    OutputExistsError
        If either file is there and `overwrite` is not set.
    """
    page = Path(folder) / f"{document.kind}.html"
    texts = {page: document.render(), page.with_suffix(".json"): document.to_json()}
    for file in texts:
        require_absent(file, overwrite=overwrite)
    made = document.provenance
    append(
        folder, action=document.kind, who=who, data_hash=made.data_hash, model_hash=made.model_hash,
        config_hash=made.config_hash, validation_hash=made.validation,
        files={file.name: hashlib.sha256(text.encode("utf-8")).hexdigest() for file, text in texts.items()},
    )  # fmt: skip
    for file, text in texts.items():
        write_text(file, text)
    return IndexLink(href=page.name, title=document.title, remark=document.remark)


def links_in(folder: str | Path) -> tuple[IndexLink, ...]:
    """Return links to the documents that `save_cohort_document` wrote into `folder`."""
    files = [Path(folder) / f"{kind}.json" for kind in KINDS]
    found = [CohortDocument.from_json(file.read_text(encoding="utf-8")) for file in files if file.is_file()]
    return tuple(
        IndexLink(href=f"{document.kind}.html", title=document.title, remark=document.remark)
        for document in found
    )
