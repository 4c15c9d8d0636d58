"""Hostile text in a real browser: it stays text, runs nothing, asks for nothing, and leaves the folder alone."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from medresponse.reports import IndexFigure, IndexTable, write_index
from medresponse.reports.format import clean
from tests.reports.browser.real import Browser, Seen
from tests.reports.hostile import HOSTILE, hostile_report

STEPS = [
    ["read", "[...document.querySelectorAll('*')].map((e) => e.tagName)"],
    ["read", "[...document.querySelectorAll('*')].flatMap((e) => e.getAttributeNames()).sort()"],
    ["read", "document.body.textContent"],
    ["read", "'ran' in window"],
    ["read", "[getComputedStyle(document.body).backgroundImage, document.baseURI === location.href]"],
]


def index_of(text: str, folder: Path) -> Path:
    """An index in which every place holds `text`."""
    figure = IndexFigure(
        title=text, caption=text, alt=text, svg="<svg xmlns='http://www.w3.org/2000/svg'><script>window.ran=1</script></svg>"
    )  # fmt: skip
    table = IndexTable(caption=text, frame=pl.DataFrame({text: [text], "value": [f"{text}!"]}))
    return write_index(
        [hostile_report(text)], folder, title=text, intro=text, figures=[figure], tables=[table]
    )


def harmless(seen: Seen, other: Seen) -> None:
    """What was seen has the elements and attributes of `other`, and nothing happened."""
    assert seen.steps[:2] == other.steps[:2]
    assert seen.steps[3:] == [False, ["none", True]]
    assert seen.quiet


def pages_of(text: str, folder: Path) -> tuple[Path, Path]:
    """The index and the patient's page."""
    index = index_of(text, folder)
    return index, next((index.parent / "patients").glob("*.html"))


def plain(text: str) -> str:
    """A harmless text that breaks into lines where `text` does."""
    return re.sub(r"[^\s-]", "x", clean(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_on_the_index_and_on_a_patients_page(
    text: str, browser: Browser, tmp_path: Path
) -> None:
    both = pages_of(text, tmp_path / "hostile"), pages_of(plain(text), tmp_path / "plain")
    for file, other in zip(*both, strict=True):
        seen = browser.visit(file, *STEPS)
        harmless(seen, browser.visit(other, *STEPS))
        assert clean(text) in seen.steps[2] and "\u202e" not in seen.steps[2]
