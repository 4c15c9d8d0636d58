from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import medresponse as mr
from medresponse import cli, cross_validation
from medresponse.cohort import Cohort
from medresponse.core.audit import replay
from medresponse.core.errors import DataError, FitError
from medresponse.core.results import verify_results
from medresponse.inference import Fit, Nuts
from medresponse.model import ModelSpec
from tests.validation.closed_form import fitted, trial


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return trial(600)


@pytest.fixture
def refits(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Refits in closed form in place of sampled ones; what was asked of them."""
    asked: list[dict[str, Any]] = []

    def fit_many(spec: ModelSpec, cohorts: Sequence[Cohort], **options: Any) -> tuple[Fit, ...]:
        asked.append({"spec": spec, "cohorts": cohorts} | options)
        return tuple(fitted(part) for part in cohorts)

    monkeypatch.setattr(cross_validation, "fit_many", fit_many)
    return asked


def test_validate_refits_without_each_fold_and_makes_a_record_that_reports_accept(
    cohort: Cohort, refits: list[dict[str, Any]], tmp_path: Path
) -> None:
    fit = fitted(cohort)
    record = mr.validate(fit, cohort, worthwhile=0.3, folds=4)
    assert record.passed and record.method == "4-fold cross-validation"
    (asked,) = refits
    assert asked["spec"] == fit.spec and asked["outcome"] == "y" and asked["engine"] == Nuts()
    left_out = [set(cohort.patients) - set(part.patients) for part in asked["cohorts"]]
    assert len(left_out) == 4 and set().union(*left_out) == set(cohort.patients)
    assert sum(map(len, left_out)) == cohort.n
    responses = mr.respond(fit, cohort)
    page = mr.report(responses, cohort, patient=cohort.patients[0], worthwhile=0.3, validation=record)
    assert "NOT VALIDATED" not in " ".join(page.document.stamps)
    record.save(tmp_path / "record.json", who="R. Eviewer")
    page.save(tmp_path / "page.html")
    first, second = replay(tmp_path).entries
    assert (first.action, first.who, first.validation_hash) == ("validate", "R. Eviewer", record.checksum)
    assert second.validation_hash == record.checksum and verify_results(tmp_path).breaks == ()


def test_new_patients_are_predicted_by_the_fit_itself(cohort: Cohort, refits: list[dict[str, Any]]) -> None:
    fit, others = fitted(cohort), trial(800, seed=9)
    record = mr.validate(fit, others, worthwhile=0.3, new_patients=True)
    assert record.passed and refits == [] and record.validated_in == others.fingerprint != record.data_hash
    assert "said not to have learned from" in record.method
    with pytest.raises(DataError, match="not the cohort that the model learned from"):
        mr.validate(fit, others, worthwhile=0.3)
    with pytest.raises(DataError, match="these very patients"):
        mr.validate(fit, cohort, worthwhile=0.3, new_patients=True)


def test_interrupted_refits_record_nothing(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_validation, "fit_many", lambda spec, cohorts, **options: (fitted(cohorts[0]),))
    with pytest.raises(FitError, match="interrupted"):
        mr.validate(fitted(cohort), cohort, worthwhile=0.3)


@pytest.mark.parametrize(("limits", "code"), [("gap: 0.05", 0), ("gap_resolution: 0.001", 1)])
def test_the_command_writes_the_record_and_says_by_its_exit_code_whether_it_passed(
    cohort: Cohort, refits: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], limits: str, code: int,
) -> None:  # fmt: skip
    monkeypatch.setattr("medresponse.inference.store.load_fit", lambda folder: fitted(cohort))
    monkeypatch.setattr("medresponse.readers.read", lambda *args, **options: cohort)
    (tmp_path / "limits.yaml").write_text(limits)
    out = tmp_path / "out" / "record.json"
    command = ["--quiet", "validate", "a.fit", "a.csv", "--worthwhile", "0.3", "--out", str(out)]
    assert cli.main([*command, "--limits", str(tmp_path / "limits.yaml")]) == code
    assert json.loads(out.read_text())["passed"] is (code == 0)
    assert ("FAILED" in capsys.readouterr().out) is (code == 1)
    assert replay(out.parent).entries[0].action == "validate"
    assert cli.main(command) == 2  # it is there already


def test_limits_are_checked_when_they_are_read(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medresponse.inference.store.load_fit", lambda folder: fitted(cohort))
    (tmp_path / "limits.yaml").write_text("gapp: 0.05")
    command = ["validate", "a.fit", "a.csv", "--worthwhile", "0.3", "--out", str(tmp_path / "r.json")]
    assert cli.main([*command, "--limits", str(tmp_path / "limits.yaml")]) == 2
