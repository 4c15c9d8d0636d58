"""The pages pass the linter, and the linter finds every fault that is planted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medresponse.cohort import Cohort
from medresponse.reports import Report, build_cohort_document, save_cohort_document, write_index
from medresponse.reports.cohort_documents import KINDS
from medresponse.reports.html import render
from medresponse.reports.language import languages
from medresponse.response import Responses
from tests.reports.conftest import PRODUCED
from tests.reports.linter import faults
from tests.reports.validated import RULES, report

CLEAN = (
    '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>t</title><style>p { margin: 0 }</style></head><body>'
    '<main><h1>One</h1><h2 id="a">Two</h2><table><caption>c</caption><tr><th scope="col">x</th></tr></table>'
    '<svg role="img"><title>what it shows</title><path d="M0 0"/></svg><img src="data:image/png;base64,AA" alt="a">'
    "</main></body></html>"
)
PLANTED = [
    (' lang="en"', "", "no language"),
    ("<title>t</title>", "<title> </title>", "no title"),
    ("<h1>One</h1>", "", "not one h1"),
    ("<h1>One</h1>", "<h1>One</h1><h1>More</h1>", "not one h1"),
    ("<h1>One</h1>", "<h1></h1>", "an empty h1"),
    ("</main>", '<p id="a"></p></main>', "the id a twice"),
    ("</main>", "<h4>Four</h4></main>", "h4 after h2"),
    ("</main>", "<script>1</script></main>", "an element script"),
    ("</main>", '<p onclick="x()"></p></main>', "a handler onclick"),
    ("</main>", '<img src="a.png" alt="a"></main>', "img src fetches"),
    ("margin: 0", "background: url(a.png)", "the style fetches"),
    ("</main>", '<a href="https://x.example">x</a></main>', "a remote address"),
    (' scope="col"', "", "a header cell without scope"),
    ("<caption>c</caption>", "", "a table without caption"),
    (' alt="a"', ' alt=" "', "an img without alt"),
    (' role="img"', "", "an svg without role=img and title"),
    ("<title>what it shows</title>", "", "an svg without role=img and title"),
    ("<title>what it shows</title>", "<title></title>", "an empty title"),
    ("</svg>", "", "a stray </main>"),
]


def test_a_clean_page_has_no_fault() -> None:
    assert faults(CLEAN) == []


@pytest.mark.parametrize(("part", "instead", "fault"), PLANTED)
def test_every_planted_fault_is_found(part: str, instead: str, fault: str) -> None:
    assert part in CLEAN
    assert fault in faults(CLEAN.replace(part, instead, 1))


@pytest.mark.parametrize("name", ["survival_report", "dose_report", "newcomer_report", "spanish_report"])
def test_patient_pages_are_clean(name: str, request: pytest.FixtureRequest) -> None:
    made: Report = request.getfixturevalue(name)
    assert faults(render(made.document)) == []


def test_the_index_is_clean_but_for_its_one_script(
    survival_report: Report, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = write_index(
        [survival_report], tmp_path_factory.mktemp("index"), title="Trial", intro="All patients."
    )
    # The search, which the page's policy knows by its hash.
    assert faults(page.read_text(encoding="utf-8")) == ["an element script"]


@pytest.mark.parametrize("code", languages())
def test_abstention_pages_and_cohort_documents_are_clean(
    code: str, survival: Responses, trial: Cohort, tmp_path: Path
) -> None:
    rules = replace(RULES, fewest_similar=1e6)
    made = report(
        survival, trial, patient="T-001", worthwhile=0.05, rules=rules, produced_utc=PRODUCED, language=code
    )
    assert all(headline.withheld for headline in made.document.headlines)
    assert faults(render(made.document)) == []
    for kind in KINDS:
        document = build_cohort_document(
            kind, survival, trial, worthwhile=0.05, produced_utc=PRODUCED, language=code
        )
        save_cohort_document(document, tmp_path)
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) == len(KINDS)
    assert {page.name: faults(page.read_text(encoding="utf-8")) for page in pages} == {
        page.name: [] for page in pages
    }
