"""Weekly warfarin dose: five-fold and leave-site-out validation against the published dosing formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl

from experiments.figures import bars
from experiments.iwpc import build_frame, nejm_2009_dose
from experiments.reporting import calibration_evidence, thin, validated, write_reports
from experiments.sources import cohort_of, schema_of, source_folder
from experiments.study import BATCHES, Study
from medresponse.cohort import Cohort, grouped_folds, random_folds
from medresponse.core.small_cells import Totals
from medresponse.core.small_groups import hide_small_groups
from medresponse.inference import Fit
from medresponse.reports import Evidence
from medresponse.response import respond
from medresponse.validation import (
    Estimate,
    batch_error,
    coverage,
    mean_absolute_error,
    within_share,
    within_share_point,
)

LARGE_SITE = 100
POINTS = ("median", "within", "lower", "upper")  # of `Predicted`


@dataclass(frozen=True)
class Predicted:
    """Predictions of patients that their fit never saw; the last axis of points is (all draws, batch 1, ...).

    `fits` are the fits, thinned.
    """

    median: np.ndarray
    within: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    imputations: int
    fits: tuple[Fit, ...] = ()


def load(study: Study) -> tuple[Cohort, np.ndarray]:
    """Return the evaluable patients and the published formula's dose for each, in cohort order."""
    source = study.config["source"]
    frame = build_frame(source_folder(source, study.data_folder()))
    cohort = cohort_of(frame, schema_of(source))
    evaluable = frame.filter(pl.col("patient").is_in(list(cohort.patients))).sort("patient")
    return cohort, nejm_2009_dose(evaluable)


def run(study: Study) -> None:
    """Fit all patients, validate on held-out patients and sites, compare with the formula, report patients."""
    cohort, formula = load(study)
    study.record("patients", cohort.n)
    observed = cohort.outcome("dose")["value"]
    folds = random_folds(cohort, folds=study.config["folds"], seed=study.seed)
    masks = [folds == f for f in range(study.config["folds"])]
    predicted = _predict(study, "five-fold", cohort, masks)
    _scores(study, "", observed, predicted)
    _formula_scores(study, observed, formula)
    _by_group(study, "", cohort, observed, predicted, "race")
    site_masks = [mask for _, mask in grouped_folds(cohort, by="site")]
    left_out = _predict(study, "leave-site-out", cohort, site_masks)
    _scores(study, "leave_site_out.", observed, left_out)
    _by_group(study, "leave_site_out.", cohort, observed, left_out, "race")
    sites = _by_group(study, "leave_site_out.", cohort, observed, left_out, "site")
    _count_sites(study, sites)
    fit = study.fit("main", study.spec("main"), cohort, outcome="dose")
    responses = respond(fit, cohort)
    record = validated(study, responses, predicted.fits, cohort, masks, method="five-fold cross-validation")
    write_reports(
        study, responses, cohort, evidence=_evidence(predicted, observed), validation=record,
        title="Warfarin: stable weekly dose from genotype, history and lifestyle",
        intro="Patients of 20 sites, spread evenly over the file. Scores are of patients, and then of whole sites, "
        "that the model never saw, beside the dosing formula published from these data.",
    )  # fmt: skip


def _predict(study: Study, name: str, cohort: Cohort, masks: Sequence[np.ndarray]) -> Predicted:
    """Fit without each part and predict it, one part at a time so that memory does not grow with their number."""
    points, failed, result = 1 + BATCHES, 0, None
    fits = []
    for i, mask in enumerate(masks):
        (fit,) = study.fit_folds(f"{name} {i + 1}", study.spec("main"), [cohort.where(~mask)], outcome="dose")
        failed += len(fit.diagnostics.failures)
        fits.append(thin(fit))
        if result is None:
            median, within, lower, upper = np.empty((len(POINTS), cohort.n, points))
            result = Predicted(median, within, lower, upper, fit.provenance.imputations)
        values = _points(fit, cohort.where(mask), points)
        for field, own in zip(POINTS, values, strict=True):
            getattr(result, field)[mask] = own
    assert result is not None
    study.record(f"{name.replace('-', '_')}.failed_diagnostics", failed)
    return replace(result, fits=tuple(fits))


def _points(fit: Fit, test: Cohort, points: int) -> list[np.ndarray]:
    """Return predictive median, best point for within 20%, and 5% and 95% quantiles, (patient, points) each."""
    parts: list[list[np.ndarray]] = [[], [], [], []]
    for _, outcomes in respond(fit, test).predictive_chunks():
        draws = outcomes[:, 0]
        batches = [draws, *np.array_split(draws, points - 1, axis=1)]
        quantiles = [np.quantile(batch, [0.5, 0.05, 0.95], axis=1) for batch in batches]
        for part, q in zip((0, 2, 3), range(3), strict=True):
            parts[part].append(np.stack([each[q] for each in quantiles], axis=1))
        parts[1].append(np.stack([within_share_point(batch) for batch in batches], axis=1))
    return [np.concatenate(part) for part in parts]


def _scores(study: Study, prefix: str, observed: np.ndarray, predicted: Predicted) -> None:
    study.record(
        f"{prefix}mae",
        _estimate(lambda j: mean_absolute_error(observed, predicted.median[:, j]), predicted, "mg/week"),
    )
    study.record(
        f"{prefix}within_20_percent",
        _estimate(lambda j: 100 * within_share(observed, predicted.within[:, j]), predicted, "%"),
    )
    study.record(
        f"{prefix}within_20_percent_of_median",
        _estimate(lambda j: 100 * within_share(observed, predicted.median[:, j]), predicted, "%"),
    )
    study.record(
        f"{prefix}coverage_90",
        _estimate(
            lambda j: 100 * coverage(observed, predicted.lower[:, j], predicted.upper[:, j]), predicted, "%"
        ),
    )


