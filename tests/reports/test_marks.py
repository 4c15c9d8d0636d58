from __future__ import annotations

import inspect
import itertools
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from medresponse import cli
from medresponse.cohort import Cohort
from medresponse.core.audit import replay
from medresponse.core.errors import IntegrityError, UnvalidatedError
from medresponse.core.results import verify_results
from medresponse.decisions import AbstentionRules
from medresponse.reports import PatientReport, build_report, report, write_index
from medresponse.reports.html import render
from medresponse.reports.language import language
from medresponse.response import Responses
from medresponse.validation import GateLimits, ValidationRecord, judge
from tests.reports.validated import record_of

NOT_CONVERGED, NOT_VALIDATED, EXPIRED, SYNTHETIC = (
    language("en").say(f"stamp.{name}") for name in ("not_converged", "not_validated", "expired", "synthetic")
)
ASKED = {"patient": "T-001", "worthwhile": 0.05}


def failed() -> Any:
    return judge("calibration_slope", 0.4, 0.3, 0.5, limit=(0.9, 1.1))


def broken_records(responses: Responses) -> dict[str, ValidationRecord | None]:
    good = record_of(responses, 0.05)
    yesterday = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
    return {
        "none was given": None,
        "another model": replace(good, model_hash="c" * 64),
        "other data": replace(good, data_hash="c" * 64),
        "another question": replace(good, question=replace(good.question, horizon=200.0)),
        "measured nothing": replace(good, gates=()),
        "failed 1 of 4 gates": replace(good, gates=(*good.gates, failed())),
        "expired on": replace(good, expires=yesterday),
    }


@pytest.mark.parametrize(
    "why", ["none was given", "another model", "other data", "another question", "measured nothing", "failed 1 of 4 gates", "expired on"],
)  # fmt: skip
def test_without_a_validation_that_holds_there_is_no_report_unless_it_is_stamped(
    survival: Responses, trial: Cohort, why: str
) -> None:
    record = broken_records(survival)[why]
    for reason in (None, "", "  "):
        with pytest.raises(UnvalidatedError, match=why):
            report(survival, trial, validation=record, override=reason, **ASKED)
    made = report(survival, trial, validation=record, override="pilot on the ward", **ASKED)
    assert made.document.stamps[0] == NOT_VALIDATED
    assert (EXPIRED in made.document.stamps) == (why == "expired on")
    text = render(made.document)
    assert "pilot on the ward" in text and text.count(NOT_VALIDATED) == 2  # at the top of page and appendix
    assert "@top-center" in text  # and on every printed page
    assert ("no result was supplied" in text) == (record is None)
    assert ("the validation in the appendix does not hold for this page" in text) == (record is not None)


def test_another_worthwhile_difference_is_another_question(survival: Responses, trial: Cohort) -> None:
    with pytest.raises(UnvalidatedError, match="another question"):
        report(survival, trial, patient="T-001", worthwhile=0.10, validation=record_of(survival, 0.05))


def test_a_time_of_production_in_the_past_does_not_revive_a_record(
    survival: Responses, trial: Cohort
) -> None:
    record = replace(record_of(survival, 0.05), expires="2026-01-05")
    with pytest.raises(UnvalidatedError, match="expired on 2026-01-05"):
        report(survival, trial, validation=record, produced_utc="2026-01-02T00:00:00+00:00", **ASKED)
    ahead = replace(record, expires="2999-01-01")
    with pytest.raises(UnvalidatedError, match="expired on 2999-01-01"):
        report(survival, trial, validation=ahead, produced_utc="2999-01-02T00:00:00+00:00", **ASKED)


def test_a_record_that_holds_needs_no_override_and_prints_its_gates(
    survival: Responses, trial: Cohort
) -> None:
    record = record_of(survival, 0.05)
    made = report(survival, trial, validation=record, override="not needed", **ASKED).document
    assert made.stamps == () and made.provenance.override == ""
    assert made.provenance.validation == record.checksum and made.provenance.config_hash == record.config_hash
    text = render(made)
    assert record.checksum in text and "Calibration slope" in text and record.expires in text


