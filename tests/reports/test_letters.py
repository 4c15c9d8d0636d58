"""Letters on paper are never smaller than can be read: sizes as the PDF's own marks place them, figures included."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pikepdf
import pytest

from medresponse.reports import PatientReport, pdf
from medresponse.reports.pdf import render_pdf
from tests.reports.crowded import crowded

LEAST = 7.0  # points


pytestmark = pytest.mark.usefixtures("pango")


def matrix(values: Any) -> np.ndarray:
    """A PDF's six numbers as the matrix that row vectors are multiplied by."""
    a, b, c, d, e, f = (float(value) for value in values)
    return np.array([[a, b, 0.0], [c, d, 0.0], [e, f, 1.0]])


def letters(stream: Any, resources: Any, now: np.ndarray) -> Iterator[float]:
    """Sizes in points of all text that a content stream shows, those of figures within it included."""
    kept: list[tuple[np.ndarray, float]] = []
    size, text = 0.0, np.eye(3)
    for operands, operator in pikepdf.parse_content_stream(stream):
        match str(operator):
            case "q":
                kept.append((now, size))
            case "Q":
                now, size = kept.pop()
            case "cm":
                now = matrix(operands) @ now
            case "Tf":
                size = float(operands[1])
            case "BT":
                text = np.eye(3)
            case "Tm":
                text = matrix(operands)
            case "Tj" | "TJ":
                yield size * math.sqrt(abs(np.linalg.det((text @ now)[:2, :2])))
            case "Do":
                part = resources.XObject[str(operands[0])]
                if part.Subtype == "/Form":
                    own = matrix(part.Matrix) if "/Matrix" in part else np.eye(3)
                    yield from letters(part, part.get("/Resources", resources), own @ now)


def least_of(made: bytes) -> float:
    with pikepdf.open(io.BytesIO(made)) as opened:
        found = [size for page in opened.pages for size in letters(page, page.Resources, np.eye(3))]
    assert len(found) > 50
    return min(found)


def test_the_measure_finds_sizes_of_text_and_of_what_stands_in_figures() -> None:
    page = (
        '<html lang="en"><head><title>t</title><style>p { font-size: 11pt } svg { width: 100pt }</style></head><body>'
        + "<p>words</p>" * 60 + '<svg viewBox="0 0 200 20" font-size="9"><title>s</title><text x="5" y="15">a</text></svg></body></html>'
    )  # fmt: skip
    assert least_of(pdf.pdf_of(page)) == pytest.approx(4.5, abs=0.01)  # 9 of 200 units that take 100 points


@pytest.mark.parametrize(
    ("kind", "arms", "letters", "language"),
    [("survival", 2, 8, "en"), ("time_lost", 3, 40, "es"), ("at_least", 4, 8, "en"), ("survival", 7, 20, "en"), ("rate", 5, 40, "es")],
)  # fmt: skip
def test_no_letter_of_a_crowded_page_is_too_small(kind: str, arms: int, letters: int, language: str) -> None:
    document = crowded(kind, arms=arms, letters=letters, language=language)
    assert least_of(render_pdf(document)) >= LEAST - 0.01


@pytest.mark.parametrize("name", ["survival_report", "dose_report", "newcomer_report"])
def test_no_letter_of_a_reviewed_page_is_too_small(name: str, request: pytest.FixtureRequest) -> None:
    document: PatientReport = request.getfixturevalue(name).document
    assert least_of(render_pdf(document)) >= LEAST - 0.01
