"""Evidence: scores on held-out patients with Monte Carlo errors, calibration, baselines; overlap and unmeasured confounding."""

from medresponse.validation.baselines import BASELINES, fit_baseline
from medresponse.validation.continuous import coverage, mean_absolute_error, within_share, within_share_point
from medresponse.validation.montecarlo import Estimate, batch_error, batch_means, batched
from medresponse.validation.overlap import Overlap, overlap
from medresponse.validation.sensitivity import Sensitivity, sensitivity
from medresponse.validation.survival import (
    calibration_at,
    integrated_brier,
    kaplan_meier,
    restricted_mean,
    score_grid,
    uno_concordance,
)
from medresponse.validation.unmeasured import e_value, e_value_of_interval, robustness_value

__all__ = [
    "BASELINES",
    "Estimate",
    "Overlap",
    "Sensitivity",
    "batch_error",
    "batch_means",
    "batched",
    "calibration_at",
    "coverage",
    "e_value",
    "e_value_of_interval",
    "fit_baseline",
    "integrated_brier",
    "kaplan_meier",
    "mean_absolute_error",
    "overlap",
    "restricted_mean",
    "robustness_value",
    "score_grid",
    "sensitivity",
    "uno_concordance",
    "within_share",
    "within_share_point",
]