def test_the_reason_and_what_was_made_from_what_go_to_the_audit_log(
    survival: Responses, trial: Cohort, unconverged: Responses, tmp_path: Path
) -> None:
    record = record_of(survival, 0.05)
    report(survival, trial, validation=record, **ASKED).save(tmp_path / "a.html", who="R. Eviewer")
    made = report(unconverged, trial, override="pilot", allow_unconverged=True, **ASKED)
    write_index([made], tmp_path, title="t", intro="i")
    first, second, third = replay(tmp_path).entries
    assert (first.who, first.action, first.patient) == ("R. Eviewer", "report", "T-001")
    assert (first.model_hash, first.data_hash) == (record.model_hash, record.data_hash)
    assert (first.config_hash, first.validation_hash) == (record.config_hash, record.checksum)
    assert set(first.files) == {"a.html", "a.json"} and first.overrides == {}
    assert set(second.files) == {"patients/T-001.html", "patients/T-001.json"}
    assert second.overrides["validation"] == "pilot" and set(second.overrides) == {
        "validation",
        "diagnostics",
    }
    assert third.action == "index" and set(third.files) == {"index.html"}
    assert verify_results(tmp_path).breaks == ()
    (tmp_path / "a.json").write_text((tmp_path / "a.json").read_text() + " ")
    assert verify_results(tmp_path).breaks == ("a.json is not as it was written",)


def test_a_page_is_not_written_where_the_log_is_broken(
    survival: Responses, trial: Cohort, tmp_path: Path
) -> None:
    made = report(survival, trial, validation=record_of(survival, 0.05), **ASKED)
    made.save(tmp_path / "a.html")
    (tmp_path / "audit.jsonl").write_text("")
    with pytest.raises(IntegrityError, match="does not end where"):
        made.save(tmp_path / "b.html")
    assert not (tmp_path / "b.html").exists()


# Synthetic data cannot be unmarked.


@pytest.fixture
def made_up(survival: Responses) -> Responses:
    """Responses of a model that learned from made-up patients."""
    return replace(
        survival, fit=replace(survival.fit, provenance=replace(survival.fit.provenance, synthetic=True))
    )


def test_no_argument_takes_the_mark_of_synthetic_data_away(made_up: Responses, trial: Cohort) -> None:
    record = record_of(made_up, 0.05)
    options: dict[str, tuple[Any, ...]] = {
        "previous": (build_report(made_up, trial, validation=record, **ASKED),),
        "reference": (None, trial), "evidence": ((),), "harms": ((),), "validation": (record,),
        "override": (None, "real patients"), "rules": (None, AbstentionRules(most_distance=0.0)), "inputs_hash": ("", "0"), "allow_unconverged": (False, True),
        "produced_utc": (None, "2026-01-02T00:00:00+00:00"), "sections": ((), ("identity",), ("banner", "making")), "language": ("en", "es"),
    }  # fmt: skip
    # An argument that is new is tried here too, or shown not to matter.
    named = set(inspect.signature(build_report).parameters)
    assert named - set(options) - {"responses", "cohort", "patient", "worthwhile"} == set()
    for values in itertools.product(*options.values()):
        made = build_report(made_up, trial, **ASKED, **dict(zip(options, values, strict=True)))
        mark = language(made.language).say("stamp.synthetic")
        assert mark in made.stamps and mark in render(made)


def test_one_sign_of_being_made_up_is_enough(survival: Responses, trial: Cohort) -> None:
    marked = replace(trial.schema, synthetic=True)
    fit = replace(survival.fit, schema=marked)
    for responses, cohort in (
        (survival, replace(trial, schema=marked)),
        (replace(survival, fit=fit), trial),
    ):
        made = build_report(responses, cohort, validation=record_of(responses, 0.05), **ASKED)
        assert made.stamps == (SYNTHETIC,)


