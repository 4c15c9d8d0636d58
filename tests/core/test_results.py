from __future__ import annotations

from pathlib import Path

import pytest

from medresponse import cli
from medresponse.core import audit
from medresponse.core.atomic import sha256_of
from medresponse.core.audit import append
from medresponse.core.errors import IntegrityError
from medresponse.core.manifest import write_manifest
from medresponse.core.results import verify_results


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with a manifest over one file and a log over two pages, one of them written twice."""
    (tmp_path / "metrics.json").write_text("{}")
    for text in ("first", "second"):
        for name in ("P1.html", "P2.html")[: 1 if text == "second" else 2]:
            (tmp_path / name).write_text(text)
            append(tmp_path, action="report", files={name: sha256_of(tmp_path / name)})
    write_manifest(tmp_path)
    return tmp_path


def test_results_as_they_were_written_verify(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = verify_results(results)
    assert found.breaks == () and found.n_files == 3 and found.log is not None
    assert verify_results(results, head=found.log.head).breaks == ()
    assert cli.main(["verify", str(results)]) == 0
    out = capsys.readouterr().out
    assert found.log.head in out and "does not confer compliance" in out


def test_the_log_grows_on_after_the_manifest(results: Path) -> None:
    append(results, action="validate")
    assert verify_results(results).breaks == ()


@pytest.mark.parametrize("name", ["metrics.json", "P1.html"])
def test_a_changed_or_missing_file_is_named(
    results: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (results / name).write_text("changed")
    assert verify_results(results).breaks == (f"{name} is not as it was written",)
    (results / name).unlink()
    assert verify_results(results).breaks == (f"{name} is missing",)
    assert cli.main(["verify", str(results)]) == 2
    assert f"{name} is missing" in capsys.readouterr().out


def test_a_page_that_no_entry_names_is_found(results: Path) -> None:
    (results / "P3.html").write_text("slipped in")
    assert verify_results(results).breaks == ("P3.html is in no entry of the log",)


def test_a_log_made_anew_is_told_by_what_was_noted_down(results: Path) -> None:
    head = verify_results(results).log.head  # type: ignore[union-attr]
    for name in (audit.NAME, audit.HEAD):
        (results / name).unlink()
    assert verify_results(results).breaks == (
        "no entry of the audit log has the hash that the manifest noted down",
    )
    for name in ("P1.html", "P2.html"):
        append(results, action="report", files={name: sha256_of(results / name)})
    breaks = verify_results(results, head=head).breaks
    assert [b for b in breaks if b.endswith("somebody elsewhere noted down")] and len(breaks) == 2


def test_a_log_that_is_gone_is_missed(results: Path) -> None:
    (results / audit.NAME).unlink()
    assert "audit.jsonl is gone, and audit.head says it was there" in verify_results(results).breaks


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="no complete result"):
        verify_results(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(IntegrityError, match="no manifest"):
        verify_results(tmp_path)
