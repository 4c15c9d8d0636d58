"""ACTG 320: AIDS-free survival with and without indinavir, per patient, on a bundled trial."""

from __future__ import annotations

import numpy as np
import polars as pl

from experiments.figures import calibration_figure, survival_figure
from experiments.reporting import write_reports
from experiments.study import BATCHES_A_CHAIN, Study
from experiments.survival import HeldOut, compare_survival
from medresponse.cohort import Cohort, Schema, cohort_from_frame, random_folds
from medresponse.core.codec import from_plain
from medresponse.inference import Fit
from medresponse.response import Responses, mean_survival, respond
from medresponse.validation import Estimate, calibration_at, score_grid

DAYS = np.array([1.0, *range(14, 337, 14)])


def load(study: Study) -> Cohort:
    """Return the 1,151 patients of scikit-survival's copy of the trial, ids by their place in its file."""
    from sksurv.datasets import load_aids

    features, outcome = load_aids(endpoint="aids", output_type="polars")
    frame = features.with_columns(
        pl.Series("patient", [f"ACTG-{i + 1:04d}" for i in range(len(features))]),
        pl.Series("time", outcome["time"]),
        pl.Series("censor", outcome["censor"]),
    )
    return cohort_from_frame(frame, from_plain(Schema, study.config["source"]["schema"]))


def run(study: Study) -> None:
    """Fit, check against the trial's hazard ratio, validate on held-out folds, report patients."""
    cohort, outcome = load(study), study.config["outcome"]
    _hazard_ratio(study, cohort, outcome)
    fit = study.fit("main", study.spec("main"), cohort, outcome=outcome)
    responses = respond(fit, cohort, horizon=study.config["horizon"], unit="day")
    _average_responses(study, responses)
    _fit_against_kaplan_meier(study, responses, cohort, outcome)
    evidence = _held_out(study, cohort, outcome)
    write_reports(study, responses, cohort, evidence=evidence)


def _hazard_ratio(study: Study, cohort: Cohort, outcome: str) -> None:
    """Record the unadjusted hazard ratio, to hold against the trial's 0.50 (0.33 to 0.77)."""
    fit = study.fit("hazard_ratio", study.spec("hazard_ratio"), cohort, outcome=outcome)
    log_ratio = fit.draws("coefficients")[:, fit.layout.slices["treatment"]][:, 0]
    for name, function in {
        "hazard_ratio": np.median,
        "hazard_ratio_lower": lambda v: np.quantile(v, 0.025),
        "hazard_ratio_upper": lambda v: np.quantile(v, 0.975),
    }.items():
        study.record(name, statistic(log_ratio, lambda v, f=function: float(np.exp(f(v))), fit))


def statistic(draws: np.ndarray, function: object, fit: Fit, *, unit: str = "1") -> Estimate:
    """Return a statistic of draws with its Monte Carlo standard error by batches within chains."""
    batches = BATCHES_A_CHAIN * fit.posterior.sizes["chain"]
    each = [function(part) for part in np.array_split(draws, batches)]  # type: ignore[operator]
    return Estimate(float(function(draws)), float(np.std(each, ddof=1) / np.sqrt(batches)), unit)  # type: ignore[operator]


def _average_responses(study: Study, responses: Responses) -> None:
    """Record the responses averaged over the trial's patients, and their difference, with 95% intervals."""
    horizon = study.config["horizon"]
    for kind, name, unit in (
        ("survival", f"survival_{horizon}", "probability"),
        ("rmst", f"rmst_{horizon}", "day"),
    ):
        mean = responses.at(horizon=horizon, kind=kind).mean_over_patients()
        fit = responses.fit
        for k, treatment in enumerate(("control", "indinavir")):
            study.record(f"{name}.{treatment}", statistic(mean[k], np.mean, fit, unit=unit))
        difference = mean[1] - mean[0]
        study.record(f"{name}.benefit", statistic(difference, np.mean, fit, unit=unit))
        study.record(
            f"{name}.benefit_lower", statistic(difference, lambda v: np.quantile(v, 0.025), fit, unit=unit)
        )
        study.record(
            f"{name}.benefit_upper", statistic(difference, lambda v: np.quantile(v, 0.975), fit, unit=unit)
        )


def _fit_against_kaplan_meier(study: Study, responses: Responses, cohort: Cohort, outcome: str) -> None:
    received = np.eye(len(cohort.treatments))[cohort.treatment_idx]
    curves = mean_survival(responses, times=DAYS.tolist(), weights=received)
    figure = survival_figure(curves, cohort, outcome, xlabel="days since randomisation", ylim=(0.8, 1.0))
    study.figure(
        "survival_by_arm", figure, caption="Model (line, 95% band) and Kaplan-Meier (steps) by arm.",
        alt="Event-free probability over time by arm: model curves with bands over Kaplan-Meier steps.",
    )  # fmt: skip


def _held_out(study: Study, cohort: Cohort, outcome: str) -> pl.DataFrame:
    """Validate by cross-validation beside the baselines; return calibration at the horizon."""
    horizon = float(study.config["horizon"])
    folds = random_folds(cohort, folds=study.config["folds"], seed=study.seed)
    trains = [cohort.where(folds != f) for f in range(study.config["folds"])]
    fits = study.fit_folds("cross-validation", study.spec("main"), trains, outcome=outcome)
    splits = [
        HeldOut(fit, train, cohort.where(folds == f), np.flatnonzero(folds == f))
        for f, (fit, train) in enumerate(zip(fits, trains, strict=True))
    ]
    observed = cohort.outcome(outcome)
    curves = compare_survival(
        study, "", cohort, splits, outcome=outcome, grid=score_grid(observed), horizon=horizon
    )
    table = calibration_at(observed, curves[:, -1], horizon=horizon)
    study.figure(
        "calibration", calibration_figure(table, label=f"alive without AIDS at {horizon:g} days"),
        caption="Held-out calibration: predicted and observed (Kaplan-Meier, 95% interval) in fifths of prediction.",
        alt="Observed against predicted event-free probability in five groups, with the line of equality.",
    )  # fmt: skip
    return table
