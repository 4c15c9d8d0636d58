"""Logistic regression without priors, computed in the same run so that it stands beside the model's."""

from __future__ import annotations

import numpy as np
from scipy.special import expit


def logistic(design: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, float]:
    """Return coefficients and log-likelihood by Newton's method; `design` has its own column of ones."""
    beta = np.zeros(design.shape[1])
    for _ in range(25):
        p = expit(design @ beta)
        beta += np.linalg.solve(design.T @ (design * (p * (1 - p))[:, None]), design.T @ (value - p))
    eta = design @ beta
    return beta, float(value @ eta - np.logaddexp(0, eta).sum())
