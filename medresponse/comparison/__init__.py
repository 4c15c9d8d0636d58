"""Choosing a spec by how well it predicts patients it has not seen."""

from medresponse.comparison.comparing import compare_fits, compare_specs, training_log_likelihood
from medresponse.comparison.mixing import mix_draws
from medresponse.comparison.result import Comparison, stacking_weights

__all__ = [
    "Comparison",
    "compare_fits",
    "compare_specs",
    "mix_draws",
    "stacking_weights",
    "training_log_likelihood",
]
