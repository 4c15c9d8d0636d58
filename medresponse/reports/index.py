"""The index page: patients in the cohort's order with their estimates and flags, an experiment's results and documents.

The page works from the file system. All rows are in it; one short script, which the page's policy knows by its hash, shows and
works the search. Without scripts the list is complete and the search is not shown.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from markupsafe import Markup

from medresponse.core.atomic import require_absent, write_text
from medresponse.core.audit import append
from medresponse.reports.document import PatientReport
from medresponse.reports.format import Formatter, clean
from medresponse.reports.html import environment, table_cells
from medresponse.reports.language import language as language_of
from medresponse.reports.output import Report, file_stem

PATIENTS = "patients"


@dataclass(frozen=True, kw_only=True)
class IndexFigure:
    """A figure that an experiment made: SVG text, caption and alt text."""

    title: str
    caption: str
    svg: str
    alt: str


@dataclass(frozen=True, kw_only=True)
class IndexTable:
    """A table that an experiment made; its first column names the rows."""

    caption: str
    frame: pl.DataFrame


@dataclass(frozen=True, kw_only=True)
class IndexLink:
    """A document that belongs to all patients: where it is, from the index's folder, its title, and a remark or nothing."""

    href: str
    title: str
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """What the list says of one patient: light, so that pages can be made elsewhere and listed here.

    Parameters
    ----------
    patient : str
        Pseudonym, exactly as in the cohort.
    language : str
    href : str
        The page, from the index's folder; empty if there is none.
    name : str
        What the estimates are of.
    options : tuple of str
    cells : tuple of (str, str)
        Estimate and interval of each option.
    stamps, flags : tuple of str
        As on the page.
    problem : str
        Why there is no page.
    """

    patient: str
    language: str
    href: str = ""
    name: str = ""
    options: tuple[str, ...] = ()
    cells: tuple[tuple[str, str], ...] = ()
    stamps: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    problem: str = ""

    @classmethod
    def of(cls, document: PatientReport) -> IndexEntry:
        """Return the entry of a report whose page is in the folder `PATIENTS` under its `file_stem`."""
        return cls(
            patient=document.patient, language=document.language, href=f"{PATIENTS}/{file_stem(document.patient)}.html",
            name=document.headline_name, options=tuple(h.label for h in document.headlines),
            cells=tuple((h.text, h.interval) for h in document.headlines), stamps=document.stamps, flags=document.flags,
        )  # fmt: skip

    @classmethod
    def not_made(cls, patient: str, problem: str, *, language: str) -> IndexEntry:
        """Return the entry of a patient for whom there is no page; `problem` must hold nothing of their data."""
        return cls(patient=patient, language=language, problem=problem)


def write_index(
    reports: Iterable[Report | IndexEntry],
    folder: str | Path,
    *,
    title: str,
    intro: str,
    figures: Sequence[IndexFigure] = (),
    tables: Sequence[IndexTable] = (),
    documents: Sequence[IndexLink] = (),
    overwrite: bool = False,
    language: str = "en",
) -> Path:
    """Write each report to ``folder/patients/`` and ``folder/index.html``, which lists them; all enter ``folder/audit.jsonl``.

    Parameters
    ----------
    reports : iterable of Report or IndexEntry
        Listed in the order given, never by result. Each report is written as it comes, so a generator keeps memory
        small; an entry is listed and nothing is written for it.
    folder : path
    title, intro : str
        Heading and first paragraph.
    figures, tables : sequence, optional
        Shown below the patients. Figures are embedded as images, in which browsers run no script.
    documents : sequence of IndexLink
        Validation report, model card: linked above the patients.
    overwrite : bool
    language : str
        Of the page; the reports must be in it.

    Returns
    -------
    pathlib.Path
        Of the index.

    Raises
    ------
    OutputExistsError
        If the index or a report is there and `overwrite` is not set.
    ValueError
        If the reports are of different outcomes or options, or in another language.
    """
    page, words = Path(folder) / "index.html", language_of(language)
    require_absent(page, overwrite=overwrite)
    listed = [_listed(report, Path(folder), overwrite) for report in reports]
    made = [entry for entry in listed if not entry.problem]
    if len({(entry.name, entry.options) for entry in made}) > 1:
        raise ValueError(
            "the reports are not of one outcome and the same options, so they make no single list"
        )
    if any(entry.language != language for entry in listed):
        raise ValueError(
            f"the reports are not in the index's language; give language= or make them in {language!r}"
        )
    name, options = (made[0].name, made[0].options) if made else ("", ())
    common = set.intersection(*(set(entry.stamps) for entry in made)) if made else set()
    rows = [_row(entry, common, words.say("index.not_made")) for entry in listed]
    before, after = words.say("index.shown", n="\0", total=len(rows)).split("\0")
    text = environment().get_template("index.html.j2").render(
        language=language, words=words.say, title=clean(title), intro=clean(intro), rows=rows, stamps=sorted(common), name=name, options=options,
        notes=sorted({flag for row in rows for flag in row.flags}), failed=len(listed) - len(made), figures=[_figure(f) for f in figures],
        tables=[{"caption": clean(t.caption), "columns": [clean(c) for c in t.frame.columns], "rows": table_cells(t.frame.rows(), Formatter(words))} for t in tables],
        documents=[IndexLink(href=d.href, title=clean(d.title), remark=clean(d.remark)) for d in documents],
        shown=(before, words.number(len(rows)), after), script=Markup(_script()), script_hash=_hash(_script()),
    )  # fmt: skip
    append(folder, action="index", files={page.name: hashlib.sha256(text.encode("utf-8")).hexdigest()})
    write_text(page, text)
    return page


@functools.cache
def _script() -> str:
    return (Path(__file__).parent / "templates" / "index.js").read_text(encoding="utf-8")  # ours, not data


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One row as the template prints it."""

    patient: str
    href: str
    cells: tuple[tuple[str, str], ...]
    flags: tuple[str, ...]
    problem: str


def _listed(report: Report | IndexEntry, folder: Path, overwrite: bool) -> IndexEntry:
    if isinstance(report, IndexEntry):
        return report
    entry = IndexEntry.of(report.document)
    report.save(folder / entry.href, overwrite=overwrite, log=folder)
    return entry


def _row(entry: IndexEntry, common: set[str], not_made: str) -> _Row:
    """Return one row; a stamp that all reports carry stands at the top of the page only."""
    flags = (
        *(s for s in entry.stamps if s not in common),
        *entry.flags,
        *([not_made] if entry.problem else []),
    )
    return _Row(
        patient=clean(entry.patient), href=entry.href, cells=entry.cells, flags=tuple(map(clean, flags)),
        problem=clean(entry.problem),
    )  # fmt: skip


def _figure(figure: IndexFigure) -> dict[str, str]:
    if not figure.svg.lstrip().startswith("<svg"):
        raise ValueError(f"figure {figure.title!r} is no SVG text")
    source = f"data:image/svg+xml;base64,{base64.b64encode(figure.svg.encode()).decode()}"
    return {
        "title": clean(figure.title),
        "caption": clean(figure.caption),
        "alt": clean(figure.alt),
        "source": source,
    }
