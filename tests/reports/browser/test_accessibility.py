"""Every kind of page passes axe-core in a real browser, on a sheet of paper's width and on a telephone's."""

from __future__ import annotations

from pathlib import Path

import pytest

from medresponse.cohort import Cohort
from medresponse.reports import Report, save_cohort_document
from medresponse.response import Responses
from tests.reports.browser.real import A4, NARROW, Browser, Seen
from tests.reports.test_abstention import barring
from tests.reports.test_cohort_documents import made
from tests.reports.validated import report

# Numbers that stand on two lines, as texts; hashes may break.
BROKEN = [
    "read",
    """(() => {
      const found = [], walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode())
        for (const match of node.data.matchAll(/(?<![\\w-])[−+<>]?\\d(?:[\\d.,]*\\d)?(?![\\w-])/g)) {
          const range = document.createRange();
          range.setStart(node, match.index);
          range.setEnd(node, match.index + match[0].length);
          const lines = new Set(Array.from(range.getClientRects(), (r) => Math.round(r.top)));
          if (lines.size > 1) found.push(match[0]);
        }
      return found;
    })()""",
]


def passed(seen: Seen) -> None:
    """No violation, and enough rules that a blank page would not do.

    What axe leaves undecided is the contrast of letters in a drawing, whose colours ``test_colours_have_contrast...`` measures,
    and that of marks such as ▲, which are no text to it; anything else undecided fails.
    """
    assert seen.axe is not None and seen.quiet
    assert seen.axe["violations"] == []
    undecided = [
        node for node in seen.axe["undecided"]
        if node["rule"] != "color-contrast" or not (node["drawn"] or not any(map(str.isalnum, node["text"])))
    ]  # fmt: skip
    assert undecided == []
    assert seen.axe["passes"] >= 15


@pytest.mark.parametrize("size", [A4, NARROW], ids=["paper", "telephone"])
@pytest.mark.parametrize("name", ["survival_report", "dose_report", "newcomer_report", "spanish_report"])
def test_a_patients_page_is_accessible(
    name: str, size: tuple[int, int], browser: Browser, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    made: Report = request.getfixturevalue(name)
    seen = browser.visit(made.save(tmp_path / "page.html"), BROKEN, size=size, axe=True)
    passed(seen)
    assert seen.steps == [[]], "a number stands on two lines"


@pytest.mark.parametrize("size", [A4, NARROW], ids=["paper", "telephone"])
@pytest.mark.parametrize(("barred", "code"), [(("1",), "en"), (("0", "1"), "es")], ids=["one", "all"])
def test_a_page_that_withholds_estimates_is_accessible(
    barred: tuple[str, ...], code: str, size: tuple[int, int], browser: Browser, survival: Responses, trial: Cohort,
    tmp_path: Path,
) -> None:  # fmt: skip
    page = report(survival, trial, patient="T-001", worthwhile=0.05, rules=barring(*barred), language=code)
    seen = browser.visit(page.save(tmp_path / "page.html"), BROKEN, size=size, axe=True)
    passed(seen)
    assert seen.steps == [[]], "a number stands on two lines"


@pytest.mark.parametrize("size", [A4, NARROW], ids=["paper", "telephone"])
@pytest.mark.parametrize(("kind", "code"), [("validation_report", "en"), ("model_card", "es")])
def test_a_document_on_the_model_is_accessible(
    kind: str, code: str, size: tuple[int, int], browser: Browser, survival: Responses, trial: Cohort, tmp_path: Path
) -> None:  # fmt: skip
    save_cohort_document(made(kind, survival, trial, language=code), tmp_path)
    seen = browser.visit(tmp_path / f"{kind}.html", BROKEN, size=size, axe=True)
    passed(seen)
    assert seen.steps == [[]], "a number stands on two lines"


def test_axe_finds_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    """The audit itself works: an image without alternative text and pale letters are found."""
    page = tmp_path / "bad.html"
    page.write_text('<img src="data:,"><p style="color:#bbb;background:#fff">pale</p>')
    seen = browser.visit(page, axe=True)
    assert seen.axe is not None
    assert {"image-alt", "color-contrast", "html-has-lang"} <= {v["rule"] for v in seen.axe["violations"]}


def test_a_number_on_two_lines_is_found(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<main><p style='width:1em;overflow-wrap:anywhere'>+1234.5</p><p>+6 to 28</p></main>")
    assert browser.visit(page, BROKEN).steps == [["+1234.5"]]


def test_what_a_page_asks_for_and_runs_is_seen(browser: Browser, tmp_path: Path) -> None:
    """The watch itself works: a fetched image, a blocked one, an error and a pop-up are each reported."""
    page = tmp_path / "bad.html"
    page.write_text(
        "<img src='http://127.0.0.1:9/a.png'><script>alert('here'); setTimeout(() => { throw new Error('thrown') })</script>"
    )
    seen = browser.visit(page, ["read", "new Promise((done) => setTimeout(done, 50))"])
    assert seen.requests == ["http://127.0.0.1:9/a.png"] and seen.dialogs == ["here"]
    assert any("thrown" in error for error in seen.errors)
    page.write_text(
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'"><img src="http://127.0.0.1:9/a.png">'
    )
    seen = browser.visit(page, ["read", "new Promise((done) => setTimeout(done, 50))"])
    assert seen.refused and not seen.quiet
