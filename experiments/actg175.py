"""ACTG 175: four treatments of HIV infection, and whether earlier therapy changes what each of them does.

Hammer et al. (1996, N Engl J Med 335:1081) had 2,467 patients, 2,139 of whom are in the file, and found progression
slower with either combination and with didanosine than with zidovudine alone. Hazard ratios measured on the file by Cox
models: 0.49, 0.53 and 0.59 each against zidovudine alone, 0.492, 0.525 and 0.586 in one model of all arms; naive to
therapy 0.54, 0.36 and 0.63, experienced 0.46, 0.59 and 0.57. CD4 count at 20 weeks, any other treatment minus
zidovudine: +46.8 raw, +49.7 (SE 5.7) adjusted.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from experiments.actg175_cd4 import cd4_counts
from experiments.actg175_data import build_frame
from experiments.actg175_history import heterogeneity
from experiments.classical import cox_log_hazards
from experiments.figures import calibration_figure, survival_figure
from experiments.pairs import average_effects, interval_text, pairs, record_differences, record_ratios
from experiments.reporting import calibration_evidence, validated, write_reports
from experiments.sources import read_source
from experiments.statistics import interval_metrics
from experiments.study import Study
from medresponse.cohort import Cohort, random_folds
from medresponse.reports import Evidence
from medresponse.response import Responses, mean_survival, own_curves, pairwise, respond
from medresponse.validation import ValidationRecord, calibration_at

OUTCOME = "progression"
DAYS = np.array([1.0, *range(30, 1201, 30)])


def run(study: Study) -> None:
    """Recover the hazard ratios, fit the per-patient model, look at history and CD4 counts, report patients."""
    cohort = read_source(study.config["source"], study.data_folder(), build_frame)
    _hazard_ratios(study, cohort)
    fit = study.fit("main", study.spec("main"), cohort, outcome=OUTCOME)
    responses = respond(fit, cohort, horizon=float(study.config["horizon"]), unit="year")
    _average_responses(study, responses, cohort)
    heterogeneity(study, responses, cohort)
    cd4_counts(study, cohort)
    evidence, record = _calibration(study, responses, cohort)
    write_reports(
        study, responses, cohort, evidence=evidence, validation=record,
        title="ACTG 175: zidovudine, didanosine, or zidovudine with didanosine or zalcitabine",
        intro="Patients of a randomised trial of the early 1990s, spread evenly over its file. Each report compares four "
        "options at 2.5 years: without AIDS, death, or a CD4 count fallen by half.",
    )  # fmt: skip


def _hazard_ratios(study: Study, cohort: Cohort) -> None:
    """Record the unadjusted hazard ratio of every pair of treatments beside that of a Cox model of all arms."""
    engine = study.engine_with(draws=4 * study.engine.draws)
    fit = study.fit("hazard_ratio", study.spec("hazard_ratio"), cohort, outcome=OUTCOME, engine=engine)
    record_ratios(study, "hazard_ratio", average_effects(fit), cohort.treatments)
    cox, arm, outcome = (
        cox_log_hazards(cohort.treatment_idx, cohort.outcome(OUTCOME)),
        cohort.treatment_idx,
        {},
    )
    rows = []
    for k, j, name in pairs(cohort.treatments):
        study.record(f"cox.hazard_ratio.{name}", float(np.exp(cox[k] - cox[j])))
        both = np.isin(arm, (j, k))
        outcome = {key: values[both] for key, values in cohort.outcome(OUTCOME).items()}
        alone = float(np.exp(cox_log_hazards((arm[both] == k).astype(int), outcome)[1]))
        study.record(f"cox_pairwise.hazard_ratio.{name}", alone)
        rows.append(
            (
                _words(cohort, k, j), interval_text(study, f"hazard_ratio.{name}", 3), f"{np.exp(cox[k] - cox[j]):.3f}",
                f"{alone:.3f}",
            )
        )  # fmt: skip
    schema = ["hazard ratio", "posterior median (95% interval)", "Cox, all arms", "Cox, these two"]
    study.table(
        pl.DataFrame(rows, schema=schema, orient="row"),
        caption="Progression, unadjusted, near-flat prior: every pair of treatments",
    )


def _average_responses(study: Study, responses: Responses, cohort: Cohort) -> None:
    """Record event-free probabilities averaged over all patients, their differences, and draw the curves by arm."""
    clusters, mean = responses.fit.provenance.imputations, responses.mean_over_patients()
    for treatment, draws in zip(cohort.treatments, mean, strict=True):
        interval_metrics(study, f"free.{treatment}", draws, clusters=clusters, unit="probability")
    record_differences(
        study, "free_difference", mean, cohort.treatments, clusters=clusters, unit="probability"
    )
    average, rows = pairwise(responses, worthwhile=float(study.config["worthwhile"])), []
    for row in average.iter_rows(named=True):
        k, j = (cohort.treatments.index(row[side]) for side in ("treatment", "against"))
        benefit = f"{100 * row['benefit']:.1f} ({100 * row['lower']:.1f} to {100 * row['upper']:.1f})"
        rows.append((_words(cohort, k, j), benefit, f"{row['p_benefit']:.2f}", f"{row['p_worthwhile']:.2f}"))
    study.table(
        pl.DataFrame(
            rows, schema=["comparison", "more of 100 free", "P(benefit)", "P(worthwhile)"], orient="row"
        ),
        caption=f"Without progression at {study.config['horizon']:g} years, per-patient model averaged over all patients; "
        f"worthwhile is {100 * study.config['worthwhile']:g} of 100",
    )
    received = np.eye(len(cohort.treatments))[cohort.treatment_idx]
    curves = mean_survival(responses, times=DAYS.tolist(), weights=received)
    study.figure(
        "survival_by_arm",
        survival_figure(curves, cohort, OUTCOME, xlabel="days since randomisation", ylim=(0.5, 1.0)),
        caption="Without progression: per-patient model (line, 95% band) and Kaplan-Meier (steps) by arm.",
        alt="Event-free probability over time in four arms: model curves with bands over Kaplan-Meier steps.",
    )  # fmt: skip


def _calibration(
    study: Study, responses: Responses, cohort: Cohort
) -> tuple[list[Evidence], ValidationRecord]:
    """Compare held-out predictions at the horizon with Kaplan-Meier in fifths of prediction, and make the record."""
    years = float(study.config["horizon"])
    days, folds = 365.25 * years, random_folds(cohort, folds=study.config["folds"], seed=study.seed)
    masks = [folds == f for f in range(study.config["folds"])]
    predicted = np.empty(cohort.n)
    fits = study.fit_folds(
        "cross-validation", study.spec("main"), [cohort.where(~mask) for mask in masks], outcome=OUTCOME
    )
    for mask, fit in zip(masks, fits, strict=True):
        test = cohort.where(mask)
        predicted[mask] = own_curves(
            respond(fit, test, horizon=years, unit="year"),
            times=[days],
            treatment_idx=test.treatment_idx,
            summarise=lambda v: v[:, 0].mean(axis=-1),
        )
    table = calibration_at(cohort.outcome(OUTCOME), predicted, horizon=days)
    study.figure(
        "calibration", calibration_figure(table, label=f"without progression at {years:g} years"),
        caption="Held-out calibration: predicted and observed (Kaplan-Meier, 95% interval) in fifths of prediction.",
        alt="Observed against predicted event-free probability in five groups, with the line of equality.",
    )  # fmt: skip
    detail = f"fifths of prediction, five-fold cross-validation in all {cohort.n:,} patients"
    evidence = [calibration_evidence(table, name=f"Without progression at {years:g} years", detail=detail)]
    return evidence, validated(study, responses, fits, cohort, masks, method="five-fold cross-validation")


def _words(cohort: Cohort, k: int, j: int) -> str:
    treatment = cohort.schema.treatment
    assert treatment is not None
    return f"{treatment.label(cohort.treatments[k])} / {treatment.label(cohort.treatments[j])}"
