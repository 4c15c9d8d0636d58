"""Rows of every kind that an event time can come as, for the families of event times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Two exact, two right-censored, two interval-censored, two left-censored; three came under observation late.
ROWS = {
    "event": np.array([True, True, False, False, True, True, True, True]),
    "lower": np.array([2.0, 6.5, 4.0, 9.0, 1.0, 3.0, 0.0, 0.0]),
    "upper": np.array([2.0, 6.5, np.inf, np.inf, 3.5, 8.0, 2.5, 7.0]),
    "entry": np.array([0.0, 1.5, 0.0, 3.0, 0.0, 2.0, 0.0, 0.0]),
    "time": np.array([2.0, 6.5, 4.0, 9.0, 3.5, 8.0, 2.5, 7.0]),
}
KINDS = {
    "right-censored": [0, 1, 2, 3],
    "interval-censored": [0, 2, 4, 5],
    "left-censored": [2, 6, 7],
    "all": list(range(8)),
}


def rows_of(kind: str, *, truncated: bool) -> dict[str, np.ndarray]:
    """The rows of one kind, observed from time 0 unless `truncated`."""
    rows = {name: values[KINDS[kind]] for name, values in ROWS.items()}
    return rows if truncated else rows | {"entry": np.zeros(len(rows["time"]))}


def direct(
    outcome: dict[str, np.ndarray],
    row: int,
    density: Callable[[float], float],
    survival: Callable[[float], float],
) -> float:
    """One row's log-likelihood from a density and a survival curve alone."""
    lower, upper, entry = (float(outcome[name][row]) for name in ("lower", "upper", "entry"))
    if not outcome["event"][row]:
        probability = survival(lower)
    elif lower == upper:
        probability = density(lower)
    else:
        probability = survival(lower) - survival(upper)
    return float(np.log(probability) - np.log(survival(entry)))
