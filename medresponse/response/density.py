"""How likely a model found what happened to patients it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from medresponse.response.predict import encode_patients, linear_predictors

if TYPE_CHECKING:
    from medresponse.cohort import Cohort
    from medresponse.inference import Fit


def log_predictive_density(fitted: Fit, cohort: Cohort) -> np.ndarray:
    """Return the log predictive density of patients that `fitted` has not seen, shape (patient,).

    Under the treatment each received; averaged over posterior draws, and over what is not known of missing features
    and new groups.
    """
    by_chain = chain_densities(fitted, cohort)
    return np.asarray(logsumexp(by_chain, axis=0) - np.log(len(by_chain)))


def chain_densities(fitted: Fit, cohort: Cohort) -> np.ndarray:
    """Return what `log_predictive_density` does by the draws of each chain alone, shape (chain, patient).

    How far chains differ says how large the Monte Carlo error is.
    """
    family, parameters, chains = fitted.spec.family, fitted.family_draws(), fitted.posterior.sizes["chain"]
    outcome, treatment_idx = cohort.outcome(fitted.outcome), cohort.treatment_idx
    result = np.empty((chains, cohort.n))
    for rows, eta in linear_predictors(fitted, encode_patients(fitted, cohort), seed=fitted.provenance.seed):
        own = treatment_idx[rows]
        received = eta[..., np.arange(len(own)), own, :]
        some = {key: value[rows] if np.ndim(value) else value for key, value in outcome.items()}
        values = family.log_likelihood(received, some, own, parameters, fitted.constants)
        each = values.reshape(len(own), chains, -1)
        result[:, rows] = (logsumexp(each, axis=-1) - np.log(each.shape[-1])).T
    return result
