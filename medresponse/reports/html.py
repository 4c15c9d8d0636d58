"""The document as one self-contained HTML page: no script, nothing fetched, every text escaped."""

from __future__ import annotations

import base64
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from medresponse.reports import svg
from medresponse.reports.document import PatientReport
from medresponse.reports.format import Formatter, clean
from medresponse.reports.language import language, turns

_TEMPLATES = Path(__file__).parent / "templates"
_FONTS = Path(__file__).parent / "fonts"
_LONG = 20  # letters of a word


def render(document: PatientReport) -> str:
    """Return the page of one patient; a pure function of what the document's JSON holds."""
    return _rendered(document, say=_say, style=Markup(stylesheet()))


def render_bare(document: PatientReport) -> str:
    """Return the same page without `stylesheet` and without paths at its texts, for whoever lays it out on paper.

    Paths mean nothing on paper, and an element around every text would make up a third of the time that layout takes. The page
    is well-formed XML.
    """
    return _rendered(document, say=_say_bare, style=Markup(""))


def _rendered(document: PatientReport, *, say: Any, style: Markup) -> str:
    plain = document.plain
    template = environment().get_template("report.html.j2")
    words = language(document.language).say
    return template.render(doc=plain, say=functools.partial(say, plain), words=words, style=style)


def render_with(template: str, plain: Mapping[str, Any], code: str) -> str:
    """Return the page that a template makes of a document's plain data, in the language `code`."""
    say = functools.partial(_say, plain)
    return environment().get_template(template).render(doc=plain, say=say, words=language(code).say)


@functools.cache
def stylesheet() -> str:
    """Return the style of every page, its font included as data."""
    faces = [
        f'@font-face {{ font-family: "Report Sans"; font-weight: {weight}; '
        f'src: url(data:font/woff2;base64,{base64.b64encode((_FONTS / name).read_bytes()).decode()}) format("woff2"); }}\n'
        for weight, name in ((400, "noto-sans-regular.woff2"), (700, "noto-sans-bold.woff2"))
    ]
    return "".join(faces) + read_template("style.css")


def read_template(name: str) -> str:
    """Return a file of the folder of templates as it stands."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@functools.cache
def environment() -> Environment:
    """Return the templates' environment: autoescape on, undefined names are errors, figures as functions."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    for figure in (svg.expected, svg.density, svg.curves, svg.shares, svg.calibration):
        made.globals[figure.__name__] = functools.partial(_drawn, figure)
    made.globals["in_rows"] = svg.in_rows
    made.globals["long_word"] = _long_word
    made.filters["css_string"] = css_string
    made.globals["style"] = Markup(stylesheet())  # ours, not data
    return made


def css_string(text: str) -> Markup:
    """Return text as a CSS string in which only letters, digits and spaces stand unescaped."""
    body = "".join(c if c.isascii() and (c.isalnum() or c == " ") else f"\\{ord(c):06x} " for c in text)
    return Markup(f'"{body}"')


def _say(plain: Mapping[str, Any], *path: str | int) -> Markup:
    """Return the entry at `path` as a span that carries its path: the only way a template prints a number."""
    where = escape(".".join(map(str, path)))
    return Markup(f'<span data-path="{where}">{escape(_entry(plain, path))}</span>')


def _say_bare(plain: Mapping[str, Any], *path: str | int) -> Markup:
    """Return the entry at `path` as text; in a span, which isolates it, only if a letter runs from right to left."""
    text = str(_entry(plain, path))
    return Markup(f'<span data-path="">{escape(text)}</span>') if turns(text) else escape(text)


def _entry(plain: Mapping[str, Any], path: Sequence[str | int]) -> str | int:
    value: Any = plain
    for key in path:
        value = value[key]
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise TypeError(f"{'.'.join(map(str, path))} is no text")
    return value


def _long_word(texts: Sequence[str]) -> bool:
    """Say whether a word is so long that a table of as many columns as it takes would leave the page."""
    return any(len(word) > _LONG for text in texts for word in text.split())


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
