"""The priors' part in an answer: what it would be if every prior were weaker or stronger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from medresponse.inference import Fit

# As `inference.power_scaling` writes them: weights of draws under priors to the power of 0.8 and 1.25.
_WEIGHTS = ("log_weight_weaker_priors", "log_weight_stronger_priors")
RELIABLE_K = 0.7


@dataclass(frozen=True)
class PriorPart:
    """Posterior means of one quantity under weaker priors, as fitted, and under stronger priors, in its unit."""

    weaker: float
    fitted: float
    stronger: float


def prior_part(fit: Fit, draws: np.ndarray) -> PriorPart | None:
    """Return how the mean of `draws` depends on the priors.

    Parameters
    ----------
    fit : Fit
    draws : numpy.ndarray
        A quantity at each of the fit's draws, shape (draw,), chains first.

    Returns
    -------
    PriorPart or None
        None where the fit keeps no prior density (trees, hinges), or reweighting is not reliable (Pareto k above 0.7): the
        priors may matter much then, and only another fit can tell.
    """
    k = fit.diagnostics.prior_k
    if k is None or not k <= RELIABLE_K:
        return None
    means = []
    for name in _WEIGHTS:
        log_weights = fit.sample_stats[name].transpose("chain", "draw").values.ravel()
        weights = np.exp(log_weights - log_weights.max())
        means.append(float((weights * draws).sum() / weights.sum()))
    return PriorPart(means[0], float(draws.mean()), means[1])
