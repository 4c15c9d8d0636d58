"""Hazards that are constant within intervals: what one event and several competing causes share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from medresponse.core.constant_hazards import ConstantHazards
from medresponse.families.base import add_intercept, centred_walk
from medresponse.families.censoring import EventTimes
from medresponse.priors import ScalePrior
from medresponse.priors.informed import informed

Baseline = Literal["walk", "exchangeable"]


def check_cuts(cuts: tuple[float, ...], intervals: int) -> None:
    """Raise ValueError unless cut points are positive and increasing and there are two intervals or more."""
    if list(cuts) != sorted(set(cuts)) or any(cut <= 0 for cut in cuts):
        raise ValueError("cuts must be positive and strictly increasing")
    if intervals < 2:
        raise ValueError("intervals must be at least 2")


def learned_edges(times: EventTimes, *, cuts: tuple[float, ...], intervals: int) -> np.ndarray:
    """Return 0, the cut points and the last follow-up, in the unit of time.

    Without `cuts`, cut points are quantiles of the event times; those of interval-censored events count as their
    upper ends, which in a trial with scheduled visits are the visits.
    """
    end = float(times.latest.max())
    if cuts:
        inner = np.array([cut for cut in cuts if cut < end])
    else:
        levels = np.arange(1, intervals) / intervals
        inner = np.unique(np.quantile(times.latest[times.event], levels, method="inverted_cdf"))
        inner = inner[(inner > 0) & (inner < end)]
    return np.concatenate([[0.0], inner, [end]])


def exposure_matrix(time: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the time each patient spends in each interval, shape (patient, interval).

    Time beyond the last edge counts in the last interval.
    """
    upper = np.append(edges[1:-1], np.inf)
    return np.clip(np.minimum(time[:, None], upper) - edges[:-1], 0.0, None)


