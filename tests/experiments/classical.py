"""Textbook estimates without priors, to hold a derived frame against published numbers."""

import numpy as np
from scipy.stats import t as student
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv


def dummies(labels):
    """One column a label but the first."""
    labels = np.asarray(labels)
    return (labels[:, None] == np.unique(labels)[1:]).astype(float)


def least_squares(*columns, y):
    """Coefficients after the intercept, their standard errors and two-sided p values."""
    design = np.column_stack([np.ones(len(y)), *columns]).astype(float)
    inverse = np.linalg.inv(design.T @ design)
    beta = inverse @ design.T @ y
    freedom = len(y) - design.shape[1]
    error = np.sqrt(np.diag(inverse) * np.sum((y - design @ beta) ** 2) / freedom)
    return beta[1:], error[1:], 2 * student.sf(np.abs(beta / error), freedom)[1:]


def hazard_ratios(treatment_idx, outcome, keep=None):
    """Cox hazard ratio of each treatment among `keep` against the first of them, ties after Efron."""
    keep = np.ones(len(treatment_idx), dtype=bool) if keep is None else keep
    arms = dummies(treatment_idx[keep])
    times = Surv.from_arrays(outcome["event"][keep], outcome["time"][keep])
    return np.exp(CoxPHSurvivalAnalysis(ties="efron").fit(arms, times).coef_)


def logistic_probabilities(columns, y):
    """Fitted probabilities of an unpenalised logistic regression with an intercept, by Newton's method."""
    scaled = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    design, beta = np.column_stack([np.ones(len(y)), scaled]), np.zeros(scaled.shape[1] + 1)
    for _ in range(25):
        p = 1 / (1 + np.exp(-design @ beta))
        beta += np.linalg.solve(design.T @ (design * (p * (1 - p))[:, None]), design.T @ (y - p))
    return p
