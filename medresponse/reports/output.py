"""`report` and its files: a page and the JSON that every number on it comes from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medresponse.cohort import Cohort
from medresponse.core.atomic import require_absent, write_text
from medresponse.reports.base import Evidence, Harm
from medresponse.reports.document import PatientReport, build_report
from medresponse.reports.html import render
from medresponse.response import Responses

_RESERVED = re.compile(r"CON|PRN|AUX|NUL|COM\d|LPT\d|INDEX", re.IGNORECASE)


@dataclass(frozen=True)
class Report:
    """One patient's report, to be looked at through `document` or saved."""

    document: PatientReport

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the page to `path` and its JSON beside it; see `save_report`."""
        return save_report(self, path, overwrite=overwrite)

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
            allow_unconverged=allow_unconverged,
            produced_utc=produced_utc,
            language=language,
        )
    )


def save_report(report: Report, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a report as HTML to `path` and as JSON beside it (same stem), atomically and owner-only.

    Raises
    ------
    OutputExistsError
        If either file is there and `overwrite` is not set.
    """
    page = Path(path)
    data = page.with_suffix(".json")
    if page.suffix.lower() == ".json":
        page = page.with_suffix(".html")
    for file in (page, data):
        require_absent(file, overwrite=overwrite)
    text = render(report.document)  # before anything is written
    write_text(data, report.document.to_json())
    write_text(page, text)
    return page


def file_stem(patient: str) -> str:
    """Return a file name without suffix that depends on the pseudonym alone and stays in its folder.

    Upper-case letters, digits, ``_`` and ``-`` are kept. Any other id gets a readable part and a hash, so that
    two ids never share a file, on file systems that ignore case either.
    """
    if re.fullmatch(r"[A-Z0-9][A-Z0-9_-]{0,63}", patient) and not _RESERVED.fullmatch(patient):
        return patient
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", patient).strip("-")[:40] or "patient"
    return f"{readable}.{hashlib.sha256(patient.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
