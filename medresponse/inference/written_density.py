"""The density of models that `model.written_out` holds as parts: value, gradient and quantities, in loops for numba.

A part's coefficients have prior variances A, which are constant, the square of one scale, or under the horseshoe
``A = c^2 T / (c^2 + T)`` with ``T = tau^2 lambda^2`` (`priors.shrinkage`). With ``w^2 = A + e^2``, for the estimate b of a
coefficient and its error e, the coefficient is ``a = b A / w^2 + e sqrt(A) / w z``, where z is sampled (`priors.informed`): prior
and Jacobian together are ``-a^2 / 2A - log(w^2) / 2`` but for a constant. Derivatives are taken in log A first, and then in what A
is made of. The data are those of `WrittenOut.arrange`. Only compiling imports this module, as numba takes a second to load.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from medresponse.model.written_out import FIXED, POOLED

_LOG_2PI = math.log(2 * math.pi)
_HALF_NORMAL = 0.5 * math.log(2 / math.pi)  # log density of a half-normal of scale 1 at zero
_INTERCEPT_SD = 2.5  # in outcome standard deviations

compiled = njit(error_model="numpy")


@compiled  # type: ignore[untyped-decorator]
def answer(
    what: int, x: Any, value: Any, out: Any, table: Any, numbers: Any, turn: Any, estimate: Any, error: Any, means: Any,
    around: Any, rest: Any, gram: Any, scalars: Any,
) -> int:  # fmt: skip
    """Write value and gradient at `x` where `what` is 0, else the quantities to keep; return 0 if the density is finite."""
    size, p = len(x), len(estimate)
    own, variance, share, theta = np.empty(size), np.empty(p), np.empty(p), np.empty(1 + p)
    gradient = out if what == 0 else np.empty(size)
    scales, jacobian = _scales(x, own, variance, table, numbers, scalars[5])
    density = scales + jacobian + _coefficients(x, own, variance, share, theta, table, estimate, error)
    towards = np.empty(p)  # derivatives of the rest of the density in the coefficients
    rest_prior, rest_jacobian, likelihood = _outcome(
        x, own, gradient, theta, towards, means, around, rest, gram, scalars
    )
    density += rest_prior + rest_jacobian + likelihood
    if what == 0:
        value[0] = density
        _gradient(
            x, own, gradient, variance, share, theta, towards, table, numbers, estimate, error, scalars[5]
        )
        finite = math.isfinite(density)
        for i in range(size):
            finite &= math.isfinite(gradient[i])
        return 0 if finite else 3
    out[:size] = own
    out[size : size + p] = np.dot(turn, theta[1:])
    out[size + p] = own[size - 1] * scalars[1]
    out[size + p + 1] = scalars[2] + theta[0]
    for k in range(p):
        jacobian += math.log(error[k] * share[k])
    out[size + p + 2] = density - likelihood - jacobian - rest_jacobian
    return 0


@compiled  # type: ignore[untyped-decorator]
def _scales(
    x: Any, own: Any, variance: Any, table: Any, numbers: Any, information: float
) -> tuple[float, float]:
    """Write the scales and the coefficients' prior variances; return the scales' log density and log Jacobians."""
    prior, jacobian = 0.0, 0.0
    for row in range(len(table)):
        kind, at, first, m = table[row]
        if kind == FIXED:
            variance[first : first + m] = numbers[row, 0] ** 2
            continue
        if kind == POOLED:
            own[at] = math.exp(x[at])
            prior += numbers[row, 5] - 0.5 * (own[at] / numbers[row, 0]) ** 2
            jacobian += x[at]
            variance[first : first + m] = own[at] ** 2
            continue
        end = at + 2 + 2 * m
        for i in range(at, end + 1):
            own[i] = math.exp(x[i])
            jacobian += x[i]
        whole, local, slab = numbers[row, 1] / 2, numbers[row, 2] / 2, numbers[row, 4] / 2
        prior += numbers[row, 5] - 0.5 * own[at] ** 2
        prior -= (whole + 1) * x[at + 1] + whole / own[at + 1] + (slab + 1) * x[end] + slab / own[end]
        tau2 = (numbers[row, 0] * information * own[at]) ** 2 * own[at + 1]
        c2 = numbers[row, 3] ** 2 * own[end]
        for i in range(m):
            base, mix = own[at + 2 + i], own[at + 2 + m + i]
            prior -= 0.5 * base**2 + (local + 1) * x[at + 2 + m + i] + local / mix
            t = tau2 * base**2 * mix
            variance[first + i] = c2 * (t / (c2 + t))
    return prior, jacobian


@compiled  # type: ignore[untyped-decorator]
def _place(table: Any, row: int) -> int:
    """Return where in the vector of parameters a part's coefficients begin."""
    kind, at, _, m = table[row]
    if kind == FIXED:
        return at
    return at + 1 if kind == POOLED else at + 3 + 2 * m


