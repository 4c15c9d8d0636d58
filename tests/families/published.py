"""Small published data sets for which other software's estimates are printed, and the maximum of our likelihood there."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize

Outcome = dict[str, np.ndarray]

# Edmonson et al. (1979), `ovarian` of R's survival package: futime (days), fustat, ecog.ps, rx.
_OVARIAN = """
59 1 1 1  115 1 1 1  156 1 2 1  421 0 1 2  431 1 1 1  448 0 2 1  464 1 2 2  475 1 2 2  477 0 1 1
563 1 2 2  638 1 2 1  744 0 1 2  769 0 2 2  770 0 1 2  803 0 1 1  855 0 2 1  1040 0 2 1  1106 0 1 1
1129 0 1 2  1206 0 1 2  1227 0 2 2  268 1 2 1  329 1 1 1  353 1 2 2  365 1 1 2  377 0 1 2
"""


def ovarian() -> tuple[np.ndarray, Outcome]:
    """Design (ecog.ps, rx) and outcome of 26 women."""
    rows = np.array(_OVARIAN.split(), dtype=float).reshape(26, 4)
    return rows[:, 2:], {"time": rows[:, 0], "event": rows[:, 1] == 1}


def six() -> tuple[np.ndarray, Outcome]:
    """The six patients of R survival's tests/testreg.R, ``test1``: one feature, right-censored."""
    time, event = np.array([9.0, 1, 1, 6, 6, 8]), np.array([True, True, False, True, True, False])
    return np.array([[0.0], [1], [1], [1], [0], [0]]), {"time": time, "event": event}


def _between(lower: np.ndarray, upper: np.ndarray) -> Outcome:
    event = np.isfinite(upper)
    time = np.where(event, upper, lower)
    return {"time": time, "event": event, "lower": lower, "upper": upper, "entry": np.zeros(len(time))}


def cracks() -> tuple[np.ndarray, Outcome]:
    """167 parts inspected eight times (Nelson; Meeker & Escobar 1998, table 1.8): interval- and right-censored."""
    seen = np.array([0.0, 186, 606, 902, 1077, 1209, 1377, 1592, 1932, np.inf])
    counts = [5, 16, 12, 18, 18, 2, 6, 17, 73]
    return np.empty((167, 0)), _between(np.repeat(seen[:-1], counts), np.repeat(seen[1:], counts))


def turbine() -> tuple[np.ndarray, Outcome]:
    """432 turbine wheels looked at once (Meeker & Escobar 1998, table 1.5): left- or right-censored, in 100 hours."""
    hours = np.array([4.0, 10, 14, 18, 22, 26, 30, 34, 38, 42, 46])
    cracked = np.array([0, 4, 2, 7, 5, 9, 9, 6, 22, 21, 21])
    whole = np.array([39, 53, 33, 73, 30, 39, 42, 13, 34, 40, 36]) - cracked
    lower = np.concatenate([np.zeros(cracked.sum()), np.repeat(hours, whole)])
    upper = np.concatenate([np.repeat(hours, cracked), np.full(whole.sum(), np.inf)])
    return np.empty((432, 0)), _between(lower, upper)


def maximum_of(
    family: Any, design: np.ndarray, outcome: Outcome, *, centre: str, spread: str, fixed: float | None = None
) -> tuple[np.ndarray, float]:
    """Coefficients, centre and log spread (unless fixed) where the likelihood is highest, and its logarithm there."""
    n, p = design.shape

    def misfit(point: np.ndarray) -> float:
        scale = np.exp(point[p + 1 :]) if fixed is None else np.array([fixed])
        eta = (design @ point[:p])[:, None]
        parameters = {centre: point[[p]], spread: scale}
        return -family.log_likelihood(eta, outcome, np.zeros(n, int), parameters, {}).sum()

    start = np.append(np.zeros(p), np.log(outcome["time"].mean()))
    options = {"xatol": 1e-10, "fatol": 1e-12, "maxiter": 20_000, "maxfev": 20_000}
    found = optimize.minimize(
        misfit, start if fixed else np.append(start, 0.0), method="Nelder-Mead", options=options
    )
    return found.x, -found.fun
