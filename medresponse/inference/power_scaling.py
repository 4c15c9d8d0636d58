"""How the posterior would move if the priors were weaker or stronger: importance weights, without another fit.

A posterior under priors raised to the power alpha is ``p(theta | y) p(theta)^(alpha - 1)`` up to a constant, so that draws of the
one, weighted by ``p(theta)^(alpha - 1)``, stand for the other (Kallioinen, Paananen, Buerkner & Vehtari 2024, Stat Comput 34:57,
eq. 6, with alpha 0.8 and 1.25 as there). All priors are scaled together, as densities of standardised coefficients and of their
scales, in whatever coordinates they are sampled. As densities of the coefficients themselves, those of k coefficients of one scale s
would leave a factor ``s^(k (1 - alpha))`` to the prior of s: no law at all for stronger priors of a few coefficients.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from medresponse.inference.psis import smoothed_weights

LOG_PRIOR = "log_prior"
WEAKER, STRONGER = "log_weight_weaker_priors", "log_weight_stronger_priors"
POWERS = {WEAKER: 0.8, STRONGER: 1.25}
_FEWEST_DRAWS = 100  # as for influence: below, there is no tail to fit k to


def power_scaled(stats: xr.Dataset) -> tuple[xr.Dataset, float | None]:
    """Add smoothed log weights of weaker and stronger priors to sampler statistics that hold ``log_prior``.

    Parameters
    ----------
    stats : xarray.Dataset
        Dims (chain, draw), with coordinate ``imputation`` along chain. The weights of each imputation sum to the same.

    Returns
    -------
    stats : xarray.Dataset
    k : float or None
        Largest Pareto k of the weights, 0 where it is lower: above 0.7 they say nothing (Vehtari et al. 2024, J Mach Learn Res
        25:72). None where the priors' density was not kept, or draws are too few to have a tail.
    """
    if LOG_PRIOR not in stats:
        return stats, None
    each = np.unique(stats["imputation"].values, return_counts=True)[1].min() * stats.sizes["draw"]
    if each < _FEWEST_DRAWS:
        return stats, None
    imputation, log_prior = stats["imputation"].values, stats[LOG_PRIOR].values
    added, worst = {}, 0.0
    for name, power in POWERS.items():
        weights = np.empty_like(log_prior)
        for m in np.unique(imputation):
            own = imputation == m
            ratios = ((1 - power) * log_prior[own]).ravel()
            if np.ptp(ratios) == 0.0:  # a flat prior: nothing to smooth
                weights[own] = -np.log(ratios.size)
                continue
            smoothed, (k,) = smoothed_weights(-ratios[None])
            weights[own] = smoothed.reshape(weights[own].shape)
            worst = worst if k <= worst else float(k)  # NaN stays
        added[name] = (("chain", "draw"), weights)
    return stats.assign(added), worst
