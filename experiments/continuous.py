"""Held-out check of a per-patient model of a continuous outcome."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from experiments.reporting import calibration_evidence
from experiments.study import BATCHES, Study
from medresponse.cohort import Cohort, random_folds
from medresponse.inference import Fit
from medresponse.model import ModelSpec
from medresponse.reports import Evidence
from medresponse.response import respond
from medresponse.validation import Estimate, batch_error, coverage


def held_out(
    study: Study, prefix: str, spec: ModelSpec, cohort: Cohort, *, outcome: str
) -> tuple[list[Evidence], tuple[Fit, ...], list[np.ndarray]]:
    """Predict every patient, under the treatment received, by a fit to the other folds.

    Returned are what reports print, the fits, and which patients each of them predicted.

    Recorded are the root mean square error of the predicted mean, that of the training folds' arm means, and the
    coverage of the 90% predictive interval.
    """
    folds = random_folds(cohort, folds=study.config["folds"], seed=study.seed)
    masks = [folds == f for f in range(study.config["folds"])]
    fits = study.fit_folds(prefix, spec, [cohort.where(~mask) for mask in masks], outcome=outcome)
    observed, unit = cohort.outcome(outcome)["value"], cohort.outcome_schema(outcome).unit
    # Last axis: from all draws, then from each batch of them.
    mean, lower, upper = (np.empty((cohort.n, 1 + BATCHES)) for _ in range(3))
    by_arm = np.empty(cohort.n)
    for mask, fit in zip(masks, fits, strict=True):
        test, responses = cohort.where(mask), respond(fit, cohort.where(mask))
        means = _received(responses.chunks(), test.treatment_idx)
        outcomes = _received(responses.predictive_chunks(), test.treatment_idx)
        split = np.array_split(np.arange(means.shape[1]), BATCHES)
        for b, draws in enumerate([np.arange(means.shape[1]), *split]):
            mean[mask, b] = means[:, draws].mean(axis=1)
            lower[mask, b], upper[mask, b] = np.quantile(outcomes[:, draws], [0.05, 0.95], axis=1)
        for k in range(len(cohort.treatments)):
            by_arm[mask & (cohort.treatment_idx == k)] = observed[~mask & (cohort.treatment_idx == k)].mean()
    clusters = max(fit.provenance.imputations for fit in fits)

    def record(name: str, each: list[float], unit: str) -> None:
        study.record(f"{prefix}.{name}", Estimate(each[0], batch_error(each[1:], clusters=clusters), unit))

    record("rmse", [_rmse(observed, mean[:, b]) for b in range(1 + BATCHES)], unit)
    record(
        "coverage_90", [100 * coverage(observed, lower[:, b], upper[:, b]) for b in range(1 + BATCHES)], "%"
    )
    study.record(f"{prefix}.arm_means.rmse", _rmse(observed, by_arm), unit=unit)
    inside = study.metrics[f"{prefix}.coverage_90"].value
    return _evidence(observed, mean[:, 0], inside, cohort, outcome), fits, masks


def _received(chunks: Iterator[tuple[slice, np.ndarray]], treatment_idx: np.ndarray) -> np.ndarray:
    """Return values under the treatment received, shape (patient, draw)."""
    return np.concatenate([values[np.arange(len(values)), treatment_idx[rows]] for rows, values in chunks])


def _rmse(observed: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.sqrt(((observed - predicted) ** 2).mean()))


def _evidence(
    observed: np.ndarray, predicted: np.ndarray, inside: float, cohort: Cohort, outcome: str
) -> list[Evidence]:
    """Return predicted and observed means in fifths of prediction, and the intervals' coverage."""
    schema, order = cohort.outcome_schema(outcome), np.argsort(predicted, kind="stable")
    rows = [
        (len(part), float(predicted[part].mean()), float(observed[part].mean()))
        for part in np.array_split(order, 5)
    ]
    table = pl.DataFrame(rows, schema=["n", "predicted", "observed"], orient="row")
    detail = f"fifths of prediction, cross-validation in {cohort.n} patients"
    name = f"{schema.label[0].upper()}{schema.label[1:]}"  # type: ignore[union-attr]
    return [
        calibration_evidence(table, name=name, detail=detail, per=1, unit=schema.unit),
        Evidence(
            name="90% range for one person",
            value=f"held {inside:.0f}% of held-out values",
            detail="the same patients",
        ),
    ]
