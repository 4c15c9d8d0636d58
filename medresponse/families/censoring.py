"""What is known of an event time: exact, right-, left- or interval-censored, and from when on the patient was watched.

With cumulative hazard H, hazard h, `lower` and `upper` the times between which the event lies and `entry` the time from
which the patient was under observation (left truncation), a row's log-likelihood is::

    exact              log h(t) - (H(t) - H(entry))
    right-censored     -(H(lower) - H(entry))
    interval, left     -(H(lower) - H(entry)) + log(1 - exp(-(H(upper) - H(lower))))

(Klein & Moeschberger 2003, Survival Analysis, section 3.5). Families say what h and H are; this module says which terms
a row has. Arrays for interval-censored and truncated rows are only made where there are such rows, so that a graph
without them holds nothing of them (the names of the arrays are part of what a compiled graph is reused for).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medresponse.families.base import Arrays
from medresponse.families.companions import standardised


@dataclass(frozen=True)
class EventTimes:
    """Event times as far as they are known, all of shape (patient,), in the outcome's unit of time.

    Parameters
    ----------
    event : numpy.ndarray
        Whether the event happened.
    lower, upper : numpy.ndarray
        The event happened after `lower` and by `upper`; equal for an exact time. `upper` is infinite for
        right censoring, `lower` is 0 for left censoring.
    entry : numpy.ndarray
        Time from which the patient was under observation, 0 without left truncation.
    """

    event: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    entry: np.ndarray

    @cached_property
    def exact(self) -> np.ndarray:
        """Whether the time of the event is known."""
        return self.event & (self.lower == self.upper)

    @cached_property
    def interval(self) -> np.ndarray:
        """Whether the event lies between two known times."""
        return self.event & (self.lower < self.upper)

    @cached_property
    def latest(self) -> np.ndarray:
        """Last time that is known of each patient."""
        return np.where(np.isfinite(self.upper), self.upper, self.lower)

    @cached_property
    def middle(self) -> np.ndarray:
        """Exact or censoring time, and the middle of an interval: for centres and imputation, never for likelihoods."""
        return np.where(self.interval, (self.lower + self.latest) / 2, self.latest)

    @property
    def n_events(self) -> float:
        """Number of events, half an event where there is none (for crude rates)."""
        return float(max(self.event.sum(), 0.5))

    @property
    def person_time(self) -> float:
        """Time under observation summed over patients."""
        return float((self.middle - self.entry).sum())


def event_times(outcome: Arrays) -> EventTimes:
    """Return what an outcome of kind ``time_to_event`` or ``competing_risks`` says of the event times.

    Parameters
    ----------
    outcome : mapping
        ``time`` and ``event``; ``entry``, ``lower`` and ``upper`` where they are not 0, `time`, and `time` or infinity.
    """
    time, event = np.asarray(outcome["time"], dtype=float), outcome["event"].astype(bool)
    entry = np.asarray(outcome.get("entry", np.zeros(len(time))), dtype=float)
    lower = np.asarray(outcome.get("lower", time), dtype=float)
    upper = np.asarray(outcome.get("upper", np.where(event, time, np.inf)), dtype=float)
    return EventTimes(event=event, lower=lower, upper=upper, entry=entry)


def combine(times: EventTimes, log_hazard: np.ndarray, spent: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Return pointwise log-likelihoods from hazards, shape (patient, draw).

    Parameters
    ----------
    times : EventTimes
    log_hazard : numpy.ndarray
        At `lower`, shape (patient, draw); read for exact times only.
    spent : numpy.ndarray
        H(lower) - H(entry), shape (patient, draw).
    within : numpy.ndarray
        H(upper) - H(lower) of the interval-censored rows, shape (row, draw).
    """
    result = np.where(times.exact[:, None], log_hazard, 0.0) - spent
    result[times.interval] += log1mexp(within)
    return result


def log1mexp(value: np.ndarray) -> np.ndarray:
    """Return log(1 - exp(-value)) for value >= 0, exact at both ends (Maechler 2012, Rmpfr vignette "log1mexp")."""
    small = value < np.log(2.0)
    with np.errstate(divide="ignore"):
        return np.where(
            small,
            np.log(-np.expm1(-np.where(small, value, 1.0))),
            np.log1p(-np.exp(-np.where(small, 1.0, value))),
        )


def nelson_aalen(
    at: np.ndarray, time: np.ndarray, event: np.ndarray, entry: np.ndarray | None = None
) -> np.ndarray:
    """Return the Nelson-Aalen cumulative hazard at the times `at`, same shape.

    Parameters
    ----------
    at : numpy.ndarray
    time, event : numpy.ndarray
        Of the patients, shape (patient,).
    entry : numpy.ndarray, optional
        Left truncation: a patient is at risk after this time.
    """
    order = np.argsort(time, kind="stable")
    ordered = time[order]
    at_risk = len(time) - np.searchsorted(ordered, ordered, side="left")
    if entry is not None:
        at_risk = at_risk - (len(entry) - np.searchsorted(np.sort(entry), ordered, side="left"))
    # A row that leaves when it enters has nobody at risk, itself included; it adds no event.
    increments = event[order] / np.maximum(at_risk, 1)
    cumulative = np.concatenate([[0.0], np.cumsum(increments)])
    return cumulative[np.searchsorted(ordered, at, side="right")]


def event_companions(outcome: Arrays) -> np.ndarray:
    """Return (event, cumulative hazard over the time observed), standardised, shape (patient, 2).

    What White & Royston (2009, Stat Med 28:1982) advise to impute features from; the hazard is the Nelson-Aalen
    estimate, an interval-censored event counting at the middle of its interval.
    """
    times = event_times(outcome)
    stop = times.middle
    spent = nelson_aalen(stop, stop, times.event, times.entry)
    spent = spent - nelson_aalen(times.entry, stop, times.event, times.entry)
    return standardised(np.column_stack([times.event.astype(float), spent]))


def event_information_sd(outcome: Arrays) -> float:
    """Return 1 / sqrt(events): the standard error of a log hazard, or about that of a log time, if all events spoke of it alone."""
    return float(1.0 / np.sqrt(max(outcome["event"].sum(), 1)))
