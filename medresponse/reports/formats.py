"""The files that a report is written as. A format more is an entry more: its name, its suffix and what renders it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medresponse.core.errors import SpecError
from medresponse.core.registry import did_you_mean
from medresponse.reports.document import PatientReport
from medresponse.reports.fhir import models, render_fhir
from medresponse.reports.html import render
from medresponse.reports.pdf import render_pdf, weasyprint


@dataclass(frozen=True, kw_only=True)
class Format:
    """One kind of file.

    Parameters
    ----------
    suffix : str
        Of the file's name, with its dot.
    render : callable
        Document -> the file's text (UTF-8) or bytes; it computes nothing that the document does not hold.
    takes : str
        Another format whose content `render` takes after the document where both are made together; empty for none.
    need : callable, optional
        Raises an error if something that `render` needs is not installed.
    """

    suffix: str
    render: Callable[..., str | bytes]
    takes: str = ""
    need: Callable[[], object] = lambda: None


RECORD = "json"  # always written: every number of every other file comes from it
FORMATS = {
    RECORD: Format(suffix=".json", render=PatientReport.to_json),
    "html": Format(suffix=".html", render=render),
    "pdf": Format(suffix=".pdf", render=render_pdf, need=weasyprint),
    "fhir": Format(suffix=".fhir.json", render=render_fhir, takes="pdf", need=models),
}


def checked_formats(names: Sequence[str]) -> tuple[str, ...]:
    """Return the formats asked for, once each, the record first.

    Raises
    ------
    SpecError
        If there is no such format, or something that it needs is not installed.
    """
    for name in names:
        if name not in FORMATS:
            raise SpecError(f"no reports as {name!r}; {did_you_mean(name, list(FORMATS))}", code="format")
        FORMATS[name].need()
    return tuple(dict.fromkeys((RECORD, *names)))


def format_of(path: Path) -> str:
    """Return the format that a file's name asks for.

    Raises
    ------
    SpecError
        If it is none of `FORMATS`.
    """
    for name in sorted(FORMATS, key=lambda name: -len(FORMATS[name].suffix)):  # .fhir.json is no .json
        if path.name.lower().endswith(FORMATS[name].suffix):
            return name
    known = ", ".join(form.suffix for form in FORMATS.values())
    raise SpecError(f"{path.name}: the name of a report ends in {known}", code="format")


def rendered(document: PatientReport, names: Sequence[str]) -> dict[str, bytes]:
    """Return the content of each file of a report, by format."""
    made: dict[str, bytes] = {}
    for name in sorted(names, key=lambda name: FORMATS[name].takes != ""):
        form = FORMATS[name]
        given = (made.get(form.takes),) if form.takes else ()
        content = form.render(document, *given)
        made[name] = content.encode("utf-8") if isinstance(content, str) else content
    return {name: made[name] for name in names}
