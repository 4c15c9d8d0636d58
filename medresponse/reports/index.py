"""The index page: patients in the cohort's order with their estimates and flags, and an experiment's results."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from medresponse.core.atomic import require_absent, write_text
from medresponse.core.audit import append
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


def write_index(
    reports: Iterable[Report],
    folder: str | Path,
    *,
    title: str,
    intro: str,
    figures: Sequence[IndexFigure] = (),
    tables: Sequence[IndexTable] = (),
    overwrite: bool = False,
    language: str = "en",
) -> Path:
    """Write each report to ``folder/patients/`` and ``folder/index.html``, which lists them; all enter ``folder/audit.jsonl``.

    Parameters
    ----------
    reports : iterable of Report
        Listed in the order given, never by result. Each is written as it comes, so a generator keeps memory
        small.
    folder : path
    title, intro : str
        Heading and first paragraph.
    figures, tables : sequence, optional
        Shown above the patients. Figures are embedded as images, in which browsers run no script.
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
    """
    page, words = Path(folder) / "index.html", language_of(language)
    require_absent(page, overwrite=overwrite)
    listed = [_listed(report, Path(folder), overwrite) for report in reports]
    if len({(entry.name, entry.options) for entry in listed}) > 1:
        raise ValueError(
            "the reports are not of one outcome and the same options, so they make no single list"
        )
    if any(entry.language != language for entry in listed):
        raise ValueError(
            f"the reports are not in the index's language; give language= or make them in {language!r}"
        )
    name, options = (listed[0].name, listed[0].options) if listed else ("", ())
    common = set.intersection(*(set(entry.stamps) for entry in listed)) if listed else set()
    rows = [_row(entry, common) for entry in listed]
    text = environment().get_template("index.html.j2").render(
        language=language, words=words.say, title=clean(title), intro=clean(intro), rows=rows, stamps=sorted(common), name=name, options=options, figures=[_figure(f) for f in figures],
        tables=[{"caption": clean(t.caption), "columns": [clean(c) for c in t.frame.columns], "rows": table_cells(t.frame.rows(), Formatter(words))} for t in tables],
    )  # fmt: skip
    append(folder, action="index", files={page.name: hashlib.sha256(text.encode("utf-8")).hexdigest()})
    write_text(page, text)
    return page


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """What the list says of one report, once it is written."""

    patient: str
    language: str
    href: str
    name: str
    options: tuple[str, ...]
    cells: tuple[tuple[str, str], ...]
    stamps: tuple[str, ...]
    flags: tuple[str, ...]


def _listed(report: Report, folder: Path, overwrite: bool) -> _Listed:
    document, stem = report.document, file_stem(report.document.patient)
    report.save(folder / PATIENTS / f"{stem}.html", overwrite=overwrite, log=folder)
    return _Listed(
        patient=clean(document.patient), language=document.language, href=f"{PATIENTS}/{stem}.html", name=document.headline_name,
        options=tuple(h.label for h in document.headlines), cells=tuple((h.text, h.interval) for h in document.headlines),
        stamps=document.stamps, flags=document.flags,
    )  # fmt: skip


def _row(entry: _Listed, common: set[str]) -> dict[str, object]:
    """Return one row; a stamp that all reports carry stands at the top of the page only."""
    flags = [s for s in entry.stamps if s not in common] + list(entry.flags)
    cells = [{"text": text, "interval": interval} for text, interval in entry.cells]
    return {"patient": entry.patient, "href": entry.href, "cells": cells, "flags": flags}


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
