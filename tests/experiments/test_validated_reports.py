"""Experiments validate what they report, and pages say so where that fails."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.reporting import in_new_patients, validated, write_reports
from experiments.study import Study
from medresponse.cohort import Cohort, random_folds
from medresponse.core.audit import replay
from medresponse.core.errors import UnvalidatedError
from medresponse.core.results import verify_results
from medresponse.response import respond
from medresponse.validation import ValidationRecord
from tests.validation.closed_form import fitted, swapped, trial

CONFIG = {
    "seed": 1, "worthwhile": 0.3, "size": {"reports": 2}, "override": "an example", "allow_unconverged": False, "facts": {}, "abstention": {},
}  # fmt: skip


def study_of(folder: Path, **changes: object) -> Study:
    return Study(CONFIG | changes, folder)


def reported(study: Study, cohort: Cohort, *, broken: bool) -> ValidationRecord:
    """Cross-validate in closed form, report two patients."""
    fold = random_folds(cohort, folds=5, seed=1)
    masks = [fold == f for f in range(5)]
    fits = [fitted(swapped(cohort.where(~mask)) if broken else cohort.where(~mask)) for mask in masks]
    responses = respond(fitted(cohort), cohort)
    record = validated(study, responses, fits, cohort, masks, method="five-fold cross-validation")
    write_reports(study, responses, cohort, title="t", intro="i", evidence=[], validation=record)
    return record


def stamps(folder: Path) -> list[list[str]]:
    return [json.loads(p.read_text())["stamps"] for p in sorted((folder / "patients").glob("*.json"))]


def test_pages_of_a_study_that_passes_its_gates_are_not_stamped(tmp_path: Path) -> None:
    record = reported(study_of(tmp_path), trial(600), broken=False)
    assert record.passed and ValidationRecord.load(tmp_path / "validation.json") == record
    assert all("NOT VALIDATED" not in " ".join(found) for found in stamps(tmp_path))
    assert replay(tmp_path).entries[0].action == "validate"
    assert verify_results(tmp_path).breaks == ()
    assert "Validation by five-fold cross-validation" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_pages_of_a_study_that_fails_them_are_stamped_with_its_reason_or_refused(tmp_path: Path) -> None:
    record = reported(study_of(tmp_path / "a"), trial(600), broken=True)
    assert not record.passed
    assert all("NOT VALIDATED" in " ".join(found) for found in stamps(tmp_path / "a"))
    entries = [e for e in replay(tmp_path / "a").entries if e.action == "report"]
    assert len(entries) == 2 and all(e.overrides == {"validation": "an example"} for e in entries)
    with pytest.raises(UnvalidatedError):
        reported(study_of(tmp_path / "b", override=None), trial(600), broken=True)


def test_new_patients_are_validated_by_the_fit_itself(tmp_path: Path) -> None:
    fit, others = fitted(trial(600)), trial(800, seed=9)
    record = in_new_patients(study_of(tmp_path), respond(fit, others), others, method="another trial")
    assert (
        record.passed
        and record.method == "another trial"
        and np.isin("skill", [g.name for g in record.gates])
    )
