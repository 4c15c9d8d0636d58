"""The rendered page. Renew the snapshots with ``RENEW_SNAPSHOTS=1 pytest tests/reports/test_html.py``, then look at them in a browser."""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from medresponse.cohort import Cohort
from medresponse.reports import PatientReport, Report
from medresponse.reports.format import clean
from medresponse.reports.html import css_string, render, stylesheet
from medresponse.reports.svg import COLOURS
from medresponse.response import Responses
from tests.reports.hostile import HOSTILE, hostile_report
from tests.reports.validated import report

SNAPSHOTS = Path(__file__).parent / "snapshots"


class Page(HTMLParser):
    """Collects what a test asks of a page: elements, paths with their texts, figures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.paths: list[tuple[str, str]] = []
        self.visible: list[str] = []
        self.figures: list[str] = []
        self._skip = 0
        self._within = self._titled = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self._skip += tag in ("style", "title")
        self._titled = tag == "title" and self.tags[-2][0] == "svg"
        self._within = "data-path" in found
        if self._within:
            self.paths.append((str(found["data-path"]), ""))

    def handle_endtag(self, tag: str) -> None:
        self._skip -= tag in ("style", "title")
        self._within = self._titled = False

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.visible.append(data)
        if self._titled:
            self.figures.append(data)
        if self._within:
            self.paths[-1] = (self.paths[-1][0], self.paths[-1][1] + data)

    def names(self) -> set[str]:
        return {tag for tag, _ in self.tags}


def look_up(document: Any, path: str) -> str:
    for key in path.split("."):
        document = document[int(key)] if isinstance(document, list) else document[key]
    return str(document)


@pytest.mark.parametrize("name", ["survival_report", "dose_report", "newcomer_report", "spanish_report"])
def test_every_number_on_the_page_is_the_jsons(name: str, request: pytest.FixtureRequest) -> None:
    made: Report = request.getfixturevalue(name)
    document, page = json.loads(made.document.to_json()), Page(render(made.document))
    assert len(page.paths) > 80
    for path, text in page.paths:
        assert text == look_up(document, path), path


@pytest.mark.parametrize("name", ["survival_report", "dose_report"])
def test_no_digit_of_an_estimate_stands_outside_a_path(name: str, request: pytest.FixtureRequest) -> None:
    text = render(request.getfixturevalue(name).document)
    body = text[text.index("<body>") :]
    body = re.sub(r"<svg.*?</svg>", "", body, flags=re.DOTALL)
    body = re.sub(r"<span data-path[^>]*>.*?</span>", "", body, flags=re.DOTALL)
    outside = re.sub(r"<[^>]*>", " ", body)
    assert set(re.findall(r"\d+%?", outside)) <= {"95%"}


def test_a_page_read_back_from_its_json_renders_the_same_bytes(survival_report: Report) -> None:
    again = PatientReport.from_json(survival_report.document.to_json())
    assert render(again) == render(survival_report.document)


@pytest.mark.parametrize("name", ["survival_report", "dose_report", "newcomer_report", "spanish_report"])
def test_the_page_is_the_reviewed_one(name: str, request: pytest.FixtureRequest) -> None:
    made: Report = request.getfixturevalue(name)
    text = render(made.document).replace(
        f"medresponse {metadata.version('medresponse')}", "medresponse VERSION"
    )
    data = json.loads(made.document.to_json())["sections"]["making"]["facts"][1]["value"]
    text = text.replace(data, "FINGERPRINT").replace(data[:12], "FINGERPRINT").replace(stylesheet(), "STYLE")
    text = text.replace(made.document.provenance.validation, "CHECKSUM")
    file = SNAPSHOTS / f"{name}.html"
    if os.environ.get("RENEW_SNAPSHOTS"):
        file.write_text(text, encoding="utf-8", newline="\n")
    assert text == file.read_text(encoding="utf-8"), "the page changed: look at it, then RENEW_SNAPSHOTS=1"


def test_the_page_fetches_nothing_and_runs_nothing(survival_report: Report) -> None:
    text = render(survival_report.document)
    page = Page(text)
    assert not page.names() & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert not re.search(r"(src|href)=|url\((?!data:font/woff2;base64,)|@import|https?:", text)
    assert not any(attribute.startswith("on") for _, found in page.tags for attribute in found)


def test_the_page_has_the_marks_that_assistive_software_needs(survival_report: Report) -> None:
    text = render(survival_report.document)
    page = Page(text)
    tags = [tag for tag, _ in page.tags]
    assert '<html lang="en">' in text and tags.count("h1") == 1
    assert tags.count("table") == tags.count("caption") > 4
    assert all(found.get("scope") in ("col", "row") for tag, found in page.tags if tag == "th")
    assert (
        page.figures and all(page.figures) and all(f.get("role") == "img" for t, f in page.tags if t == "svg")
    )
    ids = [found["id"] for _, found in page.tags if "id" in found]
    assert len(ids) == len(set(ids))


def test_alt_texts_say_the_numbers_of_their_captions(survival_report: Report) -> None:
    found = json.loads(survival_report.document.to_json())["sections"]
    labels = Page(render(survival_report.document)).figures
    for option in found["expected_response"]["options"]:
        assert any(
            option["estimate"]["text"] in label and option["estimate"]["interval"] in label
            for label in labels
        )
    comparison = found["differences"]["comparisons"][0]
    assert any(
        comparison["estimate"]["text"] in label and comparison["probabilities"][2]["text"] in label
        for label in labels
    )


def test_stamps_stand_on_each_part_and_in_the_running_header(unconverged: Responses, trial: Cohort) -> None:
    text = render(
        report(unconverged, trial, patient="T-001", worthwhile=0.05, allow_unconverged=True).document
    )
    assert text.count('data-path="stamps.0"') == 2
    assert "@top-center" in text and str(css_string("NOT CONVERGED")).strip('"') in text


def test_icons_on_the_page_are_as_many_as_the_number_says(survival_report: Report) -> None:
    options = json.loads(survival_report.document.to_json())["sections"]["expected_response"]["options"]
    arrays = re.findall(r'<svg class="icons".*?</svg>', render(survival_report.document), flags=re.DOTALL)
    for option, array in zip(options, arrays, strict=True):
        hollow, inside, solid = (
            dots(path) for path in re.findall(r'<path d="([^"]*)"[^>]*stroke-dasharray="0 10"', array)
        )
        assert len(hollow) == 100 and inside == hollow and solid == hollow[: len(solid)]
        assert len(solid) == option["icons"] == int(option["estimate"]["text"].split()[0])


def dots(path: str) -> list[tuple[int, int]]:
    """Where a dash of no length every ten units puts dots on horizontal lines."""
    lines = [tuple(map(int, line)) for line in re.findall(r"M(\d+) (\d+)H(\d+)", path)]
    return [(x, y) for start, y, end in lines for x in range(start, end, 10)]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_no_element_anywhere(text: str) -> None:
    document, harmless = hostile_report(text).document, hostile_report("plain").document
    page, other = Page(render(document)), Page(render(harmless))
    # Figures take a line more for what is too long for one.
    tags, expected = (
        [(tag, sorted(found)) for tag, found in one.tags if tag != "text"] for one in (page, other)
    )
    assert tags == expected
    drawn = [found for tag, found in page.tags if tag == "text"]
    assert all(set(found) == {"x", "y", "text-anchor"} for found in drawn)
    said = "".join(page.visible)
    assert clean(text) in said and "\u202e" not in said
    assert document.patient == f"{text}T-001"


@pytest.mark.parametrize("colour", [*COLOURS, "#333333", "#0b4a75", "#222222"])
def test_colours_have_contrast_of_at_least_4_5_on_white(colour: str) -> None:
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (luminance + 0.05) >= 4.5
