"""Evidence: scores on held-out patients with Monte Carlo errors, calibration, baselines."""

from medresponse.validation.baselines import BASELINES, fit_baseline
from medresponse.validation.continuous import coverage, mean_absolute_error, within_share, within_share_point
from medresponse.validation.montecarlo import Estimate, batch_error, batch_means, batched
from medresponse.validation.survival import (
    calibration_at,
    integrated_brier,
    kaplan_meier,
    restricted_mean,
    score_grid,
    uno_concordance,
)

__all__ = [
    "BASELINES",
    "Estimate",
    "batch_error",
    "batch_means",
    "batched",
    "calibration_at",
    "coverage",
    "fit_baseline",
    "integrated_brier",
    "kaplan_meier",
    "mean_absolute_error",
    "restricted_mean",
    "score_grid",
    "uno_concordance",
    "within_share",
    "within_share_point",
]