def _estimate(score: Callable[[int], float], predicted: Predicted, unit: str) -> Estimate:
    """Return a score from all draws; its Monte Carlo error from the batches."""
    each = [score(j) for j in range(1, predicted.median.shape[1])]
    return Estimate(score(0), batch_error(each, clusters=predicted.imputations), unit)


def _percent_covered(observed: np.ndarray, predicted: Predicted, j: int) -> float:
    return 100 * coverage(observed, predicted.lower[:, j], predicted.upper[:, j])


def _formula_scores(study: Study, observed: np.ndarray, formula: np.ndarray) -> None:
    study.record("nejm_2009.mae", mean_absolute_error(observed, formula), unit="mg/week")
    study.record("nejm_2009.within_20_percent", 100 * within_share(observed, formula), unit="%")
    rows = [
        (
            label,
            f"{study.metrics[f'{prefix}mae'].value:.2f}",
            f"{study.metrics[f'{prefix}within_20_percent'].value:.1f}",
        )
        for label, prefix in (("medresponse, five-fold", ""), ("published formula (NEJM 2009)", "nejm_2009."))
    ]
    table = pl.DataFrame(
        rows, schema=["prediction", "mean absolute error, mg/week", "within 20%, %"], orient="row"
    )
    study.table(
        table,
        caption="Held-out predictions beside the published formula on the same patients; each score at the point that suits it (median for the error, the most probable 20% window for the share)",
    )


def _by_group(
    study: Study, prefix: str, cohort: Cohort, observed: np.ndarray, predicted: Predicted, column: str
) -> pl.DataFrame:
    """Record 90% coverage in each group, and show it."""
    labels = cohort.table[column].cast(pl.String).to_numpy()
    rows = []
    for label in sorted(set(labels)):
        members = labels == label
        if column == "site" and members.sum() <= LARGE_SITE:
            continue
        part = replace(predicted, **{name: getattr(predicted, name)[members] for name in POINTS})
        estimate = _estimate(partial(_percent_covered, observed[members], part), part, "%")
        study.record(f"{prefix}coverage_90.{column}.{label}", estimate)
        error = 100 * np.sqrt(0.9 * 0.1 / members.sum())
        rows.append((label, int(members.sum()), estimate.value, 90 - 1.96 * error, 90 + 1.96 * error))
    table = pl.DataFrame(rows, schema=[column, "patients", "coverage", "low", "high"], orient="row")
    title = "Leave-site-out" if prefix else "Five-fold"
    totals: Totals = "unknown" if column == "site" else "known"  # of sites, only the large ones are listed
    visible = hide_small_groups(table, n="patients", derived=["coverage", "low", "high"], totals=totals)
    visible = visible.with_columns(pl.col("coverage", "low", "high").round(1)).rename(
        {"low": "95% of exact ones above", "high": "and below"}
    )
    study.table(visible, caption=f"{title} coverage of the 90% predictive interval by {column}, %")
    return table


def _count_sites(study: Study, sites: pl.DataFrame) -> None:
    inside = int(sites["coverage"].is_between(85, 95).sum())
    study.record("leave_site_out.large_sites", sites.height)
    near = sites.filter(
        (pl.col("coverage") - 85).abs().clip(upper_bound=1)
        + (pl.col("coverage") - 95).abs().clip(upper_bound=1)
        < 2
    )
    # A site at the very edge of the band may fall on either side of it by Monte Carlo error alone.
    study.record(
        "leave_site_out.large_sites_within_85_95",
        Estimate(float(inside), 0.5 * float(np.sqrt(near.height)), "1"),
    )
    rows = [
        (f"{site} (n = {n})", value, value, value)
        for site, n, value, _, _ in sites.sort("coverage").iter_rows()
    ]
    study.figure(
        "leave_site_out_coverage", bars(rows, xlabel="coverage of the 90% predictive interval, %", reference=90.0),
        caption="Coverage in each large site by a fit that never saw the site.",
        alt="Coverage of 90% intervals by left-out site, with a line at 90 percent.",
    )  # fmt: skip


def _evidence(predicted: Predicted, observed: np.ndarray) -> list[Evidence]:
    """Return predicted and observed dose in fifths of the held-out prediction, and the intervals' coverage."""
    order = np.argsort(predicted.median[:, 0], kind="stable")
    rows = [
        (g + 1, len(part), float(predicted.median[part, 0].mean()), float(observed[part].mean()))
        for g, part in enumerate(np.array_split(order, 5))
    ]
    table = pl.DataFrame(rows, schema=["group", "n", "predicted", "observed"], orient="row")
    detail = f"fifths of prediction, five-fold cross-validation in {len(observed)} patients"
    inside = 100 * coverage(observed, predicted.lower[:, 0], predicted.upper[:, 0])
    return [
        calibration_evidence(table, name="Weekly dose", detail=detail, per=1, unit="mg/week"),
        Evidence(
            name="90% range for one person",
            value=f"held {inside:.0f}% of held-out doses",
            detail="the same patients",
        ),
    ]
