"""Scores of predicted survival curves on patients with right-censored outcomes (scikit-survival's metrics).

Censoring weights come from the scored patients themselves, so that a trial is scored on its own follow-up.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from medresponse.core.errors import DataError

Outcome = Mapping[str, np.ndarray]


def score_grid(outcome: Outcome, *, points: int = 50, low: float = 0.05, high: float = 0.90) -> np.ndarray:
    """Return a time grid between quantiles of the follow-up times, inside the follow-up.

    Brier scores need times strictly inside [first, last) follow-up time.
    """
    first, last = np.quantile(outcome["time"], [low, high])
    grid = np.linspace(first, last, points)
    return grid[(grid > outcome["time"].min()) & (grid < outcome["time"].max())]


def integrated_brier(outcome: Outcome, curves: np.ndarray, grid: np.ndarray) -> float:
    """Return the integrated Brier score (lower is better; Graf et al. 1999, Stat Med 18:2529).

    Parameters
    ----------
    outcome : mapping
        ``time`` and ``event``, shape (patient,).
    curves : numpy.ndarray
        Predicted event-free probability, shape (patient, time), on `grid`.
    grid : numpy.ndarray
    """
    from sksurv.metrics import integrated_brier_score

    _check_grid(outcome, grid)
    observed = _surv(outcome)
    return float(integrated_brier_score(observed, observed, curves, grid))


def uno_concordance(outcome: Outcome, risk: np.ndarray, *, until: float) -> float:
    """Return Uno's C (Uno et al. 2011, Stat Med 30:1105): P(the one with the earlier event had the higher risk)."""
    from sksurv.metrics import concordance_index_ipcw

    observed = _surv(outcome)
    return float(concordance_index_ipcw(observed, observed, risk, tau=until)[0])


def kaplan_meier(
    outcome: Outcome, times: np.ndarray, *, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the Kaplan-Meier estimate and its log-log interval at `times`."""
    from sksurv.nonparametric import kaplan_meier_estimator

    knots, estimate, interval = kaplan_meier_estimator(
        outcome["event"].astype(bool), outcome["time"], conf_level=level, conf_type="log-log"
    )
    at = np.searchsorted(knots, times, side="right") - 1
    pick = lambda values: np.where(at < 0, 1.0, values[np.maximum(at, 0)])  # noqa: E731
    return pick(estimate), pick(interval[0]), pick(interval[1])


def calibration_at(
    outcome: Outcome, predicted: np.ndarray, *, horizon: float, groups: int = 5
) -> pl.DataFrame:
    """Compare predicted with observed event-free probability at a horizon, in groups of rising prediction.

    Parameters
    ----------
    outcome : mapping
    predicted : numpy.ndarray
        Predicted event-free probability at `horizon` under the treatment received, shape (patient,).
    horizon : float
    groups : int

    Returns
    -------
    polars.DataFrame
        ``group, n, events, predicted, observed, lower, upper``; observed is Kaplan-Meier with its 95% interval, `events` those
        up to the horizon. Before it is shown, `core.small_groups.hide_small_groups` takes out what speaks of few patients.
    """
    order = np.argsort(predicted, kind="stable")
    rows = []
    for g, members in enumerate(np.array_split(order, groups)):
        part = {name: values[members] for name, values in outcome.items()}
        observed, lower, upper = (float(v[0]) for v in kaplan_meier(part, np.array([horizon])))
        events = int((part["event"].astype(bool) & (part["time"] <= horizon)).sum())
        rows.append((g + 1, len(members), events, float(predicted[members].mean()), observed, lower, upper))
    names = ["group", "n", "events", "predicted", "observed", "lower", "upper"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _surv(outcome: Outcome) -> np.ndarray:
    from sksurv.util import Surv

    return Surv.from_arrays(outcome["event"].astype(bool), outcome["time"])


def _check_grid(outcome: Outcome, grid: np.ndarray) -> None:
    first, last = outcome["time"].min(), outcome["time"].max()
    if not (grid.min() >= first and grid.max() < last):
        raise DataError(
            f"the score's time grid must lie within the follow-up ({first:g} to {last:g})", code="score_grid"
        )


def restricted_mean(outcome: Outcome, horizon: float) -> tuple[float, float]:
    """Return the Kaplan-Meier restricted mean event-free time up to `horizon` and its standard error.

    Area under the curve; variance by Greenwood's sum over the area still to come (Klein & Moeschberger 2003,
    Survival Analysis, eq. 4.5.2).
    """
    time, event = outcome["time"], outcome["event"].astype(bool)
    knots = np.unique(time[event & (time <= horizon)])
    edges = np.concatenate([[0.0], knots, [horizon]])
    survival = np.concatenate([[1.0], kaplan_meier(outcome, knots)[0]]) if len(knots) else np.ones(1)
    areas = survival * np.diff(edges)
    to_come = np.cumsum(areas[::-1])[::-1][1:]  # area from each event time to the horizon
    at_risk = np.array([(time >= knot).sum() for knot in knots])
    died = np.array([((time == knot) & event).sum() for knot in knots])
    still = at_risk > died
    variance = np.sum(to_come[still] ** 2 * died[still] / (at_risk[still] * (at_risk[still] - died[still])))
    return float(areas.sum()), float(np.sqrt(variance))
