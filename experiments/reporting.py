"""Patient reports and the index page of a study."""

from __future__ import annotations

from experiments.study import Study


def write_reports(study: Study, responses, cohort, *, evidence) -> None:
    return None
