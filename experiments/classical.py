"""Textbook estimates without priors, computed in the same run so that they stand beside the model's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from medresponse.families import Arrays


@dataclass(frozen=True)
class LeastSquares:
    """Coefficients after the intercept with their covariance, and the residual degrees of freedom."""

    value: np.ndarray
    covariance: np.ndarray
    freedom: int

    def difference(self, weights: np.ndarray) -> tuple[float, float]:
        """Return a linear combination of the first coefficients and its standard error."""
        padded = np.zeros(len(self.value))
        padded[: len(weights)] = weights
        return float(padded @ self.value), float(np.sqrt(padded @ self.covariance @ padded))


def least_squares(columns: np.ndarray, y: np.ndarray) -> LeastSquares:
    """Regress `y` on columns (patient, column) and an intercept."""
    design = np.column_stack([np.ones(len(y)), columns])
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ y
    freedom = len(y) - design.shape[1]
    residual = ((y - design @ beta) ** 2).sum() / freedom
    return LeastSquares(beta[1:], residual * inverse[1:, 1:], freedom)


def arms(treatment_idx: np.ndarray, n_treatments: int) -> np.ndarray:
    """Return one indicator for each treatment but the first, shape (patient, treatment - 1)."""
    return (treatment_idx[:, None] == np.arange(1, n_treatments)).astype(float)


def cox_log_hazards(treatment_idx: np.ndarray, outcome: Arrays) -> np.ndarray:
    """Return each treatment's log hazard ratio against the first, itself included: a Cox model, ties after Efron."""
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    times = Surv.from_arrays(outcome["event"].astype(bool), outcome["time"])
    indicators = arms(treatment_idx, int(treatment_idx.max()) + 1)
    return np.append(0.0, CoxPHSurvivalAnalysis(ties="efron").fit(indicators, times).coef_)


def negative_binomial_log_rates(treatment_idx: np.ndarray, outcome: Arrays) -> tuple[np.ndarray, float]:
    """Return each treatment's log rate and the common overdispersion (1 / sqrt(phi)) of maximum likelihood."""
    count, exposure = outcome["value"], outcome["exposure"]
    n = int(treatment_idx.max()) + 1
    crude = [np.log(count[treatment_idx == k].sum() / exposure[treatment_idx == k].sum()) for k in range(n)]

    def loss(free: np.ndarray) -> float:
        mean, phi = np.exp(free[:n])[treatment_idx] * exposure, np.exp(-2 * free[n])
        rising = gammaln(count + phi) - gammaln(phi) + phi * np.log(phi)
        return -float((rising + count * np.log(mean) - (count + phi) * np.log(mean + phi)).sum())

    best = minimize(loss, np.append(crude, 0.0), tol=1e-10).x
    return best[:n], float(np.exp(best[n]))