@compiled  # type: ignore[untyped-decorator]
def _coefficients(
    x: Any, own: Any, variance: Any, share: Any, theta: Any, table: Any, estimate: Any, error: Any
) -> float:
    """Write the coefficients and sqrt(A) / w; return their log prior with the log Jacobian of their coordinates."""
    total = -0.5 * len(estimate) * _LOG_2PI
    for row in range(len(table)):
        first, m, z = table[row, 2], table[row, 3], _place(table, row)
        for k in range(first, first + m):
            w2 = variance[k] + error[k] ** 2
            share[k] = math.sqrt(variance[k] / w2)
            a = estimate[k] * share[k] ** 2 + error[k] * share[k] * x[z + k - first]
            theta[1 + k] = own[z + k - first] = a
            total -= 0.5 * (a * a / variance[k] + math.log(w2 / error[k] ** 2))
    return total


@compiled  # type: ignore[untyped-decorator]
def _outcome(
    x: Any, own: Any, gradient: Any, theta: Any, towards: Any, means: Any, around: Any, rest: Any, gram: Any, scalars: Any
) -> tuple[float, float, float]:  # fmt: skip
    """Add intercept and residual scale; return their log prior, their log Jacobian, and the log likelihood.

    The intercept is sampled as the outcome's mean (`families.gaussian`), in outcome standard deviations.
    """
    size, n, spread, least, residual = len(x), scalars[0], scalars[1], scalars[3], scalars[4]
    alpha = x[size - 2] - np.dot(means, theta[1:])
    own[size - 2], own[size - 1] = x[size - 2], math.exp(x[size - 1])
    theta[0] = spread * alpha
    off = theta - around
    product = np.dot(gram, off)
    misfit = np.dot(off, product) - 2 * np.dot(off, rest) + least
    sigma = spread * own[size - 1]
    relative = (own[size - 1] / residual) ** 2
    by_alpha = spread * (rest[0] - product[0]) / sigma**2 - alpha / _INTERCEPT_SD**2
    for k in range(len(towards)):
        towards[k] = (rest[1 + k] - product[1 + k]) / sigma**2 - by_alpha * means[k]
    gradient[size - 2] = by_alpha
    gradient[size - 1] = 1 - relative - n + misfit / sigma**2
    prior = -0.5 * (alpha / _INTERCEPT_SD) ** 2 - math.log(_INTERCEPT_SD) - 0.5 * _LOG_2PI
    prior += _HALF_NORMAL - math.log(residual) - 0.5 * relative
    return prior, x[size - 1], -n * math.log(sigma) - 0.5 * misfit / sigma**2 - 0.5 * n * _LOG_2PI


@compiled  # type: ignore[untyped-decorator]
def _gradient(
    x: Any, own: Any, gradient: Any, variance: Any, share: Any, theta: Any, towards: Any, table: Any, numbers: Any,
    estimate: Any, error: Any, information: float,
) -> None:  # fmt: skip
    """Write the derivatives in the parameters of all parts."""
    by_log_variance = np.empty(len(estimate))
    for row in range(len(table)):
        kind, at, first, m = table[row]
        z = _place(table, row)
        for k in range(first, first + m):
            a, s2 = theta[1 + k], share[k] ** 2  # A / w^2; and e^2 / w^2 is 1 - s2
            pull = towards[k] - a / variance[k]
            gradient[z + k - first] = pull * error[k] * share[k]
            moved = estimate[k] * s2 + 0.5 * error[k] * share[k] * x[z + k - first]
            by_log_variance[k] = 0.5 * (a * a / variance[k] - s2) + pull * moved * (
                error[k] ** 2 / (variance[k] + error[k] ** 2)
            )
        if kind == FIXED:
            continue
        if kind == POOLED:
            total = 0.0
            for k in range(first, first + m):
                total += by_log_variance[k]
            gradient[at] = 1 - (own[at] / numbers[row, 0]) ** 2 + 2 * total
            continue
        end = at + 2 + 2 * m
        whole, local, slab = numbers[row, 1] / 2, numbers[row, 2] / 2, numbers[row, 4] / 2
        tau2 = (numbers[row, 0] * information * own[at]) ** 2 * own[at + 1]
        c2 = numbers[row, 3] ** 2 * own[end]
        by_tau, by_slab = 0.0, 0.0
        for i in range(m):
            u, v = at + 2 + i, at + 2 + m + i
            t = tau2 * own[u] ** 2 * own[v]
            by_t = by_log_variance[first + i] * (c2 / (c2 + t))
            by_tau += by_t
            by_slab += by_log_variance[first + i] - by_t
            gradient[u] = 2 * by_t - own[u] ** 2 + 1
            gradient[v] = by_t - local + local / own[v]
        gradient[at] = 2 * by_tau - own[at] ** 2 + 1
        gradient[at + 1] = by_tau - whole + whole / own[at + 1]
        gradient[end] = by_slab - slab + slab / own[end]
