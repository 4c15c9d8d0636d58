"""The document as one self-contained HTML page: no script, nothing fetched, every text escaped."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from medresponse.reports import svg
from medresponse.reports.document import PatientReport
from medresponse.reports.format import Formatter, clean
from medresponse.reports.language import language

_TEMPLATES = Path(__file__).parent / "templates"


def render(document: PatientReport) -> str:
    """Return the page of one patient; a pure function of what the document's JSON holds."""
    plain = json.loads(document.to_json())
    return (
        environment()
        .get_template("report.html.j2")
        .render(doc=plain, say=functools.partial(_say, plain), words=language(document.language).say)
    )


@functools.cache
def environment() -> Environment:
    """Return the templates' environment: autoescape on, undefined names are errors, figures as functions."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    for figure in (svg.icon_array, svg.interval_bar, svg.density, svg.curves, svg.line_sample):
        made.globals[figure.__name__] = functools.partial(_drawn, figure)
    made.filters["css_string"] = css_string
    made.globals["style"] = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))  # ours, not data
    return made


def css_string(text: str) -> Markup:
    """Return text as a CSS string in which only letters, digits and spaces stand unescaped."""
    body = "".join(c if c.isascii() and (c.isalnum() or c == " ") else f"\\{ord(c):06x} " for c in text)
    return Markup(f'"{body}"')


def _say(plain: Mapping[str, Any], *path: str | int) -> Markup:
    """Return the entry at `path` as a span that carries its path: the only way a template prints a number."""
    value: Any = plain
    for key in path:
        value = value[key]
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise TypeError(f"{'.'.join(map(str, path))} is no text")
    return Markup('<span data-path="{}">{}</span>').format(".".join(map(str, path)), value)


def _drawn(figure: Any, *arguments: Any, **options: Any) -> Markup:
    return Markup(figure(*arguments, **options))  # svg escapes every text


def table_cells(rows: Sequence[Sequence[object]], fmt: Formatter) -> list[list[str]]:
    """Return table cells as text; floats with four significant digits and a true minus sign."""

    def cell(value: object) -> str:
        if value is None:
            return "\N{EN DASH}"
        if isinstance(value, float):
            return fmt.statistic(value, 4)
        return clean(str(value))

    return [[cell(value) for value in row] for row in rows]
