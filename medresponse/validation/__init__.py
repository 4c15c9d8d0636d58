"""Evidence: scores on held-out patients with Monte Carlo errors, calibration, baselines; overlap and unmeasured confounding."""

from medresponse.validation.baselines import BASELINES, fit_baseline
from medresponse.validation.continuous import coverage, mean_absolute_error, within_share, within_share_point
from medresponse.validation.gates import Gate, GateLimits, judge
from medresponse.validation.held_out import HeldOut, held_out
from medresponse.validation.measuring import measure
from medresponse.validation.montecarlo import Estimate, batch_error, batch_means, batched
from medresponse.validation.overlap import Overlap, overlap
from medresponse.validation.question import Question
from medresponse.validation.record import ValidationRecord, make_record
from medresponse.validation.recovery import crps, recovery
from medresponse.validation.seeds import over_seeds
from medresponse.validation.sensitivity import Sensitivity, sensitivity
from medresponse.validation.survival import (
    calibration_at,
    integrated_brier,
    kaplan_meier,
    restricted_mean,
    score_grid,
    uno_concordance,
)
from medresponse.validation.truths import Known, known
from medresponse.validation.unmeasured import e_value, e_value_of_interval, robustness_value

__all__ = [
    "BASELINES",
    "Estimate",
    "Gate",
    "GateLimits",
    "HeldOut",
    "Known",
    "Overlap",
    "Question",
    "Sensitivity",
    "ValidationRecord",
    "batch_error",
    "batch_means",
    "batched",
    "calibration_at",
    "coverage",
    "crps",
    "e_value",
    "e_value_of_interval",
    "fit_baseline",
    "integrated_brier",
    "kaplan_meier",
    "held_out",
    "judge",
    "known",
    "make_record",
    "measure",
    "mean_absolute_error",
    "over_seeds",
    "overlap",
    "recovery",
    "restricted_mean",
    "robustness_value",
    "score_grid",
    "sensitivity",
    "uno_concordance",
    "within_share",
    "within_share_point",
]
