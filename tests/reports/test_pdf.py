"""The page as PDF. Without Pango these tests are skipped and say so; with MEDRESPONSE_PDF=required they fail."""

from __future__ import annotations

import builtins
import functools
import hashlib
import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from medresponse.cohort import Cohort
from medresponse.core.errors import SpecError
from medresponse.decisions import AbstentionRules
from medresponse.reports import PatientReport, Report, pdf
from medresponse.reports.html import render, render_bare, stylesheet
from medresponse.reports.language import languages
from medresponse.reports.pdf import pdf_of, render_pdf
from medresponse.response import Responses
from tests.reports.crowded import crowded
from tests.reports.test_outcomes import QUESTIONS
from tests.reports.validated import report

pytestmark = pytest.mark.usefixtures("pango")


@pytest.fixture(scope="module")
def opened(survival_report: Report) -> Iterator[pikepdf.Pdf]:
    with pikepdf.open(io.BytesIO(render_pdf(survival_report.document))) as made:
        yield made


def elements(node: Any) -> Iterator[pikepdf.Dictionary]:
    """All structure elements below `node`."""
    kids = node.get("/K", [])
    for kid in kids if isinstance(kids, pikepdf.Array) else [kids]:
        if isinstance(kid, pikepdf.Dictionary) and "/S" in kid:
            yield kid
            yield from elements(kid)


def test_the_document_says_what_it_is_and_in_which_language(
    opened: pikepdf.Pdf, survival_report: Report
) -> None:
    root, document = opened.Root, survival_report.document
    assert root.Lang == document.language and root.MarkInfo.Marked is True
    assert root.ViewerPreferences.DisplayDocTitle is True
    assert str(opened.docinfo["/Title"]) == f"{document.title} \N{EN DASH} {document.footer}"
    with opened.open_metadata() as metadata:
        assert metadata["pdfuaid:part"] == "1" and metadata["dc:title"] == str(opened.docinfo["/Title"])


def test_every_figure_has_the_alt_text_of_the_page(opened: pikepdf.Pdf, survival_report: Report) -> None:
    figures = [str(e.get("/Alt", "")) for e in elements(opened.Root.StructTreeRoot) if e.S == "/Figure"]
    titles = re.findall(r"<svg[^>]*><title>(.*?)</title>", render(survival_report.document))
    assert (
        figures == [title.replace("&gt;", ">").replace("&lt;", "<") for title in titles] and len(figures) == 6
    )
    assert all(figures)


def test_headings_and_table_headers_are_tagged(opened: pikepdf.Pdf) -> None:
    found = list(elements(opened.Root.StructTreeRoot))
    kinds = [str(e.S) for e in found]
    assert kinds.count("/H1") == 1 and kinds.count("/H2") > 5 and kinds.count("/Table") > 4
    cells = [e for e in found if e.S == "/TD"]
    assert cells and all(e.A.get("/Headers") for e in cells)


def test_only_the_bundled_font_is_used(opened: pikepdf.Pdf) -> None:
    fonts = [o for o in opened.objects if isinstance(o, pikepdf.Dictionary) and o.get("/Type") == "/Font"]
    names = {re.sub("^/[A-Z]{6}[+]", "", str(font.BaseFont)) for font in fonts}
    assert names == {"Report-Sans", "Report-Sans-Bold"}


def test_no_date_and_no_random_mark_is_written(opened: pikepdf.Pdf) -> None:
    assert set(opened.docinfo) == {"/Title", "/Producer"} and "/ID" not in opened.trailer


def test_a_fresh_process_elsewhere_writes_the_same_bytes(survival_report: Report, tmp_path: Path) -> None:
    data = tmp_path / "report.json"
    data.write_text(survival_report.document.to_json(), encoding="utf-8")
    code = (
        "import sys, hashlib, pathlib; from medresponse.reports.pdf import render_pdf; from medresponse.reports import PatientReport;"
        "d = PatientReport.from_json(pathlib.Path(sys.argv[1]).read_text('utf-8')); print(hashlib.sha256(render_pdf(d)).hexdigest())"
    )
    place = os.environ | {"TZ": "Pacific/Chatham", "PYTHONHASHSEED": "77", "LC_ALL": "C"}
    run = subprocess.run(
        [sys.executable, "-c", code, data], env=place, capture_output=True, text=True, check=True
    )
    render_pdf(survival_report.document)  # so that here it is not the first of its process
    again = hashlib.sha256(render_pdf(survival_report.document)).hexdigest()
    assert run.stdout.strip() == again


def test_a_hostile_page_reaches_neither_the_network_nor_the_disk(tmp_path: Path) -> None:
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    secret = tmp_path / "secret.css"
    secret.write_text("h1::after { content: 'from the disk' }")
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    host = f"http://127.0.0.1:{server.server_port}"
    page = (
        f'<html lang="en"><head><title>t</title><base href="{host}"/><link rel="stylesheet" href="{secret.as_uri()}"/>'
        f'<link rel="stylesheet" href="{host}/a.css"/><link rel="attachment" href="{secret.as_uri()}"/><style>'
        f"@import url({host}/b.css); @font-face {{ font-family: x; src: url({host}/c.woff2) }} h1 {{ font-family: x; background: "
        f'url({host}/d.png) }}</style></head><body><h1>t</h1><img alt="a" src="{host}/e.png"/><img alt="b" src="f.png"/><img alt="c" '
        f'src="{secret.as_uri()}"/><svg role="img"><title>s</title><image href="{host}/g.png" '
        f'width="9" height="9"/><use href="{host}/h.svg#a"/></svg><iframe src="{host}/i"></iframe><object data="{host}/j.svg"></object>'
        "</body></html>"
    )
    try:
        made = pdf_of(page)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    with pikepdf.open(io.BytesIO(made)) as opened:
        assert "/EmbeddedFiles" not in opened.Root.get("/Names", {}) and len(opened.pages) == 1
    assert asked == [] and b"from the disk" not in made


