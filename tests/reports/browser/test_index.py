"""The search of the index page, by keyboard alone, from the file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from medresponse.reports import IndexEntry, IndexLink, Report, write_index
from medresponse.reports.language import languages
from tests.reports.browser.real import A4, NARROW, Browser
from tests.reports.browser.test_accessibility import passed

SHOWN = [
    "read",
    "[...document.querySelectorAll('#list tbody tr:not([hidden]) th')].map((e) => e.textContent)",
]
COUNT = ["read", "document.querySelector('[role=status]').innerText"]
FOCUS = ["read", "document.activeElement.id || document.activeElement.textContent"]
DOWN = ["press", "ArrowDown"]
FOCUS_SEEN = ["read", "getComputedStyle(document.activeElement).outlineWidth"]


def entries(n: int, *, language: str = "en") -> list[IndexEntry]:
    """Every third has a note, every tenth another; the fifth has no page."""
    made = [
        IndexEntry(
            patient=f"P{i:04d}", language=language, href=f"patients/P{i:04d}.html", name="survival", options=("A", "B"),
            cells=(("50 of 100", "40 to 60"),) * 2, flags=("inputs missing",) * (i % 3 == 0) + ("outside",) * (i % 10 == 0),
        )
        for i in range(n)
    ]  # fmt: skip
    made[5] = IndexEntry.not_made("P0005", "the fit is of another cohort", language=language)
    return made


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return write_index(entries(300), tmp_path, title="A trial", intro="Three hundred patients.")


def test_a_patient_is_found_and_opened_by_keyboard_alone(
    browser: Browser, page: Path, survival_report: Report
) -> None:
    survival_report.save(page.parent / "patients" / "P0123.html")
    seen = browser.visit(
        page,
        ["press", "Tab"], FOCUS, FOCUS_SEEN, ["type", "p012"], SHOWN, COUNT,
        ["type", "3"], SHOWN, COUNT,
        ["press", "Tab"], FOCUS, FOCUS_SEEN, ["press", "Tab"], FOCUS, ["press", "Tab"], FOCUS,
        ["press", "Enter"], ["settle", "text=Treatment-response report"], ["read", "location.pathname.split('/').pop()"],
    )  # fmt: skip
    answers = [answer for answer in seen.steps if answer is not None]
    assert answers == [
        "find", "3px", [f"P{i:04d}" for i in range(120, 130)], "Patients shown: 10 of 300",
        ["P0123"], "Patients shown: 1 of 300", "filter", "3px", "clear", "P0123", "P0123.html",
    ]  # fmt: skip
    assert seen.requests == [(page.parent / "patients" / "P0123.html").as_uri()] and not seen.refused


def test_notes_are_filtered_by_keyboard_and_the_search_is_cleared(browser: Browser, page: Path) -> None:
    seen = browser.visit(
        page,
        ["press", "Tab"], ["press", "Tab"], DOWN, COUNT, *[DOWN] * 4, SHOWN, COUNT,
        ["press", "Shift+Tab"], ["type", "P029"], SHOWN, ["type", "x"], COUNT,
        ["press", "Tab"], ["press", "Tab"], ["press", "Enter"], FOCUS, COUNT, ["press", "Tab"], *[DOWN] * 4, SHOWN,
        ["press", "ArrowUp"], ["press", "ArrowUp"], COUNT,
    )  # fmt: skip
    answers = [answer for answer in seen.steps if answer is not None]
    some = {i for i in range(300) if i % 3 == 0 or i % 10 == 0 or i == 5}
    assert answers == [
        f"Patients shown: {len(some)} of 300", [f"P{i:04d}" for i in range(0, 300, 10)], "Patients shown: 30 of 300",
        ["P0290"], "Patients shown: 0 of 300 No patient matches the search.", "find", "Patients shown: 300 of 300",
        ["P0005"], f"Patients shown: {300 - len(some)} of 300",
    ]  # fmt: skip
    assert seen.quiet


def test_patients_without_a_page_are_listed_with_the_reason(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "For one patient no page could be made" in text
    row = text[text.index('<th scope="row">P0005</th>') :]
    assert "no page</span>: the fit is of another cohort" in row[: row.index("</tr>")]


def test_without_scripts_the_list_is_complete_and_there_is_no_dead_search(
    browser: Browser, page: Path
) -> None:
    seen = browser.visit(page, SHOWN, COUNT, ["press", "Tab"], FOCUS, script=False)
    assert len(seen.steps[0]) == 300
    assert seen.steps[1:] == ["Patients shown: 300 of 300", None, "P0000"]


@pytest.mark.parametrize("size", [A4, NARROW], ids=["paper", "telephone"])
@pytest.mark.parametrize("code", languages())
def test_the_index_is_accessible(code: str, size: tuple[int, int], browser: Browser, tmp_path: Path) -> None:
    documents = [IndexLink(href="model_card.html", title="Model card", remark="until 2027-01-01")]
    page = write_index(
        entries(30, language=code), tmp_path, title="A trial", intro="Thirty.", documents=documents, language=code
    )  # fmt: skip
    passed(browser.visit(page, size=size, axe=True))
    passed(browser.visit(page, ["press", "Tab"], ["press", "Tab"], ["type", "zzzz"], size=size, axe=True))


def test_a_script_that_is_not_the_pages_own_does_not_run(browser: Browser, page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</main>", "</main><script>window.ran = 1</script>"), encoding="utf-8")
    seen = browser.visit(page, ["read", "'ran' in window"])
    assert seen.steps == [False] and any("script-src" in refused for refused in seen.refused)
