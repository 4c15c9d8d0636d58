"""Reports of many patients: resumed, never lost for another's sake, never half-written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from medresponse.cohort import Cohort, cohort_from_frame
from medresponse.core.errors import (
    DataError,
    OutputError,
    OutputExistsError,
    SpecError,
    UnvalidatedError,
)
from medresponse.core.results import verify_results
from medresponse.reports import Evidence, batch, write_index
from medresponse.reports.batch import Batch, Outcome, write_reports
from medresponse.reports.formats import FORMATS
from medresponse.reports.index import IndexEntry
from medresponse.response import Responses, respond
from tests.reports import trials
from tests.reports.conftest import PRODUCED
from tests.reports.fragile import Fragile
from tests.reports.validated import RULES

resource = pytest.importorskip("resource", reason="of Unix")

ASKED = {"worthwhile": 0.05, "override": "a test", "produced_utc": PRODUCED, "rules": RULES}
SOME = ("T-003", "T-001", "T-002")


def written(folder: Path) -> dict[str, str]:
    """Every file of a folder but its log, with its hash: hidden and temporary ones too."""
    files = [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("audit.")]
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


def fragile(responses: Responses, **how: str) -> Fragile:
    return Fragile(**{f.name: getattr(responses, f.name) for f in fields(Responses)}, **how)


@pytest.fixture
def made(survival: Responses, trial: Cohort, tmp_path: Path) -> Batch:
    return write_reports(survival, trial, tmp_path / "out", patients=SOME, **ASKED)


def test_reports_are_written_in_the_order_asked_for_and_verify(made: Batch) -> None:
    assert [outcome.patient for outcome in made.outcomes] == list(SOME) and not made.failures
    assert set(written(made.folder)) == {"batch.json"} | {
        f"patients/{p}.{s}" for p in SOME for s in ("html", "json")
    }
    write_index(made.entries, made.folder, title="t", intro="i")
    found = verify_results(made.folder)
    assert found.breaks == () and found.n_files == 8
    assert json.loads((made.folder / "batch.json").read_text())["made"] == 3
    assert repr(made) == "<Batch: 3 made, 0 kept, 0 failed>"


def test_nobody_else_can_list_the_pseudonyms(made: Batch) -> None:
    assert {folder.stat().st_mode & 0o077 for folder in (made.folder, made.folder / "patients")} == {0}


def test_the_same_request_keeps_what_is_there(made: Batch, survival: Responses, trial: Cohort) -> None:
    before = written(made.folder)
    later = ASKED | {"produced_utc": "2027-01-01T00:00:00+00:00"}
    again = write_reports(survival, trial, made.folder, patients=(*SOME, "T-004"), **later)
    assert [outcome.kept for outcome in again.outcomes] == [True, True, True, False]
    after = written(made.folder)
    assert {name: after[name] for name in before if name != "batch.json"} == {
        name: digest for name, digest in before.items() if name != "batch.json"
    }
    assert [e.cells for e in again.entries[:3]] == [e.cells for e in made.entries]


@pytest.mark.parametrize(
    "change",
    [
        {"worthwhile": 0.04}, {"language": "es"}, {"override": "another reason"}, {"evidence": [Evidence(name="a", value="b")]},
        {"allow_unconverged": True},
    ],
)  # fmt: skip
def test_reports_from_other_inputs_are_refused_and_then_replaced(
    change: dict[str, Any], made: Batch, survival: Responses, trial: Cohort
) -> None:
    before = written(made.folder)
    with pytest.raises(OutputExistsError, match=r"3 report\(s\) .* first of patient T-003"):
        write_reports(survival, trial, made.folder, patients=SOME, **ASKED | change)
    assert written(made.folder) == before
    again = write_reports(survival, trial, made.folder, patients=SOME, overwrite=True, **ASKED | change)
    assert not any(outcome.kept for outcome in again.outcomes) and verify_results(made.folder).breaks == ()


def test_another_question_another_fit_or_other_values_are_other_inputs(
    made: Batch, survival: Responses, trial: Cohort
) -> None:
    frame = trial.table.with_columns(
        age=pl.when(pl.col("patient") == "T-001").then(80.0).otherwise(pl.col("age"))
    )
    older = cohort_from_frame(frame, trial.schema)
    others = [
        (survival.at(horizon=200), trial),
        (respond(trials.fake_survival_fit(trial, benefit=0.5), trial, horizon=300, draws=100), trial),
        (respond(survival.fit, older, horizon=300), older),
    ]
    for responses, cohort in others:
        with pytest.raises(OutputExistsError, match=r"first of patient T-00[13]"):
            write_reports(responses, cohort, made.folder, patients=SOME, **ASKED, reference=trial)


def test_a_page_that_was_changed_is_not_kept(made: Batch, survival: Responses, trial: Cohort) -> None:
    page = made.folder / "patients" / "T-001.html"
    page.write_text(page.read_text().replace("of 100", "of 10"))
    with pytest.raises(OutputExistsError, match=r"1 report\(s\)"):
        write_reports(survival, trial, made.folder, patients=SOME, **ASKED)
    write_reports(survival, trial, made.folder, patients=SOME, overwrite=True, **ASKED)
    assert "of 10 " not in page.read_text()


def test_a_lost_page_and_a_further_format_are_made_from_the_record(
    made: Batch, survival: Responses, trial: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written(made.folder)
    (made.folder / "patients" / "T-001.html").unlink()
    monkeypatch.setattr(batch, "build_report", None)
    more = FORMATS | {
        "text": replace(FORMATS["html"], suffix=".txt", render=lambda document: document.footer)
    }
    monkeypatch.setattr("medresponse.reports.formats.FORMATS", more)
    monkeypatch.setattr("medresponse.reports.output.FORMATS", more)
    again = write_reports(survival, trial, made.folder, patients=SOME, formats=("html", "text"), **ASKED)
    after = written(made.folder)
    assert not again.failures and {n: after[n] for n in before if n != "batch.json"} == {
        n: d for n, d in before.items() if n != "batch.json"
    }
    assert {f"patients/{p}.txt" for p in SOME} <= set(after)


def test_one_broken_patient_neither_stops_nor_hides_the_others(
    survival: Responses, trial: Cohort, tmp_path: Path
) -> None:
    seen: list[Outcome] = []
    asked = (*SOME, "nobody", "T-001")
    made = write_reports(
        fragile(survival, raises="T-001"), trial, tmp_path, patients=asked, step=seen.append, **ASKED
    )
    assert seen == list(made.outcomes) and len(made.outcomes) == 4
    assert {f.patient: f.code for f in made.failures} == {"T-001": "unexpected", "nobody": "unknown_patient"}
    listed = json.loads((tmp_path / "batch.json").read_text())
    assert listed["made"] == 2 and [f["patient"] for f in listed["failed"]] == ["T-001", "nobody"]
    assert (
        "ValueError at fragile.py" in listed["failed"][0]["problem"]
        and "51" not in listed["failed"][0]["problem"]
    )
    page = write_index(made.entries, tmp_path, title="t", intro="i").read_text(encoding="utf-8")
    assert "ValueError" in page and "patients/T-002.html" in page and "patients/T-001.html" not in page
    assert verify_results(tmp_path).breaks == ()


def test_a_process_that_dies_takes_only_its_own_patient_with_it(
    survival: Responses, trial: Cohort, tmp_path: Path
) -> None:
    asked = trial.patients[:26]
    broken = fragile(survival, raises="T-004", dies="T-026")
    made = write_reports(broken, trial, tmp_path, patients=asked, formats=("json",), processes=2, **ASKED)
    assert {f.patient: f.code for f in made.failures} == {"T-004": "unexpected", "T-026": "process_died"}
    assert [o.patient for o in made.outcomes] == list(asked) and len(
        list((tmp_path / "patients").iterdir())
    ) == 24
    assert verify_results(tmp_path).breaks == ()
    alone = write_reports(survival, trial, tmp_path / "alone", patients=asked[:2], formats=("json",), **ASKED)
    for outcome in alone.outcomes:  # another process writes the same bytes
        name = f"patients/{outcome.patient}.json"
        assert (alone.folder / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_process_whose_parent_was_killed_takes_the_request_away_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    file = tmp_path / ".request.x" / "request"
    file.parent.mkdir()
    file.write_bytes(b"patients")
    parent = SimpleNamespace(join=lambda: ended.append("parent"))
    monkeypatch.setattr(batch, "parent_process", lambda: parent)
    monkeypatch.setattr(os, "_exit", lambda code: ended.append("process"))
    batch._end_with_parent(file)
    assert ended == ["parent", "process"] and not list(tmp_path.iterdir())


def test_ten_thousand_patients_with_one_broken(
    survival: Responses, trial: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"P{i:05d}" for i in range(10_000)]

    def make(request: Any, patient: str) -> Outcome:
        if patient == "P01234":
            raise RuntimeError("broken")
        return Outcome(patient=patient, entry=IndexEntry(patient=patient, language="en"))

    monkeypatch.setattr(batch, "_written", make)
    made = write_reports(survival, trial, tmp_path, patients=ids, processes=1, **ASKED)
    assert [f.patient for f in made.failures] == ["P01234"] and [o.patient for o in made.outcomes] == ids
    assert json.loads((tmp_path / "batch.json").read_text())["made"] == 9_999


def test_what_concerns_every_patient_stops_at_once(
    survival: Responses, trial: Cohort, newcomers: Cohort, dosing: Cohort, dose: Responses, tmp_path: Path
) -> None:
    for wrong, error in [
        ({"override": None}, UnvalidatedError), ({"worthwhile": -1.0}, SpecError), ({"language": "xx"}, SpecError),
        ({"formats": ("docx",)}, SpecError), ({"processes": 0}, SpecError), ({"reference": newcomers}, DataError),
    ]:  # fmt: skip
        with pytest.raises(error):
            write_reports(survival, trial, tmp_path / "none", patients=SOME, **ASKED | wrong)
    assert not list(tmp_path.rglob("*.html")) and not list(tmp_path.rglob("batch.json"))
    made = write_reports(dose, trial, tmp_path / "mixed", patients=SOME, **ASKED)
    assert {f.code for f in made.failures} == {"unknown_patient"} and len(made.failures) == 3


def test_responses_of_another_cohort_with_the_same_ids_are_refused(
    survival: Responses, tmp_path: Path
) -> None:
    other = cohort_from_frame(trials.trial_frame(seed=99), trials.trial_schema())
    made = write_reports(survival, other, tmp_path, patients=SOME, **ASKED)
    assert [f.code for f in made.failures] == ["cohort_mismatch"] * 3


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow beyond 60 kB: a record fits, a page does not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_message_and_leaves_nothing_half_written(
    survival: Responses, trial: Cohort, tmp_path: Path, small_disk: None
) -> None:
    with pytest.raises(OutputError, match="cannot be written to: File too large"):
        write_reports(survival, trial, tmp_path, patients=SOME, **ASKED)
    assert set(written(tmp_path)) == {"patients/T-003.json"}
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    made = write_reports(survival, trial, tmp_path, patients=SOME, **ASKED)
    assert not made.failures and verify_results(tmp_path).breaks == ()


def test_a_folder_that_cannot_be_written_to_is_one_message(
    survival: Responses, trial: Cohort, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="cannot be written to: Not a directory"):
        write_reports(survival, trial, tmp_path / "file" / "out", patients=SOME, **ASKED)
    with pytest.raises(OutputError, match="File exists"):
        write_reports(survival, trial, tmp_path / "file", patients=SOME, **ASKED)


def test_a_read_only_folder_is_one_message(
    survival: Responses, trial: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "out"
    place.mkdir(mode=0o500)
    if os.geteuid() == 0:  # whom no mode keeps out

        def refuse(*args: Any, **options: Any) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(OutputError, match="out cannot be written to: Permission denied"):
        write_reports(survival, trial, place, patients=SOME, **ASKED)
    assert not list(place.iterdir())


def test_patients_without_any_input_get_their_pages(
    survival: Responses, trial: Cohort, tmp_path: Path
) -> None:
    names = list(trial.schema.feature_columns)
    empty = trials.trial_frame(3, prefix="N").with_columns(pl.lit(None).alias(name) for name in names)
    strangers = cohort_from_frame(empty, trial.schema, for_prediction=True)
    asked = ASKED | {"reference": trial}
    made = write_reports(respond(survival.fit, strangers, horizon=300), strangers, tmp_path, **asked)
    assert not made.failures and all("4 of 4 inputs missing" in entry.flags for entry in made.entries)
