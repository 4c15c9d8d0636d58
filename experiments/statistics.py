"""Posterior statistics as metrics, with Monte Carlo errors by batches within chains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from experiments.study import BATCHES, Study
from medresponse.validation import Estimate, batch_error


def statistic(
    draws: np.ndarray, function: Callable[[np.ndarray], float], *, clusters: int = 1, unit: str = "1"
) -> Estimate:
    """Return a statistic of draws (chains end to end) with its Monte Carlo standard error.

    `clusters` is the fit's number of imputations; see `batch_error`.
    """
    each = [float(function(part)) for part in np.array_split(draws, BATCHES)]
    return Estimate(float(function(draws)), batch_error(each, clusters=clusters), unit)


def interval_metrics(study: Study, name: str, draws: np.ndarray, *, clusters: int = 1, unit: str) -> None:
    """Record the posterior mean as `name` and the 95% interval as `name`_lower and `name`_upper."""
    for suffix, function in {"": _mean, "_lower": _lower, "_upper": _upper}.items():
        study.record(f"{name}{suffix}", statistic(draws, function, clusters=clusters, unit=unit))


def _mean(draws: np.ndarray) -> float:
    return float(draws.mean())


def _lower(draws: np.ndarray) -> float:
    return float(np.quantile(draws, 0.025))


def _upper(draws: np.ndarray) -> float:
    return float(np.quantile(draws, 0.975))
