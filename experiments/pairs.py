"""Every pair of treatments, later against earlier in the schema's order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from experiments.statistics import interval_metrics, statistic
from experiments.study import Study
from medresponse.inference import Fit


def pairs(treatments: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return (treatment, reference, name) of every pair."""
    return [
        (k, j, f"{treatments[k]}_vs_{treatments[j]}")
        for j in range(len(treatments))
        for k in range(j + 1, len(treatments))
    ]


def average_effects(fit: Fit) -> np.ndarray:
    """Return the treatments' effects at the average patient on the predictor's scale, shape (treatment, draw).

    Only their differences have a meaning.
    """
    coefficients = fit.draws("coefficients")[:, fit.layout.slices["treatment"]]
    return np.asarray(fit.layout.contrast_matrix @ coefficients.T)


def record_differences(
    study: Study, prefix: str, values: np.ndarray, treatments: Sequence[str], *, clusters: int = 1, unit: str
) -> None:
    """Record mean, sd and 95% interval of every difference between two rows of `values` (treatment, draw)."""
    for k, j, name in pairs(treatments):
        difference = values[k] - values[j]
        interval_metrics(study, f"{prefix}.{name}", difference, clusters=clusters, unit=unit)
        sd = statistic(difference, lambda v: float(v.std(ddof=1)), clusters=clusters, unit=unit)
        study.record(f"{prefix}.{name}_sd", sd)


def record_ratios(
    study: Study, prefix: str, log_values: np.ndarray, treatments: Sequence[str], *, clusters: int = 1
) -> None:
    """Record median and 95% interval of every ratio between two rows of exp(`log_values`), (treatment, draw)."""
    for k, j, name in pairs(treatments):
        ratio_metrics(study, f"{prefix}.{name}", log_values[k] - log_values[j], clusters=clusters)


def ratio_metrics(study: Study, name: str, log_ratio: np.ndarray, *, clusters: int = 1) -> None:
    """Record the median of exp(`log_ratio`) as `name` and its 95% interval as `name`_lower and `name`_upper."""
    for suffix, level in {"": 0.5, "_lower": 0.025, "_upper": 0.975}.items():
        quantile = partial(_ratio_quantile, level=level)
        study.record(f"{name}{suffix}", statistic(log_ratio, quantile, clusters=clusters))


def _ratio_quantile(log_ratio: np.ndarray, *, level: float) -> float:
    return float(np.exp(np.quantile(log_ratio, level)))


def interval(study: Study, name: str, *, factor: float = 1.0) -> tuple[float, float, float]:
    """Return a recorded value with the ends of its 95% interval, each times `factor`."""
    value, lower, upper = (factor * study.metrics[f"{name}{end}"].value for end in ("", "_lower", "_upper"))
    return value, lower, upper


def interval_text(study: Study, name: str, digits: int) -> str:
    """Return a recorded value with its 95% interval, ``0.59 (0.47 to 0.74)``."""
    value, lower, upper = interval(study, name)
    return f"{value:.{digits}f} ({lower:.{digits}f} to {upper:.{digits}f})"