def test_what_a_page_brings_along_is_shown() -> None:
    image = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHdpZHRoPSI5IiBoZWlnaHQ9IjkiLz4="
    made = pdf_of(f'<html lang="en"><title>t</title><h1>t</h1><img alt="a square" src="{image}"/></html>')
    with pikepdf.open(io.BytesIO(made)) as opened:
        assert [str(e.Alt) for e in elements(opened.Root.StructTreeRoot) if e.S == "/Figure"] == ["a square"]


@pytest.mark.parametrize("name", ["survival_report", "newcomer_report"])
def test_a_lenient_parser_and_the_sheet_for_all_of_html_make_the_same_bytes(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = request.getfixturevalue(name).document
    made = render_pdf(document)
    lenient = functools.partial(pdf.weasyprint().HTML, url_fetcher=pdf.fetcher())
    monkeypatch.setattr(pdf, "_paper", lambda: lambda page: lenient(string=page))
    assert render_pdf(document) == made


def test_characters_that_xml_cannot_hold_are_shown_as_replaced(survival_report: Report) -> None:
    with pikepdf.open(
        io.BytesIO(render_pdf(replace(survival_report.document, title="a\x00b\ufffec")))
    ) as made:
        assert str(made.docinfo["/Title"]).startswith("a\ufffdb\ufffdc")


def test_paper_shows_the_same_words_as_the_screen(survival_report: Report) -> None:
    page, bare = (
        re.sub("<span[^>]*>|</span>", "", text)
        for text in (render(survival_report.document), render_bare(survival_report.document))
    )
    assert page.replace(stylesheet(), "") == bare


def test_words_that_run_from_right_to_left_stay_isolated_on_paper(survival_report: Report) -> None:
    turned = replace(survival_report.document, title="\u05d8\u05d9\u05e4\u05d5\u05dc")
    bare = render_bare(turned)
    assert '<span data-path="">\u05d8' in bare


@pytest.mark.parametrize(
    ("error", "words"),
    [(ImportError("no module"), "medresponse\\[pdf\\]"), (OSError("no library"), "Pango library")],
)
def test_a_missing_library_is_one_clear_message(
    error: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "weasyprint":
            raise error
        return original(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SpecError, match=words) as raised:
        pdf.weasyprint.__wrapped__()
    assert raised.value.code == "missing_extra"


WIDE = ("probability", "rate", "survival", "time_lost")  # the others are as wide as one of these


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize(
    ("kind", "arms", "letters"), [(kind, 2, 8) for kind in QUESTIONS] + [("survival", 3, 40), ("time_lost", 3, 40)]
)  # fmt: skip
def test_page_one_is_one_sheet_and_the_appendix_begins_on_the_second(
    kind: str, arms: int, letters: int, language: str
) -> None:
    sizes = fitted(crowded(kind, arms=arms, letters=letters, language=language))
    assert len(sizes) <= 3 and sizes[-1] >= (7.5 if arms == 2 else pdf.SMALLEST)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("kind", WIDE)
def test_five_options_with_long_names_take_two_sheets_in_the_largest_letters_and_no_section_is_broken(
    kind: str, language: str
) -> None:
    sizes, pages = laid_out(crowded(kind, arms=5, letters=40, language=language))
    assert sizes[0] == sizes[-1] == pdf.LARGEST and min(sizes) == pdf.SMALLEST
    assert "page-end" in pages[1].anchors and "appendix" in pages[2].anchors and len(pages) <= 6
    found = [re.sub("^h-", "", name) for page in pages for name in page.anchors if name.startswith("h-")]
    begun = [i for i, page in enumerate(pages) if "h-harms" in page.anchors]
    assert len(found) == len(set(found)) and begun in ([0], [1])


@pytest.mark.parametrize("name", ["survival_report", "dose_report", "newcomer_report", "spanish_report"])
def test_reviewed_pages_fit_at_the_largest_size(name: str, request: pytest.FixtureRequest) -> None:
    made: Report = request.getfixturevalue(name)
    assert fitted(made.document) == [pdf.LARGEST]


def test_a_page_on_which_all_is_withheld_fits(survival: Responses, trial: Cohort) -> None:
    asked = {"patient": "T-001", "worthwhile": 0.05, "rules": AbstentionRules(fewest_similar=1000.0)}
    made = report(survival, trial, **asked).document
    assert "expected_response" not in made.sections or "abstention" in made.sections
    assert fitted(made) == [pdf.LARGEST]


def fitted(document: PatientReport) -> list[float]:
    """Sizes that were tried; at the last of them everything but the appendix stands on the first page."""
    sizes, pages = laid_out(document)
    assert "appendix" in pages[1].anchors and "page-end" in pages[0].anchors and len(pages) <= 5
    return sizes


def laid_out(document: PatientReport) -> tuple[list[float], Any]:
    """Sizes that were tried, and the sheets as they are printed."""
    tried: list[tuple[float, Any]] = []

    def record(source: Any, size: float, more: str) -> Any:
        tried.append((size, pdf._laid_out(source, size, more)))
        return tried[-1][1]

    pages = pdf.fit_on_page_one(render_bare(document), record).pages
    assert all((page.width, page.height) == pytest.approx((793.7, 1122.5), abs=0.1) for page in pages)
    return [size for size, _ in tried], pages
