from __future__ import annotations

import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from medresponse.core import audit
from medresponse.core.audit import append, replay
from medresponse.core.errors import IntegrityError


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of five entries."""
    for i in range(5):
        append(
            tmp_path, action="report", who="R. Eviewer", patient=f"P{i}", files={f"P{i}.html": str(i) * 64},
            overrides={"validation": "pilot"} if i == 2 else {}, data_hash="d" * 64, model_hash="m" * 64,
        )  # fmt: skip
    return tmp_path


def rewritten(folder: Path, change) -> tuple[str, ...]:
    """Change the lines of a log and return the breaks that replaying finds."""
    lines = (folder / audit.NAME).read_text().splitlines(keepends=True)
    (folder / audit.NAME).write_text("".join(change(lines)))
    return replay(folder).breaks


def test_an_unbroken_log_replays_with_what_was_written(log: Path) -> None:
    found = replay(log)
    assert found.breaks == () and [e.number for e in found.entries] == [1, 2, 3, 4, 5]
    entry = found.entries[2]
    assert (entry.who, entry.patient, entry.overrides) == ("R. Eviewer", "P2", {"validation": "pilot"})
    assert entry.previous == found.entries[1].hash and found.files["P4.html"] == "4" * 64
    assert (log / audit.NAME).stat().st_mode & 0o077 == (log / audit.HEAD).stat().st_mode & 0o077 == 0


def test_the_user_is_the_systems_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "dr_who")
    assert append(tmp_path, action="validate").who == "dr_who"


@pytest.mark.parametrize("at", range(5))
def test_an_edited_entry_is_named(log: Path, at: int) -> None:
    breaks = rewritten(
        log, lambda ls: [x.replace("R. Eviewer", "S. Omebody") if i == at else x for i, x in enumerate(ls)]
    )
    assert breaks == (f"line {at + 1}: entry {at + 1} was edited",)


def test_an_entry_that_was_edited_and_hashed_anew_breaks_the_next(log: Path) -> None:
    def forge(lines: list[str]) -> list[str]:
        plain = json.loads(lines[1]) | {"who": "S. Omebody"}
        plain["hash"] = audit.Entry(**plain).digest()
        return [lines[0], json.dumps(plain, sort_keys=True, separators=(",", ":")) + "\n", *lines[2:]]

    assert rewritten(log, forge) == ("line 3: entry 3 does not follow from what stands before it",)


def test_spaces_that_change_no_value_are_an_edit_too(log: Path) -> None:
    assert rewritten(log, lambda ls: [ls[0].replace(":", ": ", 1), *ls[1:]]) == (
        "line 1: entry 1 was edited",
    )


@pytest.mark.parametrize("at", range(4))
def test_a_removed_entry_is_named(log: Path, at: int) -> None:
    breaks = rewritten(log, lambda ls: ls[:at] + ls[at + 1 :])
    assert breaks[0].endswith(f"entry {at + 1} was removed")


def test_removed_last_entries_are_missed_by_the_head(log: Path) -> None:
    assert rewritten(log, lambda ls: ls[:3]) == ("the log ends at entry 3, and had 5: its end was removed",)
    assert rewritten(log, lambda ls: []) == ("the log ends at entry 0, and had 5: its end was removed",)


def test_moved_entries_are_found(log: Path) -> None:
    breaks = rewritten(log, lambda ls: [ls[0], ls[2], ls[1], *ls[3:]])
    assert "line 2: entry 3 stands in the wrong place; entries were moved" in breaks


@pytest.mark.parametrize("at", [0, 2, 4])
def test_an_entry_cut_off_is_named(log: Path, at: int) -> None:
    breaks = rewritten(log, lambda ls: [*ls[:at], ls[at][:40] + ("" if at == 4 else "\n"), *ls[at + 1 :]])
    assert breaks[0].startswith(f"line {at + 1}: ")


def test_a_missing_log_or_head_is_said(log: Path) -> None:
    (log / audit.HEAD).rename(log / "kept")
    assert replay(log).breaks == (
        "audit.head is missing: whether the log's last entries are there cannot be said",
    )
    (log / "kept").rename(log / audit.HEAD)
    (log / audit.NAME).unlink()
    with pytest.raises(IntegrityError, match="gone"):
        replay(log)


@pytest.mark.parametrize("change", [lambda ls: ls[:3], lambda ls: [*ls[:4], ls[4][:30]], lambda ls: []])
def test_nothing_is_appended_to_a_log_that_lost_its_end(log: Path, change) -> None:
    rewritten(log, change)
    before = (log / audit.NAME).read_bytes()
    with pytest.raises(IntegrityError, match="does not end where"):
        append(log, action="report")
    assert (log / audit.NAME).read_bytes() == before


def test_a_writer_that_died_before_the_head_is_made_up_for(log: Path) -> None:
    head = (log / audit.HEAD).read_bytes()
    append(log, action="report")
    (log / audit.HEAD).write_bytes(head)
    assert replay(log).breaks == ()
    assert append(log, action="report").number == 7
    assert replay(log).breaks == ()


def test_a_full_disk_leaves_the_log_as_it_was(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, write = (log / audit.NAME).read_bytes(), os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:50]))
    with pytest.raises(OSError, match="half an entry"):
        append(log, action="report")
    monkeypatch.undo()
    assert (log / audit.NAME).read_bytes() == before
    append(log, action="report")
    assert replay(log).breaks == ()


def _write_some(folder: str, writer: int) -> None:
    for i in range(20):
        append(folder, action="report", patient=f"{writer}-{i}")


def test_writers_at_once_make_one_unbroken_chain(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        list(pool.map(_write_some, [str(tmp_path)] * 3, range(3)))
    found = replay(tmp_path)
    assert found.breaks == () and len(found.entries) == 60 and len({e.patient for e in found.entries}) == 60
