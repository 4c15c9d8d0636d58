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

from medresponse.inference.row_kernels import exponentials
from medresponse.model.written_parts import FIXED, POOLED
from medresponse.priors import HALF_T_BEND

_LOG_2PI = math.log(2 * math.pi)
_HALF_NORMAL = 0.5 * math.log(2 / math.pi)  # log density of a half-normal of scale 1 at zero
_LARGE = 1e150  # the product of two such is a number
_INTERCEPT_SD = 2.5  # in outcome standard deviations

# Sums may be taken in any order, so that loops run eight numbers at a time; infinities and NaN stay what they are.
# Loops write one array each, as LLVM gives up where it would have to check more than eight pairs of arrays for overlap.
compiled = njit(error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@compiled  # type: ignore[untyped-decorator]
def answer(
    what: int, x: Any, value: Any, out: Any, table: Any, numbers: Any, turn: Any, estimate: Any, error: Any, means: Any,
    around: Any, rest: Any, arms: Any, weights: Any, where: Any, scalars: Any,
) -> int:  # fmt: skip
    """Write value and gradient at `x` where `what` is 0, else the quantities to keep; return 0 if the density is finite."""
    size, p = len(x), len(estimate)
    own, work = np.empty(size), np.empty((7, 1 + p))
    variance, share, theta, towards, by_variance = work[0, :p], work[1, :p], work[2], work[3, :p], work[4, :p]
    gradient = out if what == 0 else np.empty(size)
    density, jacobian = begun(x, own, work, table, numbers, estimate, error, scalars[5])
    rest_prior, likelihood = _outcome(
        x, own, gradient, theta, towards, work[5], work[6], means, around, rest, arms, weights, where, scalars
    )
    density += rest_prior + x[size - 1] + likelihood
    if what == 0:
        value[0] = density
        slopes(
            x, own, gradient, variance, share, theta, towards, by_variance, table, numbers, estimate, error, scalars[5]
        )  # fmt: skip
        total = density
        for i in range(size):
            total += 0 * gradient[i]  # NaN where one is not finite
        return 0 if math.isfinite(total) else 3
    jacobian += kept(out, own, work, table, turn, error) + x[size - 1]
    out[size + p] = own[size - 1] * scalars[1]
    out[size + p + 1] = scalars[2] + theta[0]
    out[size + p + 2] = density - likelihood - jacobian
    return 0


@compiled  # type: ignore[untyped-decorator]
def begun(
    x: Any, own: Any, work: Any, table: Any, numbers: Any, estimate: Any, error: Any, information: float
) -> tuple[float, float]:
    """Write scales and coefficients; return the log density of all parts with, and the Jacobian of their scales.

    Rows of `work`, of which there are five or more, of length 1 + coefficients: prior variances, sqrt(A) / w, one number and the
    coefficients; the log-likelihood's derivatives in them and the derivatives in log A come later.
    """
    p = len(estimate)
    variance, z = work[0, :p], work[3, :p]
    of_scales, jacobian = scales(x, own, variance, table, numbers, information)
    for row in range(len(table)):
        first, m, at = table[row, 2], table[row, 3], place(table, row)
        copy(x[at : at + m], z[first : first + m])
    density = of_scales + jacobian + coefficients(z, variance, work[1, :p], work[2, 1:], estimate, error)
    return density, jacobian


@compiled  # type: ignore[untyped-decorator]
def kept(out: Any, own: Any, work: Any, table: Any, turn: Any, error: Any) -> float:
    """Write all variables and the layout's coefficients into `out`; return the log Jacobian of the coefficients' coordinates."""
    size, p, jacobian = len(own), len(error), 0.0
    theta = work[2, 1:]
    for row in range(len(table)):
        first, m, at = table[row, 2], table[row, 3], place(table, row)
        own[at : at + m] = theta[first : first + m]
    out[:size] = own
    out[size : size + p] = np.dot(turn, theta)
    for i in range(p):
        jacobian += math.log(error[i] * work[1, i])
    return jacobian


@compiled  # type: ignore[untyped-decorator]
def scales(
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
        last = at + 1 + m
        own[last] = math.exp(x[last])
        whole, local, slab = numbers[row, 1], numbers[row, 2], numbers[row, 4] / 2
        of_whole, of_own = half_t(x[at : at + 1], own[at : at + 1], whole)
        of_local, of_locals = half_t(x[at + 1 : last], own[at + 1 : last], local)
        prior += numbers[row, 5] + of_whole + of_local - (slab + 1) * x[last] - slab / own[last]
        jacobian += of_own + of_locals + x[last]
        tau2, c2 = (numbers[row, 0] * information * own[at]) ** 2, numbers[row, 3] ** 2 * own[last]
        _local_variances(own[at + 1 : last], variance[first : first + m], tau2, c2)
    return prior, jacobian


@compiled  # type: ignore[untyped-decorator]
def _local_variances(local: Any, variance: Any, tau2: float, c2: float) -> None:
    """Write a horseshoe's prior variances."""
    for i in range(len(local)):
        t = tau2 * local[i] ** 2
        variance[i] = c2 * (t / (c2 + t))


@compiled  # type: ignore[untyped-decorator]
def half_t(z: Any, own: Any, df: float) -> tuple[float, float]:
    """Write half-t scales from their coordinates; return their log prior but for constants, and log Jacobians."""
    m, total, by_df = len(z), 0.0, 1 / df
    work = np.empty((3, m))
    x, bend, factor = work[0], work[1], work[2]
    for i in range(m):
        quarter = 0.25 * z[i] ** 2
        inside = HALF_T_BEND + quarter
        x[i] = z[i] * math.sqrt(inside)
        total += x[i]
        bend[i] = (inside + quarter) ** 2 / inside
    jacobian = total + 0.5 * log_of_product(bend)
    exponentials(x, own, bend, factor, m)
    for i in range(m):
        factor[i] = 1 + own[i] ** 2 * by_df
    return -0.5 * (df + 1) * log_of_product(factor), jacobian


@compiled  # type: ignore[untyped-decorator]
def by_half_t(z: Any, own: Any, gradient: Any, df: float) -> None:
    """Turn derivatives in the logarithms of half-t scales into those in their coordinates, prior and Jacobian added."""
    for i in range(len(z)):
        quarter = 0.25 * z[i] ** 2
        inside = HALF_T_BEND + quarter
        double = inside + quarter
        inverse = 1 / (inside * double)
        towards = gradient[i] - df + (df + 1) * (df / (df + own[i] ** 2))
        gradient[i] = (
            towards * math.sqrt(inside) * double**2 * inverse + z[i] * (inside - 0.25 * double) * inverse
        )


@compiled  # type: ignore[untyped-decorator]
def log_of_product(factors: Any) -> float:
    """Return the sum of logarithms of numbers above 1: one logarithm for as many as a number holds, as it takes longest."""
    n, total, a, b, c, d = len(factors), 0.0, 1.0, 1.0, 1.0, 1.0
    for i in range(0, n - 3, 4):
        a *= factors[i]
        b *= factors[i + 1]
        c *= factors[i + 2]
        d *= factors[i + 3]
        if max(max(a, b), max(c, d)) > _LARGE:
            total += math.log(a) + math.log(b) + math.log(c) + math.log(d)
            a, b, c, d = 1.0, 1.0, 1.0, 1.0
    for i in range(n - n % 4, n):
        total += math.log(factors[i])
    return total + math.log(a * b) + math.log(c * d)


@compiled  # type: ignore[untyped-decorator]
def place(table: Any, row: int) -> int:
    """Return where in the vector of parameters a part's coefficients begin."""
    kind, at, _, m = table[row]
    if kind == FIXED:
        return at
    return at + 1 if kind == POOLED else at + 2 + m


@compiled  # type: ignore[untyped-decorator]
def coefficients(z: Any, variance: Any, share: Any, theta: Any, estimate: Any, error: Any) -> float:
    """Write a part's coefficients and sqrt(A) / w; return their log prior with the log Jacobian of their coordinates."""
    m, squares = len(z), 0.0
    factors = np.empty(m)
    for i in range(m):
        ratio = variance[i] / error[i] ** 2
        factors[i] = 1 + ratio
        share[i] = math.sqrt(ratio / (1 + ratio))
    for i in range(m):
        theta[i] = share[i] * (estimate[i] * share[i] + error[i] * z[i])
    for i in range(m):
        squares += theta[i] ** 2 / variance[i]
    return -0.5 * (squares + log_of_product(factors) + m * _LOG_2PI)


@compiled  # type: ignore[untyped-decorator]
def _outcome(
    x: Any, own: Any, gradient: Any, theta: Any, towards: Any, off: Any, product: Any, means: Any, around: Any, rest: Any,
    arms: Any, weights: Any, where: Any, scalars: Any,
) -> tuple[float, float]:  # fmt: skip
    """Add intercept and residual scale; return their log prior and the log likelihood. Writes what is not data.

    The intercept is sampled as the outcome's mean (`families.gaussian`), in outcome standard deviations.
    """
    size, n, spread, least, residual = len(x), scalars[0], scalars[1], scalars[3], scalars[4]
    shift = 0.0
    for k in range(len(means)):
        shift += means[k] * theta[1 + k]
    alpha = x[size - 2] - shift
    own[size - 2], own[size - 1] = x[size - 2], math.exp(x[size - 1])
    theta[0] = spread * alpha
    for k in range(len(theta)):
        off[k] = theta[k] - around[k]
    _product(off, product, arms, weights, where)
    misfit = least
    for k in range(len(off)):
        misfit += off[k] * (product[k] - 2 * rest[k])
    sigma = spread * own[size - 1]
    precision, relative = 1 / sigma**2, (own[size - 1] / residual) ** 2
    by_alpha = spread * (rest[0] - product[0]) * precision - alpha / _INTERCEPT_SD**2
    for k in range(len(towards)):
        towards[k] = (rest[1 + k] - product[1 + k]) * precision - by_alpha * means[k]
    gradient[size - 2] = by_alpha
    gradient[size - 1] = 1 - relative - n + misfit * precision
    prior = -0.5 * (alpha / _INTERCEPT_SD) ** 2 - math.log(_INTERCEPT_SD) - 0.5 * _LOG_2PI
    prior += _HALF_NORMAL - math.log(residual) - 0.5 * relative
    return prior, -n * math.log(sigma) - 0.5 * misfit * precision - 0.5 * n * _LOG_2PI


@compiled  # type: ignore[untyped-decorator]
def _product(off: Any, product: Any, arms: Any, weights: Any, where: Any) -> None:
    """Write the product of the patients' sums of squares and products with `off`, arm by arm."""
    count, width = weights.shape[1], arms.shape[1]
    work = np.zeros((2 * count + 2, width))
    spread, found, own, answered = work[:count], work[count : 2 * count], work[2 * count], work[2 * count + 1]
    for k in range(len(off)):
        spread[where[k, 0], where[k, 1]] = off[k]
    for arm in range(len(arms)):
        own[:] = 0.0
        for j in range(count):
            for i in range(width):
                own[i] += weights[arm, j] * spread[j, i]
        np.dot(arms[arm], own, answered)
        for j in range(count):
            for i in range(width):
                found[j, i] += weights[arm, j] * answered[i]
    for k in range(len(off)):
        product[k] = found[where[k, 0], where[k, 1]]


@compiled  # type: ignore[untyped-decorator]
def slopes(
    x: Any, own: Any, gradient: Any, variance: Any, share: Any, theta: Any, towards: Any, by_variance: Any, table: Any,
    numbers: Any, estimate: Any, error: Any, information: float,
) -> None:  # fmt: skip
    """Write the derivatives in the parameters of all parts."""
    work = np.empty((2, len(estimate)))
    z, by_z = work[0], work[1]
    for row in range(len(table)):
        first, m, own_place = table[row, 2], table[row, 3], place(table, row)
        copy(x[own_place : own_place + m], z[first : first + m])
    _by_coefficients(z, by_z, by_variance, variance, share, theta[1:], towards, estimate, error)
    for row in range(len(table)):
        kind, at, first, m = table[row]
        own_place, each = place(table, row), by_variance[first : first + m]
        copy(by_z[first : first + m], gradient[own_place : own_place + m])
        total = added(each)
        if kind == FIXED:
            continue
        if kind == POOLED:
            gradient[at] = 1 - (own[at] / numbers[row, 0]) ** 2 + 2 * total
            continue
        last = at + 1 + m
        tau2, c2 = (numbers[row, 0] * information * own[at]) ** 2, numbers[row, 3] ** 2 * own[last]
        by_tau = _by_local_variances(own[at + 1 : last], gradient[at + 1 : last], each, tau2, c2)
        gradient[at] = 2 * by_tau
        slab = numbers[row, 4] / 2
        gradient[last] = total - by_tau - slab + slab / own[last]
        by_half_t(x[at : at + 1], own[at : at + 1], gradient[at : at + 1], numbers[row, 1])
        by_half_t(x[at + 1 : last], own[at + 1 : last], gradient[at + 1 : last], numbers[row, 2])


@compiled  # type: ignore[untyped-decorator]
def _by_coefficients(
    z: Any, by_z: Any, by_variance: Any, variance: Any, share: Any, theta: Any, towards: Any, estimate: Any, error: Any
) -> None:  # fmt: skip
    """Write derivatives in z and in log A."""
    m = len(z)
    for i in range(m):
        by_z[i] = towards[i] - theta[i] / variance[i]
    for i in range(m):
        ratio = share[i] ** 2
        moved = share[i] * (estimate[i] * share[i] + 0.5 * error[i] * z[i])
        by_variance[i] = 0.5 * (theta[i] ** 2 / variance[i] - ratio) + by_z[i] * moved * (1 - ratio)
    for i in range(m):
        by_z[i] *= error[i] * share[i]


@compiled  # type: ignore[untyped-decorator]
def _by_local_variances(local: Any, gradient: Any, by_variance: Any, tau2: float, c2: float) -> float:
    """Write derivatives in the logarithms of a horseshoe's local scales; return the derivative in log tau^2."""
    total = 0.0
    for i in range(len(local)):
        by_t = by_variance[i] * (c2 / (c2 + tau2 * local[i] ** 2))
        total += by_t
        gradient[i] = 2 * by_t
    return total


@compiled  # type: ignore[untyped-decorator]
def copy(values: Any, out: Any) -> None:
    """Copy numbers."""
    for i in range(len(values)):
        out[i] = values[i]


@compiled  # type: ignore[untyped-decorator]
def added(values: Any) -> float:
    """Return the sum of numbers."""
    total = 0.0
    for i in range(len(values)):
        total += values[i]
    return total
