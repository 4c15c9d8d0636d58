"""Pseudo-observations: what each censored patient would have contributed, had the outcome been seen by the horizon.

With z_i in place of an outcome that censoring hides, E[z_i | x_i] is the patient's probability or mean time, so that
calibration, doubly robust scores and squared errors are computed as for outcomes that are all known (Andersen, Klein &
Rosthoj 2003, Biometrika 90:15). Here by the infinitesimal jackknife (Parner, Andersen & Overgaard 2023, Lifetime Data
Anal 29:654), which needs no refit per patient. Censoring must not depend on the features within a stratum.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def pseudo_incidence(
    outcome: Mapping[str, np.ndarray], horizon: float, *, cause: int | None = None, time_lost: bool = False
) -> np.ndarray:
    """Return pseudo-observations of the cumulative incidence at the horizon, or of the mean time lost until then.

    Parameters
    ----------
    outcome : mapping
        ``time``, ``event`` (bool) and ``entry``, shape (patient,); ``cause`` too where `cause` is given.
    horizon : float
        In the unit of ``time``.
    cause : int, optional
        Of competing risks, by position; all of them by default.
    time_lost : bool
        Mean time lost to the event up to the horizon, in place of its probability.

    Returns
    -------
    numpy.ndarray
        Shape (patient,); without censoring and late entry before the horizon, the indicator (or the time lost) itself.

    Notes
    -----
    The Aalen-Johansen estimate is ``theta = sum_u k(u) S(u-) dL_j(u)`` over event times u up to the horizon h, with
    k(u) = 1, or h - u for the time lost. Its derivative by a patient's weight is that of the hazards ``dL_j = dN_j / Y``
    less that of ``S(u-)``, whose log changes by ``(dN_i - Y_i dL) / (Y (1 - dL))`` at each earlier event time.
    """
    time, entry, event = outcome["time"], outcome["entry"], outcome["event"].astype(bool)
    own = event if cause is None else event & (outcome["cause"] == cause)
    knots = np.unique(time[event & (time <= horizon)])
    at_risk = np.searchsorted(np.sort(entry), knots, side="left") - np.searchsorted(
        np.sort(time), knots, side="left"
    )
    died, of_cause = (_counts(time[mask & (time <= horizon)], knots) for mask in (event, own))
    hazard = died / at_risk
    before = np.concatenate([[1.0], np.cumprod(1 - hazard)])[:-1]  # S(u-)
    kernel = horizon - knots if time_lost else np.ones(len(knots))
    increments = kernel * before * of_cause / at_risk
    # Nobody is left after the last of all: what follows counts for nothing, so its infinite slope is taken as 0.
    slope = np.divide(1.0, at_risk * (1 - hazard), out=np.zeros(len(knots)), where=died < at_risk)
    total, direct = _sums(increments), _sums(increments / at_risk)
    exposure = _sums(slope * hazard)  # G(x): cumulative change of log S by being at risk
    mixed = _sums(increments * exposure[:-1])  # sum of k dF_j(u) G(u-)

    def until(times: np.ndarray) -> np.ndarray:
        return np.searchsorted(knots, np.minimum(times, horizon), side="right")

    def at_event(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
        found = np.zeros(len(time))
        rows = np.flatnonzero(mask & (time <= horizon))
        found[rows] = values[np.searchsorted(knots, time[rows])]
        return found

    def indirect(at: np.ndarray) -> np.ndarray:
        return mixed[at] + exposure[at] * (total[-1] - total[at])

    last, first = until(time), until(entry)
    influence = at_event(kernel * before / at_risk, own) - (direct[last] - direct[first])
    influence -= at_event(slope, event) * (total[-1] - total[last])
    influence += indirect(last) - indirect(first)
    return np.asarray(total[-1] + len(time) * influence)


def _counts(times: np.ndarray, knots: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(knots, times), minlength=len(knots)).astype(float)


def _sums(values: np.ndarray) -> np.ndarray:
    """Return sums of the first 0, 1, ... values."""
    return np.concatenate([[0.0], np.cumsum(values)])
