"""Rows whose log-likelihood has canonical form, and rough estimates of coefficients from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit

_RIDGE = 1.0  # precision of every coefficient: what the data do not pin stays within a unit or two of zero
_STEPS, _HALVINGS, _CLOSE = 25, 30, 1e-6
_ROWS = 4_096  # at once, so that no second copy of a large design is made


@dataclass(frozen=True)
class CanonicalRows:
    """A log-likelihood ``sum over rows of events * l - weight * A(l) + constant``, with l = centre + alpha + eta.

    Alpha, the model's variable ``alpha``, is normal with sd 2, and ``centre + alpha`` its quantity ``intercept``.

    Parameters
    ----------
    law : str
        ``logit``: A(l) = log(1 + exp(l)). ``log``: A(l) = exp(l).
    events, weight : numpy.ndarray
        Shape (row,).
    centre : float or numpy.ndarray
        Of all rows; for estimates alone also of each, shape (row,).
    constant : float
    """

    law: Literal["logit", "log"]
    events: np.ndarray
    weight: np.ndarray
    centre: float | np.ndarray
    constant: float = 0.0

    def estimates(self, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what `canonical_estimates` does; see `RowLikelihood`."""
        return canonical_estimates(design, self)


def canonical_estimates(
    design: np.ndarray, rows: CanonicalRows, start: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return penalised maximum-likelihood estimates of coefficients, and their standard errors were the others known.

    By Newton's method, a step halved until the penalised log-likelihood rises. Only coordinates are chosen by them
    (`priors.informed`), so the ridge and where the iterations stop change no posterior.

    Parameters
    ----------
    design : numpy.ndarray
        Shape (row, coefficient).
    rows : CanonicalRows
        Of the same rows.
    start : numpy.ndarray, optional
        Coefficients to begin from, zero by default, shape (coefficient,).

    Returns
    -------
    estimate, error : numpy.ndarray
        Shape (coefficient,).
    """
    p = design.shape[1]
    b, penalty = np.zeros(p + 1), np.append(0.0, np.full(p, _RIDGE))  # the intercept first
    if start is not None:
        b[1:] = start
    value = _value(design, rows, b, penalty)
    for _ in range(_STEPS):
        gradient, information = _derivatives(design, rows, b)
        step = np.linalg.lstsq(information + np.diag(penalty), gradient - penalty * b, rcond=1e-10)[0]
        for _ in range(_HALVINGS):
            after = _value(design, rows, b + step, penalty)
            if after >= value:
                break
            step /= 2
        else:
            break
        b, gain, value = b + step, after - value, after
        if gain < _CLOSE:
            break
    diagonal = np.diag(_derivatives(design, rows, b)[1])[1:]
    return b[1:], 1 / np.sqrt(np.maximum(diagonal, 1e-12 * diagonal.max(initial=1.0)))


def _value(design: np.ndarray, rows: CanonicalRows, b: np.ndarray, penalty: np.ndarray) -> float:
    eta = rows.centre + b[0] + design @ b[1:]
    with np.errstate(over="ignore"):  # a step that is too long is worth minus infinity, and is halved
        spent = np.logaddexp(0.0, eta) if rows.law == "logit" else np.exp(eta)
        return float(rows.events @ eta - rows.weight @ spent - penalty @ b**2 / 2)


def _derivatives(design: np.ndarray, rows: CanonicalRows, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradient of the log-likelihood and the information, intercept first."""
    eta = rows.centre + b[0] + design @ b[1:]
    mean = expit(eta) if rows.law == "logit" else np.exp(eta)
    slope = rows.events - rows.weight * mean
    curvature = rows.weight * (mean * (1 - mean) if rows.law == "logit" else mean)
    information = np.zeros((len(b), len(b)))
    for first in range(0, len(design), _ROWS):
        part = slice(first, first + _ROWS)
        x = np.column_stack([np.ones(len(design[part])), design[part]])
        information += x.T @ (curvature[part, None] * x)
    return np.append(slope.sum(), slope @ design), information
