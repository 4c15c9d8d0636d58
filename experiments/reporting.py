"""Patient reports and the index page of a study."""

from __future__ import annotations

import polars as pl

from experiments.figures import shown_groups
from experiments.study import Study
from medresponse.cohort import Cohort
from medresponse.core.codec import from_plain
from medresponse.reports import (
    Evidence,
    IndexFigure,
    IndexTable,
    ModelFacts,
    batch,
    build_cohort_document,
    save_cohort_document,
    write_index,
)
from medresponse.reports.cohort_documents import KINDS, links_in
from medresponse.response import Responses


def write_reports(
    study: Study,
    responses: Responses,
    cohort: Cohort,
    *,
    title: str,
    intro: str,
    evidence: list[Evidence],
    reference: Cohort | None = None,
) -> None:
    """Write reports of patients spread evenly over the cohort, documents on the model, and the index with the study's results.

    Parameters
    ----------
    study : Study
    responses : Responses
    cohort : Cohort
        The patients of `responses`.
    title, intro : str
        Heading and first paragraph of the index page.
    evidence : list of Evidence
        How the model was validated, printed on each report.
    reference : Cohort, optional
        The training cohort, if it is another.
    """
    count = min(int(study.config["size"]["reports"]), cohort.n)
    chosen = [cohort.patients[(2 * i + 1) * cohort.n // (2 * count)] for i in range(count)]
    made = batch.write_reports(
        responses, cohort, study.folder, patients=chosen, overwrite=True, worthwhile=study.config["worthwhile"] or None,
        reference=cohort if reference is None else reference, evidence=evidence, override=study.config["override"],
        allow_unconverged=study.config["allow_unconverged"],
    )  # fmt: skip
    for kind in KINDS:
        document = build_cohort_document(
            kind, responses, cohort, facts=from_plain(ModelFacts, study.config["facts"], path="facts"), evidence=evidence,
            worthwhile=study.config["worthwhile"] or None, reference=cohort if reference is None else reference,
        )  # fmt: skip
        save_cohort_document(document, study.folder, overwrite=True)
    write_index(
        made.entries, study.folder, title=title, intro=intro, overwrite=True,
        figures=[IndexFigure(title=n, caption=c, svg=svg, alt=alt) for n, c, svg, alt in study.figures],
        tables=[IndexTable(caption=caption, frame=frame) for frame, caption in study.tables], documents=links_in(study.folder),
    )  # fmt: skip


def calibration_evidence(
    table: pl.DataFrame, *, name: str, detail: str, per: float = 100, unit: str = "of 100"
) -> Evidence:
    """Put a calibration table (predicted and observed in groups of rising prediction) into one line.

    What was observed in groups in which fewer than 11 patients had the outcome, or had not, is not shown.
    """
    table = shown_groups(table)
    predicted = ", ".join(f"{per * value:.0f}" for value in table["predicted"])
    observed = ", ".join("not shown" if v is None else f"{per * v:.0f}" for v in table["observed"])
    return Evidence(name=name, value=f"predicted {predicted}; observed {observed} {unit}", detail=detail)
