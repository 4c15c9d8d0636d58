from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medresponse.cohort import Cohort
from medresponse.core.errors import OutputExistsError
from medresponse.reports import IndexEntry, IndexFigure, IndexTable, Report, save_report, write_index
from medresponse.reports.output import file_stem
from medresponse.response import Responses
from tests.reports.hostile import HOSTILE, hostile_report
from tests.reports.validated import report


def test_a_report_is_saved_with_its_json_owner_only(survival_report: Report, tmp_path: Path) -> None:
    page = survival_report.save(tmp_path / "out" / "T-001.html")
    data = page.with_suffix(".json")
    assert json.loads(data.read_text(encoding="utf-8"))["patient"] == "T-001"
    assert {p.name for p in page.parent.iterdir()} == {
        "T-001.html", "T-001.json", "audit.jsonl", "audit.head",
    }  # fmt: skip
    assert page.stat().st_mode & 0o077 == data.stat().st_mode & 0o077 == 0


def test_an_existing_report_is_not_replaced_unasked(survival_report: Report, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("mine")
    with pytest.raises(OutputExistsError):
        save_report(survival_report, tmp_path / "a.html")
    assert (tmp_path / "a.json").read_text() == "mine" and not (tmp_path / "a.html").exists()
    save_report(survival_report, tmp_path / "a.html", overwrite=True)


@given(st.text(min_size=1))
def test_no_id_leaves_the_folder_or_hides_its_suffix(patient: str) -> None:
    stem = file_stem(patient)
    assert Path(stem).name == stem and not stem.startswith((".", "-")) and len(stem) <= 64
    assert all(c.isascii() and (c.isalnum() or c in "_-.") for c in stem)


@given(st.lists(st.text(alphabet="aAbB.-_/1", min_size=1, max_size=4), min_size=2, max_size=2, unique=True))
def test_two_ids_never_share_a_file_even_if_case_is_ignored(ids: list[str]) -> None:
    assert file_stem(ids[0]).lower() != file_stem(ids[1]).lower()


@pytest.mark.parametrize(
    "patient", ["../../etc/passwd", "..", "/root", "C:\\x", "CON", "\u202egnp", "index", "a" * 300]
)
def test_path_like_and_reserved_ids_get_a_hash(patient: str) -> None:
    stem = file_stem(patient)
    assert stem != patient and "/" not in stem and "\\" not in stem and ".." not in stem


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_ids_write_no_file_outside_the_folder(text: str, tmp_path: Path) -> None:
    write_index([hostile_report(text)], tmp_path / "a" / "b" / "c" / "run", title=text, intro=text)
    files = [file.relative_to(tmp_path).parts for file in tmp_path.rglob("*") if file.is_file()]
    folders = {parts[:-1] for parts in files}
    assert folders == {("a", "b", "c", "run"), ("a", "b", "c", "run", "patients")}


def test_the_index_lists_patients_in_the_order_given_with_links_that_exist(
    survival: Responses, trial: Cohort, tmp_path: Path
) -> None:
    reports = (report(survival, trial, patient=p, worthwhile=0.05) for p in ("T-003", "T-001"))
    figure = IndexFigure(
        title="<i>", caption="c", svg="<svg xmlns='http://www.w3.org/2000/svg'></svg>", alt='"alt'
    )
    table = IndexTable(
        caption="Scores", frame=pl.DataFrame({"name": ["<b>x", "=1+1"], "value": [-0.18981, None]})
    )
    page = write_index(
        reports, tmp_path / "run", title="Trial & co", intro="{{ 1 }}", figures=[figure], tables=[table]
    )
    text = page.read_text(encoding="utf-8")
    assert text.index("T-003") < text.index("T-001")
    for stem in ("T-001", "T-003"):
        assert (
            f'href="patients/{stem}.html"' in text and (page.parent / "patients" / f"{stem}.json").is_file()
        )
    assert "<i>" not in text and "<b>x" not in text and "{{ 1 }}" in text and "\N{MINUS SIGN}0.1898" in text
    assert "data:image/svg+xml;base64," in text and text.count("<script") == 1
    with pytest.raises(OutputExistsError):
        write_index([], tmp_path / "run", title="t", intro="i")


def test_the_index_refuses_to_mix_outcomes(
    survival_report: Report, dose_report: Report, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="one outcome"):
        write_index([survival_report, dose_report], tmp_path / "run", title="t", intro="i")


def test_the_only_script_of_the_index_is_the_one_that_its_policy_knows(
    survival_report: Report, tmp_path: Path
) -> None:
    text = write_index([survival_report], tmp_path, title="t", intro="i").read_text(encoding="utf-8")
    script = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    policy = re.search(r"script-src 'sha256-([^']+)'", text)
    assert len(script) == 1 and policy is not None
    assert base64.b64decode(policy[1]) == hashlib.sha256(script[0].encode("utf-8")).digest()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function|fetch|import", script[0]
    )


def test_the_index_of_failed_patients_alone_lists_them(tmp_path: Path) -> None:
    failed = [IndexEntry.not_made(p, "<b>no fit", language="es") for p in ("B-2", "A-1")]
    text = write_index(failed, tmp_path, title="t", intro="i", language="es").read_text(encoding="utf-8")
    assert text.index("B-2") < text.index("A-1") and "&lt;b&gt;no fit" in text and "2 pacientes" in text


def test_reports_are_made_without_the_sampler() -> None:
    code = "import sys, medresponse.reports; print([m for m in ('pymc', 'arviz', 'matplotlib', 'sksurv') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