def exposures(times: EventTimes, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return exposure from entry to `lower`, (patient, interval), and from `lower` to `upper`, (row, interval).

    The second is of the interval-censored rows alone.
    """
    until = exposure_matrix(times.lower, edges)
    within = exposure_matrix(times.upper[times.interval], edges) - until[times.interval]
    return until - exposure_matrix(times.entry, edges), within


def interval_of(time: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the interval (start, end] that each time falls into."""
    return np.searchsorted(edges[1:-1], time, side="left")


@dataclass(frozen=True)
class WalkCoordinates:
    """Directions along which events tell of a baseline's walk independently, and rough estimates along them.

    Independent normal steps of one scale are the same along any orthonormal directions, so that these choose coordinates
    (`priors.informed`) and no prior.

    Parameters
    ----------
    directions : numpy.ndarray
        Orthonormal, shape (step, step).
    estimate, error : numpy.ndarray
        Of the steps along each direction, shape (step,).
    """

    directions: Any
    estimate: Any
    error: Any


def walk_coordinates(events: np.ndarray, at_risk: np.ndarray) -> WalkCoordinates:
    """Return coordinates of a baseline's walk from numbers of events and time at risk, each of shape (interval,).

    Half an event at the crude rate is added to each interval. Where nobody is known to have been at risk, as every event is
    left-censored, intervals count as equally long.
    """
    seen = events + 0.5
    spent = at_risk + 0.5 * at_risk.sum() / seen.sum()
    level = np.log(seen) - np.log(np.maximum(spent, np.finfo(float).tiny))
    walk = centred_walk(len(events) - 1)
    information, directions = np.linalg.eigh(walk.T @ (seen[:, None] * walk))
    return WalkCoordinates(directions, directions.T @ np.diff(level), information**-0.5)


def graph_log_hazards(
    crude: Any,
    eta: Any,
    n_intervals: int,
    contrasts: np.ndarray,
    *,
    stem: str,
    baseline: Baseline,
    baseline_step: ScalePrior,
    coordinates: WalkCoordinates,
    treatment_step: ScalePrior | None,
) -> Any:
    """Add one event's baseline and treatment walks to the current model and return log hazards.

    Parameters
    ----------
    crude : tensor
        Log of the crude rate, around which the average log hazard lies.
    eta : tensor
        The event's linear predictor, shape (patient,).
    n_intervals : int
    contrasts : numpy.ndarray
        Shape (treatment, contrast).
    stem : str
        Put before the names of the variables.
    baseline, baseline_step, treatment_step
        As `PiecewiseExponential` describes them; no `treatment_step` is proportional hazards.
    coordinates : WalkCoordinates
        Of tensors, for a walk.

    Returns
    -------
    tensor
        Shape (treatment, interval).
    """
    import pymc as pm
    import pytensor.tensor as pt

    walk = centred_walk(n_intervals - 1)
    alpha = add_intercept(stem, eta, 1.0)
    step = baseline_step.sample(f"{stem}baseline_step")
    if baseline == "walk":
        # A mean of zero through which PyMC knows the data that the transform reads.
        estimate, error = coordinates.estimate, coordinates.error
        along = pm.Normal(
            f"{stem}baseline_along",
            0.0 * (estimate + error),
            step,
            default_transform=informed(estimate, error),
        )
        steps = pt.dot(coordinates.directions, along)
        pm.Deterministic(f"{stem}baseline_steps", steps / step)
        level = alpha + pt.dot(walk, steps)
    else:
        # Each interval's events pin its own level: centred, since the non-centred form mixes badly then. What they pin holds
        # the mean over patients, as that of `add_intercept` does.
        average = eta.mean()
        start = np.zeros(n_intervals)  # where no data are read, as in `add_intercept`
        means = pm.Normal(f"{stem}baseline_means", alpha + average, step, shape=n_intervals, initval=start)
        level = pm.Deterministic(f"{stem}baseline_level", means - average)
    log_hazard = crude + level
    n_treatments, n_contrasts = contrasts.shape
    if treatment_step is None or not n_contrasts:
        return pt.repeat(log_hazard[None, :], n_treatments, axis=0)
    drift_steps = pm.Normal(f"{stem}treatment_steps", 0.0, 1.0, shape=(n_contrasts, n_intervals - 1))
    drift = treatment_step.sample(f"{stem}treatment_step") * pt.dot(drift_steps, walk.T)
    return log_hazard[None, :] + pt.dot(contrasts, drift)


def graph_cumulative(exposure: Any, by_treatment: Any, eta: Any, treatment_idx: Any) -> Any:
    """Return what patients' own hazards integrate to over `exposure`, a tensor (row,).

    (row, treatment) cumulative hazards by one small product, then each row's own: the cost does not grow with the
    number of intervals.
    """
    import pytensor.tensor as pt

    cumulative = pt.dot(exposure, pt.exp(by_treatment).T)
    return pt.exp(eta) * cumulative[pt.arange(eta.shape[0]), treatment_idx]


@dataclass(frozen=True)
class Passage:
    """One interval on the way to a horizon.

    Parameters
    ----------
    interval : int
    width : float
        Time spent in it.
    hazard : numpy.ndarray
    before, after : numpy.ndarray
        Probability of no event up to its start and to its end.
    leaving : numpy.ndarray
        Probability of an event within it, given none before.
    """

    interval: int
    width: float
    hazard: np.ndarray
    before: np.ndarray
    after: np.ndarray
    leaving: np.ndarray

    @property
    def area(self) -> np.ndarray:
        """Area under the survival curve on the interval: exp(-H) integrates exactly at constant hazard."""
        return self.before * self.leaving / self.hazard


def passages(hazard: Callable[[int], np.ndarray], edges: np.ndarray, horizon: float) -> Iterator[Passage]:
    """Yield the intervals up to `horizon`; `hazard` gives the hazard of any event in an interval."""
    spans = exposure_matrix(np.array([horizon]), edges)[0]
    cumulative: np.ndarray = np.zeros(1)
    for j in np.flatnonzero(spans).tolist():
        rate, width = hazard(j), float(spans[j])
        through = rate * width
        before, cumulative = np.exp(-cumulative), cumulative + through
        yield Passage(j, width, rate, before, np.exp(-cumulative), -np.expm1(-through))


def constant_up_to(
    horizon: float, log_hazard: np.ndarray, edges: np.ndarray, *, kind: str, cause: int = 0
) -> ConstantHazards:
    """Return what hazards integrate to in each interval up to `horizon`; `log_hazard` is (draw, cause, treatment, interval)."""
    widths = exposure_matrix(np.array([horizon]), edges)[0]
    reached = np.flatnonzero(widths)
    spent = np.exp(log_hazard[..., reached]) * widths[reached]
    return ConstantHazards(spent.transpose(1, 2, 0, 3), widths[reached], kind, cause)


def first_times(hazard: Callable[[int], np.ndarray], edges: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return event times by inversion, shape of `uniform`; the last hazard is carried on beyond follow-up."""
    remaining, time = -np.log(uniform), np.zeros_like(uniform)
    for j, width in enumerate(np.append(np.diff(edges)[:-1], np.inf)):
        rate = hazard(j)
        inside = np.minimum(remaining / rate, width)
        time += inside
        remaining = np.maximum(remaining - inside * rate, 0.0)
    return time
