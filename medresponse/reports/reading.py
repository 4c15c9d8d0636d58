"""Questions to readers of a page, with their keys: whether clinicians read off it what stands there.

The questions of each kind of page are data, stored with the templates. A question is made from the report's JSON by
replacing its parts; its key is the text at a path, which the page prints there.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from medresponse.core.codec import from_plain
from medresponse.core.strict_yaml import read_yaml
from medresponse.reports.document import PatientReport

FOLDER = Path(__file__).parent / "templates" / "reader_questions"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How one question is made.

    Parameters
    ----------
    text : mapping
        Language -> the question, with named placeholders.
    parts : mapping
        Placeholder -> path in the report's JSON.
    key : str
        Path of the answer. In a path, ``-1`` is the last entry of a list.
    otherwise : str
        Path of the answer where there is nothing at `key`.
    """

    text: Mapping[str, str]
    key: str
    otherwise: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ReaderQuestion:
    """One question, its answer, and where on the page the answer stands (its ``data-path``)."""

    question: str
    key: str
    path: str


def page_kind(document: PatientReport) -> str:
    """Return which questions a page gets: the name of a file in `FOLDER`."""
    sections = json.loads(document.to_json())["sections"]
    if "abstention" in sections:
        return "abstention"
    if "differences" in sections:
        timed = sections["differences"]["comparisons"][0]["time_gained"] is not None
        return "survival" if timed else "comparison"
    return "single_amount" if sections["expected_response"]["options"][0]["person"] else "single"


def reader_questions(document: PatientReport) -> tuple[ReaderQuestion, ...]:
    """Return the five questions on a page, in its language, with their keys."""
    plain = json.loads(document.to_json())
    return tuple(_question(rule, plain, document.language) for rule in rules(page_kind(document)))


def question_sheet(documents: Iterable[PatientReport]) -> pl.DataFrame:
    """Return the questions on several pages as a table: patient, language, page, number, question, key, path."""
    rows = [
        {
            "patient": document.patient, "language": document.language, "page": page_kind(document), "number": number,
            "question": made.question, "key": made.key, "path": made.path,
        }
        for document in documents
        for number, made in enumerate(reader_questions(document), start=1)
    ]  # fmt: skip
    schema = {name: pl.Int64 if name == "number" else pl.String for name in _COLUMNS}
    return pl.DataFrame(rows, schema=schema)


_COLUMNS = ("patient", "language", "page", "number", "question", "key", "path")


@functools.cache
def rules(kind: str) -> tuple[Rule, ...]:
    """Return the rules for one kind of page."""
    plain = read_yaml(FOLDER / f"{kind}.yaml", what="reader questions")
    return from_plain(tuple[Rule, ...], plain, path=f"reader_questions.{kind}")


def _question(rule: Rule, plain: Mapping[str, Any], language: str) -> ReaderQuestion:
    parts = {name: _found(plain, path)[1] for name, path in rule.parts.items()}
    try:
        path, key = _found(plain, rule.key)
    except LookupError:
        if not rule.otherwise:
            raise
        path, key = _found(plain, rule.otherwise)
    return ReaderQuestion(question=rule.text[language].format_map(parts), key=key, path=path)


def _found(plain: Any, path: str) -> tuple[str, str]:
    """Return a path with its positions counted from the start, and the text there."""
    taken: list[str] = []
    for step in path.split("."):
        if isinstance(plain, list):
            at = int(step) + (len(plain) if step.startswith("-") else 0)
            plain, step = plain[at], str(at)
        else:
            plain = plain[step]
        taken.append(step)
    return ".".join(taken), str(plain)
