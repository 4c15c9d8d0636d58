"""Pseudo-observations: what each patient adds to an estimate from censored times, in the place of a time not seen."""

from __future__ import annotations

import numpy as np

from medresponse.core.errors import DataError

_AT_ONCE = 4_000_000  # patient x event-time numbers held at once


def pseudo_observations(
    time: np.ndarray, event: np.ndarray, *, kind: str, horizon: float, of_cause: np.ndarray | None = None
) -> np.ndarray:
    """Return ``n * estimate - (n - 1) * estimate without patient i`` of one group, shape (patient,).

    Where nobody is censored before the horizon it is what happened to the patient: 1 or 0, a time. Its expectation given
    features is the mean response, if censoring within the group does not depend on features or outcome (Andersen, Klein &
    Rosthøj 2003, Biometrika 90:15; Graw, Gerds & Schumacher 2009, Lifetime Data Anal 15:241).

    Parameters
    ----------
    time, event : numpy.ndarray
        Shape (patient,); times from 0.
    kind : str
        ``survival`` and ``rmst`` (Kaplan-Meier), ``cumulative_incidence`` and ``time_lost`` (Aalen-Johansen).
    horizon : float
        In the unit of `time`.
    of_cause : numpy.ndarray, optional
        Whether an event is of the cause asked about, shape (patient,); every event by default.

    Raises
    ------
    DataError
        If the group's follow-up ends, censored, before the horizon.
    """
    event = event.astype(bool)
    if time.max() < horizon and not event[time == time.max()].all():
        raise DataError(
            "nobody of the group was followed to the horizon; choose an earlier one", code="horizon"
        )
    counted = event if of_cause is None else event & of_cause
    knots = np.unique(time[event & (time <= horizon)])
    own_risk, own_death = time[:, None] >= knots, (time[:, None] == knots) & event[:, None]
    own_cause = own_death & counted[:, None]
    risk, death, cause = (own.sum(axis=0)[None].astype(float) for own in (own_risk, own_death, own_cause))
    whole = _estimate(risk, death, cause, knots, kind, horizon)[0]
    n, step = len(time), max(1, _AT_ONCE // max(len(knots), 1))
    without = np.concatenate(
        [
            _estimate(risk - own_risk[i : i + step], death - own_death[i : i + step], cause - own_cause[i : i + step], knots, kind, horizon)
            for i in range(0, n, step)
        ]
    )  # fmt: skip
    return np.asarray(n * whole - (n - 1) * without)


def _estimate(
    risk: np.ndarray, death: np.ndarray, cause: np.ndarray, knots: np.ndarray, kind: str, horizon: float
) -> np.ndarray:
    """Return the estimate from numbers at risk, of events and of events of the cause, each (sample, event time)."""
    at_risk = np.maximum(risk, 1.0)  # of nobody at risk nobody has the event
    after = np.cumprod(1 - death / at_risk, axis=1)
    before = np.concatenate([np.ones((len(after), 1)), after], axis=1)
    if kind == "survival":
        return np.asarray(before[:, -1])
    if kind == "rmst":
        return np.asarray(before @ np.diff(np.concatenate([[0.0], knots, [horizon]])))
    jumps = before[:, :-1] * cause / at_risk
    return np.asarray(jumps.sum(axis=1) if kind == "cumulative_incidence" else jumps @ (horizon - knots))