def test_a_document_without_the_stamps_of_its_provenance_cannot_be(made_up: Responses, trial: Cohort) -> None:
    made = build_report(made_up, trial, override="x", **ASKED)
    for stamps in (
        (),
        (NOT_VALIDATED,),
        (SYNTHETIC,),
        (SYNTHETIC, NOT_VALIDATED),
        (*made.stamps, NOT_CONVERGED),
    ):
        with pytest.raises(IntegrityError, match="stamps"):
            replace(made, stamps=stamps)


@pytest.mark.parametrize("rehashed", [False, True])
@pytest.mark.parametrize("change", ["stamps", "provenance", "both"])
def test_a_json_whose_mark_was_taken_away_is_refused_or_found_by_the_log(
    made_up: Responses, trial: Cohort, tmp_path: Path, change: str, rehashed: bool
) -> None:
    from medresponse.reports.document import _checksum

    made = report(made_up, trial, validation=record_of(made_up, 0.05), **ASKED)
    made.save(tmp_path / "a.html")
    plain = json.loads((tmp_path / "a.json").read_text())
    if change in ("stamps", "both"):
        plain["stamps"] = []
    if change in ("provenance", "both"):
        plain["provenance"]["synthetic"] = False
    if rehashed:
        plain["checksum"] = _checksum({k: v for k, v in plain.items() if k != "checksum"})
    (tmp_path / "a.json").write_text(json.dumps(plain))
    if not (rehashed and change == "both"):
        with pytest.raises(IntegrityError):
            PatientReport.from_json((tmp_path / "a.json").read_text())
    # Whoever forges stamps, provenance and checksum at once is left with the log, which has the file's hash.
    assert verify_results(tmp_path).breaks == ("a.json is not as it was written",)
    assert cli.main(["verify", str(tmp_path)]) == 2


def test_the_mark_is_on_the_index_too(made_up: Responses, trial: Cohort, tmp_path: Path) -> None:
    made = [report(made_up, trial, validation=record_of(made_up, 0.05), **ASKED)]
    assert SYNTHETIC in write_index(made, tmp_path, title="t", intro="i").read_text(encoding="utf-8")


# The record itself.


def test_a_record_survives_its_file_and_nothing_else_does(survival: Responses, tmp_path: Path) -> None:
    record = record_of(survival, 0.05)
    path = record.save(tmp_path / "record.json")
    assert ValidationRecord.load(path) == record
    plain = json.loads(path.read_text())
    assert plain["passed"] is True
    for change in (
        {"n_patients": 61}, {"expires": "3000-01-01"}, {"passed": False}, {"limits": plain["limits"] | {"gap": 0.5}},
        {"checksum": "0" * 64}, {"extra": 1},
    ):  # fmt: skip
        path.write_text(json.dumps(plain | change))
        with pytest.raises(IntegrityError):
            ValidationRecord.load(path)
    for text in ("", "[]", "{}", "{"):
        path.write_text(text)
        with pytest.raises(IntegrityError, match="no validation record"):
            ValidationRecord.load(path)
    with pytest.raises(IntegrityError, match="no validation record at nowhere"):
        ValidationRecord.load(tmp_path / "nowhere")


def test_loosened_limits_make_another_configuration(survival: Responses) -> None:
    record = record_of(survival, 0.05)
    assert replace(record, limits=GateLimits(gap=0.2)).config_hash != record.config_hash


def test_a_record_holds_through_its_last_day(survival: Responses) -> None:
    record = record_of(survival, 0.05, expires="2026-03-01")
    assert not record.expired(date(2026, 3, 1)) and record.expired(date(2026, 3, 2))


def test_every_gate_and_verdict_has_its_words() -> None:
    from medresponse.reports.sections.validation import GATE_NAMES, RESULTS
    from medresponse.validation.gates import GATES, REASONS

    assert set(GATE_NAMES) == set(GATES) and set(RESULTS) == set(REASONS)
