"""Scoring survival predictions beside the baselines, on patients that no model saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from experiments.study import BATCHES, Study
from medresponse.cohort import Cohort
from medresponse.core.rng import derive_seed
from medresponse.features import Encoding
from medresponse.inference import Fit
from medresponse.response import own_curves, respond
from medresponse.validation import (
    BASELINES,
    Estimate,
    batch_means,
    batched,
    calibration_at,
    fit_baseline,
    integrated_brier,
    uno_concordance,
)

LABELS = {
    "": "medresponse",
    "cox.": "Cox",
    "cox_interactions.": "Cox with treatment interactions",
    "random_survival_forest.": "random survival forest",
    "gradient_boosting.": "gradient boosting",
    "kaplan_meier.": "Kaplan-Meier by arm",
}


@dataclass(frozen=True)
class HeldOut:
    """One split: the fit on the training patients, both cohorts, and where the test patients go."""

    fit: Fit
    train: Cohort
    test: Cohort
    rows: np.ndarray


def compare_survival(
    study: Study,
    prefix: str,
    cohort: Cohort,
    splits: Sequence[HeldOut],
    *,
    outcome: str,
    grid: np.ndarray,
    horizon: float,
) -> np.ndarray:
    """Score our predictions and the baselines', record the metrics and a table; return our curves.

    Parameters
    ----------
    study : Study
    prefix : str
        Put before each metric's name, for example ``"os."``.
    cohort : Cohort
        The patients scored; each is in the test part of exactly one split.
    splits : sequence of HeldOut
    outcome : str
    grid : numpy.ndarray
        Times of the integrated Brier score, in the outcome's unit.
    horizon : float
        Time at which calibration is looked at.

    Returns
    -------
    numpy.ndarray
        Our posterior mean curves under the treatment received, shape (patient, time), on grid and horizon.
    """
    observed = cohort.outcome(outcome)
    times = np.append(grid, horizon)
    ours = np.empty((cohort.n, len(times), BATCHES))
    for split in splits:
        responses = respond(split.fit, split.test, horizon=horizon)
        ours[split.rows] = own_curves(
            responses, times=times.tolist(), treatment_idx=split.test.treatment_idx,
            summarise=lambda v: batch_means(v, batches=BATCHES),
        )  # fmt: skip
    scores = _scores(observed, grid, horizon)
    rows = [
        (
            "",
            {
                name: batched(score, ours, clusters=splits[0].fit.provenance.imputations)
                for name, score in scores.items()
            },
        )
    ]
    for name in (*BASELINES, "kaplan_meier"):
        curves = _baseline_curves(name, cohort.n, splits, outcome, times, study)
        rows.append((f"{name}.", {key: _over_seeds(score, curves) for key, score in scores.items()}))
    for label, estimates in rows:
        for key, estimate in estimates.items():
            study.record(f"{prefix}{label}{key}", estimate)
    study.table(
        _score_table(rows),
        caption=f"{prefix.strip('.').upper() or 'Held-out'} scores on patients no model saw: integrated Brier score and calibration gap (lower is better), Uno's C (higher is better)",
    )
    return ours.mean(axis=-1)


def _scores(
    observed: dict[str, np.ndarray], grid: np.ndarray, horizon: float
) -> dict[str, Callable[[np.ndarray], float]]:
    return {
        "ibs": lambda curves: integrated_brier(observed, curves[:, :-1], grid),
        "c_index": lambda curves: uno_concordance(
            observed, -curves[:, :-1].mean(axis=1), until=float(grid[-1])
        ),
        "calibration_gap": lambda curves: calibration_gap(
            calibration_at(observed, curves[:, -1], horizon=horizon)
        ),
    }


def calibration_gap(table: pl.DataFrame) -> float:
    """Return the mean absolute difference of predicted and observed over groups, weighted by their size."""
    gap = (table["predicted"] - table["observed"]).abs()
    return float(np.average(gap.to_numpy(), weights=table["n"].to_numpy()))


def baseline_columns(encoding: Encoding, cohort: Cohort) -> np.ndarray:
    """Return feature columns for models that cannot take missing values: the mean, and an indicator of missing."""
    codes = encoding.codes(cohort)
    columns = np.nan_to_num(encoding.columns(codes), nan=0.0)
    for i, feature in enumerate(encoding.features):
        owned = [j for j, names in enumerate(encoding.column_features) if feature.name in names]
        columns[np.ix_(np.isnan(codes[:, i]), owned)] = 0.0
    return np.hstack([columns, np.isnan(codes).astype(float)])


def _baseline_curves(
    name: str, n: int, splits: Sequence[HeldOut], outcome: str, times: np.ndarray, study: Study
) -> np.ndarray:
    """Return a baseline's curves, shape (patient, time, seed); one seed where none is used."""
    repeats = int(study.config["baseline_seeds"]) if name in BASELINES and BASELINES[name][2] else 1
    curves = np.empty((n, len(times), repeats))
    for split in splits:
        train, test = (
            baseline_columns(split.fit.encoding, split.train),
            baseline_columns(split.fit.encoding, split.test),
        )
        kept = train.std(axis=0) > 0
        kept &= ~_repeats(train)
        for r in range(repeats):
            predict = fit_baseline(
                name, train[:, kept], split.train.treatment_idx, split.train.outcome(outcome),
                seed=derive_seed(study.seed, name, r) % 2**31,
            )  # fmt: skip
            curves[split.rows, :, r] = predict(test[:, kept], split.test.treatment_idx, times)
    return curves


def _repeats(columns: np.ndarray) -> np.ndarray:
    """Mark columns equal to an earlier one (features missing together share one indicator)."""
    _, first = np.unique(columns, axis=1, return_index=True)
    repeated = np.ones(columns.shape[1], dtype=bool)
    repeated[first] = False
    return repeated


def _over_seeds(score: Callable[[np.ndarray], float], curves: np.ndarray) -> Estimate:
    """Return the mean score over seeds (of each model, not of their average) and its standard error."""
    each = np.array([score(curves[..., r]) for r in range(curves.shape[-1])])
    spread = float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else 0.0
    return Estimate(float(each.mean()), spread, "1")


def _score_table(rows: list[tuple[str, dict[str, Estimate]]]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (
                LABELS[label],
                *(
                    f"{e[key].value:.4f} (MC error {e[key].mcse:.4f})"
                    for key in ("ibs", "c_index", "calibration_gap")
                ),
            )
            for label, e in rows
        ],
        schema=["model", "integrated Brier score", "Uno's C", "calibration gap"],
        orient="row",
    )
