"""What a study writes for readers: pages, documents on the model and the index that leads to them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from experiments.reporting import write_reports
from medresponse.cohort import cohort_from_frame
from medresponse.core.results import verify_results
from medresponse.response import respond
from tests.reports import trials


def test_a_study_writes_pages_documents_and_an_index_that_leads_to_all(tmp_path: Path) -> None:
    cohort = cohort_from_frame(trials.trial_frame(), trials.trial_schema())
    responses = respond(trials.fake_survival_fit(cohort), cohort, horizon=300)
    config = {
        "size": {"reports": 2}, "worthwhile": 0.05, "override": "a test", "allow_unconverged": False, "abstention": {},
        "facts": {"name": "A model", "expires": "2998-01-31", "answers": {"17": "Approved."}},
    }  # fmt: skip
    study = SimpleNamespace(config=config, folder=tmp_path / "run", figures=[], tables=[])
    write_reports(study, responses, cohort, title="t", intro="i", evidence=[], validation=None)  # type: ignore[arg-type]
    text = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    assert 'href="validation_report.html"' in text
    assert "NOT VALIDATED" in text and "valid until" not in text  # no validation was given
    assert text.count('href="patients/') == 2
    assert "Approved." in (tmp_path / "run" / "validation_report.html").read_text(encoding="utf-8")
    assert not verify_results(tmp_path / "run").breaks
