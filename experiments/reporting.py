"""Patient reports and the index page of a study, and the validation that they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from experiments.figures import shown_groups
from experiments.study import Study
from medresponse.cohort import Cohort, random_folds
from medresponse.core.codec import from_plain
from medresponse.decisions import AbstentionRules
from medresponse.inference import Fit
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
from medresponse.validation import ValidationRecord, held_out, make_record


def write_reports(
    study: Study,
    responses: Responses,
    cohort: Cohort,
    *,
    title: str,
    intro: str,
    evidence: list[Evidence],
    validation: ValidationRecord | None,
    reference: Cohort | None = None,
) -> None:
    """Write reports of patients spread evenly over the cohort, documents on the model, and the index with the study's results.

    Where no validation holds, pages are written by the configuration's `override`, and stamped.

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
    validation : ValidationRecord or None
        None where nobody was held out.
    reference : Cohort, optional
        The training cohort, if it is another.
    """
    count = min(int(study.config["size"]["reports"]), cohort.n)
    chosen = [cohort.patients[(2 * i + 1) * cohort.n // (2 * count)] for i in range(count)]
    made = batch.write_reports(
        responses, cohort, study.folder, patients=chosen, overwrite=True, worthwhile=study.config["worthwhile"] or None,
        reference=cohort if reference is None else reference, evidence=evidence, validation=validation,
        override=study.config["override"],
        allow_unconverged=study.config["allow_unconverged"], rules=from_plain(AbstentionRules, study.config["abstention"], path="abstention"),
    )  # fmt: skip
    for kind in KINDS:
        document = build_cohort_document(
            kind, responses, cohort, facts=from_plain(ModelFacts, study.config["facts"], path="facts"), evidence=evidence,
            validation=validation, worthwhile=study.config["worthwhile"] or None, reference=cohort if reference is None else reference,
        )  # fmt: skip
        save_cohort_document(document, study.folder, overwrite=True)
    write_index(
        made.entries, study.folder, title=title, intro=intro, overwrite=True,
        figures=[IndexFigure(title=n, caption=c, svg=svg, alt=alt) for n, c, svg, alt in study.figures],
        tables=[IndexTable(caption=caption, frame=frame) for frame, caption in study.tables], documents=links_in(study.folder),
    )  # fmt: skip


def thin(fit: Fit) -> Fit:
    """Return what a validation needs of a fit, so that many can be kept."""
    return replace(fit.thinned(1000), codes=None)


def validated(
    study: Study,
    responses: Responses,
    fits: Sequence[Fit],
    cohort: Cohort,
    masks: Sequence[np.ndarray],
    *,
    method: str,
) -> ValidationRecord:
    """Make, write and show the record of a validation.

    Parameters
    ----------
    study : Study
    responses : Responses
        As they will be reported.
    fits, cohort, masks, method
        As for `held_out`.
    """
    held = held_out(responses, fits, cohort, masks, method=method, seed=study.seed)
    record = make_record(held, worthwhile=study.config["worthwhile"] or None)
    record.save(study.folder / "validation.json", overwrite=True)
    named = pl.concat_str("gate", pl.when(pl.col("of") != "").then(", " + pl.col("of")).otherwise(pl.lit("")))
    frame = record.table().select(
        named.alias("gate"), "measured", "lower", "upper", pl.col("from").alias("tolerated from"), "to",
        pl.when("passed").then(pl.lit("passed")).otherwise("FAILED: " + pl.col("reason")).alias("result"),
    )  # fmt: skip
    verdict = "passed" if record.passed else "FAILED"
    study.table(frame, caption=f"Validation by {method}, {cohort.n:,} patients: {verdict}")
    return record


def cross_validated(study: Study, responses: Responses, cohort: Cohort, *, outcome: str) -> ValidationRecord:
    """Refit without each of five random fifths of the patients, and make the record."""
    fold = random_folds(cohort, folds=5, seed=study.seed)
    masks = [fold == f for f in range(5)]
    trains = [cohort.where(~mask) for mask in masks]
    fits = study.fit_folds("validation", responses.fit.spec, trains, outcome=outcome)
    return validated(study, responses, fits, cohort, masks, method="five-fold cross-validation")


def in_new_patients(study: Study, responses: Responses, cohort: Cohort, *, method: str) -> ValidationRecord:
    """Make the record of predictions for patients that the model never saw."""
    everybody = [np.ones(cohort.n, dtype=bool)]
    return validated(study, responses, [responses.fit], cohort, everybody, method=method)


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
