"""Names of options that pages are not made for: from right to left, without spaces, very long, very many."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from medresponse.core.errors import SpecError
from medresponse.reports import pdf
from medresponse.reports.html import render, render_bare
from tests.reports.crowded import crowded

HEBREW = "\u05d8\u05d9\u05e4\u05d5\u05dc {} \u05d1\u05de\u05d9\u05e0\u05d5\u05df 20"  # ends in a dose
UNBROKEN = "{}" + "pembrolizumabcarboplatin" * 3
WORDY = "{} with words that go on and on, of a regimen that takes two lines of a figure"


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(item)


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("kind", ["survival", "time_lost", "category"])
def test_a_name_from_right_to_left_keeps_its_dose_apart_from_the_result_behind_it(
    kind: str, language: str
) -> None:
    document = crowded(kind, arms=3, letters=80, language=language, named=HEBREW)
    found = [text for text in texts(json.loads(document.to_json())) if "\u05d8" in text]
    assert len(found) > 20
    for text in found:
        outside = re.sub("\u2068[^\u2068\u2069]*\u2069", "", text)
        assert not re.search("[\u0590-\u05ff\u2068\u2069\ufffd]", outside), text
    assert "\u2068" not in crowded(kind, arms=3, letters=8, language=language).to_json()


@pytest.mark.parametrize("named", [UNBROKEN, WORDY])
def test_no_name_leaves_its_figure(named: str) -> None:
    page = render(crowded("survival", arms=2, letters=80, named=named))
    drawn = re.findall(r'<text x="([\d.]+)"[^>]*text-anchor="(start|end)">([^<]*)</text>', page)
    assert any("regimen" in words or "pembro" in words for _, _, words in drawn)
    for x, anchor, words in drawn:
        room = 360 - float(x) if anchor == "start" else float(x)
        assert len(words) * 5.9 <= room + 6 * 5.9, (
            words
        )  # a letter's width is that of a digit or less, but for a few
    legend = [words for x, _, words in drawn if x == "70"]
    assert len(legend) == 4 and re.sub(r"\s", "", "".join(legend[:2])) == re.sub(
        r"\s", "", named.format("A")[:80]
    )


def test_eight_curves_differ_without_their_colours() -> None:
    page = render(crowded("survival", arms=8, letters=8))
    samples = re.findall(r'<path d="M30 [\d.]+H64"[^>]*?(stroke-dasharray="[^"]*"|(?=/>))/>', page)
    assert len(samples) == len(set(samples)) == 8


@pytest.mark.parametrize("arms", [3, 5])
def test_no_name_without_a_space_leaves_the_sheet_or_its_column(arms: int) -> None:
    try:
        pdf.weasyprint()
    except SpecError as error:
        (pytest.fail if os.environ.get("MEDRESPONSE_PDF") == "required" else pytest.skip)(str(error))
    laid_out = pdf.fit_on_page_one(render_bare(crowded("survival", arms=arms, letters=60, named=UNBROKEN)))
    for page in laid_out.pages:
        box = page._page_box
        right = box.content_box_x() + box.width
        for line in box.descendants():
            if type(line).__name__ == "TextBox" and "pembro" in line.text:
                assert line.position_x + line.width <= right + 1, line.text
