"""`report` and its files: a page and the JSON that every number on it comes from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medresponse.cohort import Cohort
from medresponse.core.atomic import require_absent, write_text
from medresponse.core.audit import append
from medresponse.decisions.harms import Harm
from medresponse.reports.base import Evidence
from medresponse.reports.document import PatientReport, build_report
from medresponse.reports.html import render
from medresponse.response import Responses
from medresponse.validation.record import ValidationRecord

_RESERVED = re.compile(r"CON|PRN|AUX|NUL|COM\d|LPT\d|INDEX", re.IGNORECASE)


@dataclass(frozen=True)
class Report:
    """One patient's report, to be looked at through `document` or saved."""

    document: PatientReport

    def save(
        self,
        path: str | Path,
        *,
        overwrite: bool = False,
        who: str | None = None,
        log: str | Path | None = None,
    ) -> Path:
        """Write the page to `path` and its JSON beside it; see `save_report`."""
        return save_report(self, path, overwrite=overwrite, who=who, log=log)

    def __repr__(self) -> str:
        stamps = "".join(f", {stamp}" for stamp in self.document.stamps)
        return f"<Report: {self.document.footer}{stamps}>"


def report(
    responses: Responses,
    cohort: Cohort,
    *,
    patient: str,
    worthwhile: float | None = None,
    reference: Cohort | None = None,
    evidence: Sequence[Evidence] = (),
    harms: Sequence[Harm] = (),
    validation: ValidationRecord | None = None,
    override: str | None = None,
    allow_unconverged: bool = False,
    produced_utc: str | None = None,
    language: str = "en",
) -> Report:
    """Make one patient's report; parameters and errors are those of `document.build_report`."""
    return Report(
        build_report(
            responses,
            cohort,
            patient=patient,
            worthwhile=worthwhile,
            reference=reference,
            evidence=evidence,
            harms=harms,
            validation=validation,
            override=override,
            allow_unconverged=allow_unconverged,
            produced_utc=produced_utc,
            language=language,
        )
    )


def save_report(
    report: Report,
    path: str | Path,
    *,
    overwrite: bool = False,
    who: str | None = None,
    log: str | Path | None = None,
) -> Path:
    """Write a report as HTML to `path` and as JSON beside it (same stem), atomically and owner-only.

    Parameters
    ----------
    report : Report
    path : path
    overwrite : bool
    who : str, optional
        Who makes it, for the audit log; the user of the operating system by default.
    log : path, optional
        Folder of the audit log, above the page; the page's own folder by default.

    Raises
    ------
    OutputExistsError
        If either file is there and `overwrite` is not set.
    IntegrityError
        If the audit log is broken; nothing is written then.
    """
    page = Path(path)
    data = page.with_suffix(".json")
    if page.suffix.lower() == ".json":
        page = page.with_suffix(".html")
    for file in (page, data):
        require_absent(file, overwrite=overwrite)
    texts = {page: render(report.document), data: report.document.to_json()}
    log_report(report.document, texts, log=log or page.parent, who=who)  # first: no page without its entry
    for file, text in texts.items():
        write_text(file, text)
    return page


def log_report(
    document: PatientReport, texts: Mapping[Path, str | bytes], *, log: str | Path, who: str | None = None
) -> None:
    """Enter a report in the audit log of folder `log`: what it is from, overrides with reasons, hashes of its files."""
    made = document.provenance
    overrides = {"validation": made.override} if made.override else {}
    if not made.converged:
        overrides["diagnostics"] = "reported although the fit fails its diagnostics"
    hashes = {
        file.relative_to(log).as_posix(): hashlib.sha256(
            text.encode("utf-8") if isinstance(text, str) else text
        ).hexdigest()
        for file, text in texts.items()
    }
    append(
        log, action="report", who=who, patient=document.patient, data_hash=made.data_hash, model_hash=made.model_hash,
        config_hash=made.config_hash, validation_hash=made.validation, files=hashes, overrides=overrides,
    )  # fmt: skip


def file_stem(patient: str) -> str:
    """Return a file name without suffix that depends on the pseudonym alone and stays in its folder.

    Upper-case letters, digits, ``_`` and ``-`` are kept. Any other id gets a readable part and a hash, so that
    two ids never share a file, on file systems that ignore case either.
    """
    if re.fullmatch(r"[A-Z0-9][A-Z0-9_-]{0,63}", patient) and not _RESERVED.fullmatch(patient):
        return patient
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", patient).strip("-")[:40] or "patient"
    return f"{readable}.{hashlib.sha256(patient.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
