"""`report` and its files: a page and the JSON that every number on it comes from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medresponse.cohort import Cohort
from medresponse.core.atomic import require_absent, write_bytes
from medresponse.core.audit import append
from medresponse.decisions import AbstentionRules
from medresponse.decisions.harms import Harm
from medresponse.reports.base import Evidence
from medresponse.reports.document import PatientReport, build_report
from medresponse.reports.formats import FORMATS, RECORD, checked_formats, format_of, rendered
from medresponse.response import Responses, Studied
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
    reference: Cohort | Studied | None = None,
    rules: AbstentionRules | None = None,
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
            rules=rules,
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
    """Write a report to `path`, as HTML or PDF by its suffix, and as JSON beside it (same stem), atomically and owner-only.

    Parameters
    ----------
    report : Report
    path : path
        A name in ``.json`` alone writes the HTML too.
    overwrite : bool
    who : str, optional
        Who makes it, for the audit log; the user of the operating system by default.
    log : path, optional
        Folder of the audit log, above the page; the page's own folder by default.

    Raises
    ------
    OutputExistsError
        If either file is there and `overwrite` is not set.
    SpecError
        If the suffix is of no format, or what the format needs is not installed.
    IntegrityError
        If the audit log is broken; nothing is written then.
    """
    page = Path(path)
    name = format_of(page)
    stem = page.with_name(page.name[: -len(FORMATS[name].suffix)])
    names = checked_formats([name if name != RECORD else "html"])
    files = files_of(stem, names)
    for file in files.values():
        require_absent(file, overwrite=overwrite)
    write_files(report.document, stem, names, log=log or page.parent, who=who)
    return files[names[-1]]


def files_of(stem: Path, names: Sequence[str]) -> dict[str, Path]:
    """Return the file of each format; `stem` is their path without suffix."""
    return {name: stem.with_name(f"{stem.name}{FORMATS[name].suffix}") for name in names}


def write_files(
    document: PatientReport, stem: Path, names: Sequence[str], *, log: str | Path, who: str | None = None
) -> None:
    """Write a report in some formats, each file whole or not at all, over what is there; the record comes first."""
    contents = rendered(document, names)  # before anything is written
    files = {file: contents[name] for name, file in files_of(stem, names).items()}
    log_report(document, files, log=log, who=who)  # first: no page without its entry
    for file, content in files.items():
        write_bytes(file, content)


def log_report(
    document: PatientReport, files: Mapping[Path, bytes], *, log: str | Path, who: str | None = None
) -> None:
    """Enter a report in the audit log of folder `log`: what it is from, overrides with reasons, hashes of its files."""
    made = document.provenance
    overrides = {"validation": made.override} if made.override else {}
    if not made.converged:
        overrides["diagnostics"] = "reported although the fit fails its diagnostics"
    hashes = {
        file.relative_to(log).as_posix(): hashlib.sha256(content).hexdigest()
        for file, content in files.items()
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
