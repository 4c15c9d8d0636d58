"""The files that a report is written as. A format more is an entry more: its name, its suffix and what renders it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medresponse.core.errors import SpecError
from medresponse.core.registry import did_you_mean
from medresponse.reports.document import PatientReport
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
    need : callable, optional
        Raises an error if something that `render` needs is not installed.
    """

    suffix: str
    render: Callable[[PatientReport], str | bytes]
    need: Callable[[], object] = lambda: None


RECORD = "json"  # always written: every number of every other file comes from it
FORMATS = {
    RECORD: Format(suffix=".json", render=PatientReport.to_json),
    "html": Format(suffix=".html", render=render),
    "pdf": Format(suffix=".pdf", render=render_pdf, need=weasyprint),
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
    for name, form in FORMATS.items():
        if path.name.lower().endswith(form.suffix):
            return name
    known = ", ".join(form.suffix for form in FORMATS.values())
    raise SpecError(f"{path.name}: the name of a report ends in {known}", code="format")


def rendered(document: PatientReport, names: Sequence[str]) -> dict[str, bytes]:
    """Return the content of each file of a report, by format."""
    made = {name: FORMATS[name].render(document) for name in names}
    return {name: text.encode("utf-8") if isinstance(text, str) else text for name, text in made.items()}
