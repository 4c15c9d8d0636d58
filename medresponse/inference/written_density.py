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

from numba import njit

from medresponse.inference.row_kernels import exponentials
from medresponse.model.written_parts import FIXED, HORSESHOE, POOLED
from medresponse.priors import HALF_T_BEND

_LOG_2PI = math.log(2 * math.pi)
_HALF_NORMAL = 0.5 * math.log(2 / math.pi)  # log density of a half-normal of scale 1 at zero
_LOG_SLOPE = 0.5 * math.log(HALF_T_BEND)  # of a half-t scale's logarithm in its coordinate, at zero
_LARGE, _SMALL = 1e300, 1e-300
_CHUNK = 32  # factors that are multiplied before it is looked how large their product is
_INTERCEPT_SD = 2.5  # in outcome standard deviations

# Rows of `room`, where a kernel writes what it needs in between; `model.written_parts.rooms` makes it. Of each coefficient: prior
# variance A; sqrt(A) / w; itself; derivative of the log-likelihood in it; z; derivatives of the density in z and in log A; itself over A;
# derivative of log A in log T; e^2 / w^2. Of each parameter: what is kept. Of each half-t scale: coordinate, logarithm, itself, derivative
# of the logarithm in the coordinate, that one's logarithm's, 1 + scale^2 / df, derivative of the density. The last two are for
# whoever needs them.
VARIANCE, SHARE, THETA, TOWARDS, Z, BY_Z, BY_VARIANCE, PULL, SHRUNK, REST = range(10)
OWN, AT, LOG, SCALE, STRETCH, CURL, FACTOR, BY_SCALE, SPARE, MORE = range(10, 20)

# Sums may be taken in any order, so that loops run eight numbers at a time; infinities and NaN stay what they are. Arrays of
# coefficients and of half-t scales are longer than these are many, so that nothing is left over; what stands there changes nothing.
# Loops write few arrays each, as LLVM gives up where it would have to check more than eight pairs of arrays for overlap.
compiled = njit(error_model="numpy", fastmath={"reassoc", "contract", "nsz"})


@compiled  # type: ignore[untyped-decorator]
def answer(
    what: int, x: Any, value: Any, out: Any, table: Any, numbers: Any, turn: Any, turned: Any, informed: Any, df: Any,
    room: Any, means: Any, around: Any, rest: Any, arms: Any, weights: Any, where: Any, folded: Any, scalars: Any,
) -> int:  # fmt: skip
    """Write value and gradient at `x` where `what` is 0, else the quantities to keep; return 0 if the density is finite."""
    size, p = len(x), table[len(table) - 1, 2]
    own = room[OWN, :size]
    gradient = out if what == 0 else room[SPARE, :size]
    density, jacobian = begun(x, room, table, numbers, informed, df, scalars[5])
    rest_prior, likelihood, intercept = _outcome(
        x, own, gradient, room[THETA], room[TOWARDS], room[SPARE], room[MORE], means, around, rest, arms, weights, where, folded,
        scalars,
    )  # fmt: skip
    density += rest_prior + x[size - 1] + likelihood
    if what == 0:
        value[0] = density
        slopes(room, gradient, table, numbers, informed, df)
        total = density
        for i in range(size):
            total += 0 * gradient[i]  # NaN where one is not finite
        return 0 if math.isfinite(total) else 3
    jacobian += kept(out[:size], out[size : size + p], room, table, turn, turned, informed[1]) + x[size - 1]
    out[size + p] = own[size - 1] * scalars[1]
    out[size + p + 1] = scalars[2] + intercept
    out[size + p + 2] = density - likelihood - jacobian
    return 0


@compiled  # type: ignore[untyped-decorator]
def begun(
    x: Any, room: Any, table: Any, numbers: Any, informed: Any, df: Any, information: float
) -> tuple[float, float]:
    """Write scales and coefficients; return the log density of all parts with, and the Jacobian of their scales."""
    of_scales, jacobian = scales(x, room, table, numbers, df, information)
    for row in range(len(table)):
        first, m, at = table[row, 2], table[row, 3], place(table, row)
        copy(x[at : at + m], room[Z, first:])
    density = of_scales + jacobian - 0.5 * table[len(table) - 1, 2] * _LOG_2PI
    density += coefficients(
        room[Z], room[VARIANCE], room[SHARE], room[THETA], room[PULL], room[REST], informed[0], informed[1]
    )
    return density, jacobian


@compiled  # type: ignore[untyped-decorator]
def kept(
    variables: Any, coefficients: Any, room: Any, table: Any, turn: Any, turned: Any, error: Any
) -> float:
    """Write all variables and the layout's coefficients; return the log Jacobian of the coefficients' coordinates.

    Coefficients whose scale is a parameter are measured in it (`graphs.log_units`).
    """
    own, theta, jacobian = room[OWN], room[THETA], 0.0
    for row in range(len(table)):
        kind, at, first, m, half = table[row]
        if kind != FIXED:
            for i in range(first, first + m):
                jacobian -= 0.5 * math.log(room[VARIANCE, i])
        if kind == HORSESHOE:
            copy(room[SCALE, half : half + 1 + m], own[at:])
        copy(theta[first : first + m], own[place(table, row) :])
    copy(own[: len(variables)], variables)
    coefficients[:] = 0.0
    for i in range(len(turn)):
        coefficients[turned[i, 0]] += turn[i] * theta[turned[i, 1]]
    for i in range(len(coefficients)):
        jacobian += math.log(error[i] * room[SHARE, i])
    return jacobian


@compiled  # type: ignore[untyped-decorator]
def scales(x: Any, room: Any, table: Any, numbers: Any, df: Any, information: float) -> tuple[float, float]:
    """Write the scales and the coefficients' prior variances; return the scales' log density and log Jacobians."""
    own, variance, factor, n = room[OWN], room[VARIANCE], room[FACTOR], df.shape[1]
    for row in range(len(table)):
        kind, at, _, m, half = table[row]
        if kind == HORSESHOE:
            copy(x[at : at + 1 + m], room[AT, half:])
    prior, jacobian = (
        0.0,
        half_t(room[AT, :n], room[LOG], room[SCALE], room[STRETCH], room[CURL], room[SPARE], room[MORE]),
    )
    jacobian -= (n - table[len(table) - 1, 4]) * _LOG_SLOPE
    for i in range(n):
        factor[i] = 1 + room[SCALE, i] ** 2 * df[1, i]
    for row in range(len(table)):
        kind, at, first, m, half = table[row]
        if kind == FIXED:
            variance[first : first + m] = numbers[row, 0] ** 2
            continue
        if kind == POOLED:
            own[at] = math.exp(x[at])
            prior += numbers[row, 5] - 0.5 * (own[at] / numbers[row, 0]) ** 2
            jacobian += x[at]
            variance[first : first + m] = own[at] ** 2
            continue
        last, slab, whole, local = at + 1 + m, numbers[row, 4] / 2, numbers[row, 1], numbers[row, 2]
        own[last] = math.exp(x[last])
        jacobian += x[last]
        prior += numbers[row, 5] - (slab + 1) * x[last] - slab / own[last]
        prior -= 0.5 * (whole + 1) * math.log(factor[half])
        prior -= 0.5 * (local + 1) * log_of_product(factor[half + 1 : half + 1 + m])
        tau2 = (numbers[row, 0] * information * room[SCALE, half]) ** 2
        c2 = numbers[row, 3] ** 2 * own[last]
        _local_variances(
            room[SCALE, half + 1 : half + 1 + m], variance[first:], room[SHRUNK, first:], tau2, c2
        )
    return prior, jacobian


@compiled  # type: ignore[untyped-decorator]
def _local_variances(local: Any, variance: Any, shrunk: Any, tau2: float, c2: float) -> None:
    """Write a horseshoe's prior variances and ``c^2 / (c^2 + T)``, the derivatives of their logarithms in log T."""
    for i in range(len(local)):
        t = tau2 * local[i] ** 2
        shrunk[i] = c2 / (c2 + t)
        variance[i] = t * shrunk[i]


@compiled  # type: ignore[untyped-decorator]
def half_t(z: Any, x: Any, scale: Any, stretch: Any, curl: Any, work: Any, more: Any) -> float:
    """Write half-t scales and their logarithms from their coordinates; return the sum of their log Jacobians.

    The logarithm of a scale is x = z sqrt(b + z^2 / 4). ``stretch`` is dx/dz, ``curl`` the derivative of its logarithm.
    """
    n, total = len(z), 0.0
    for i in range(n):
        quarter = 0.25 * z[i] ** 2
        inside = HALF_T_BEND + quarter
        double = inside + quarter
        inverse = 1 / (inside * double)
        root = math.sqrt(double * inverse)
        stretch[i] = double * root
        curl[i] = z[i] * (inside - 0.25 * double) * inverse
        x[i] = z[i] * inside * root
    for i in range(n):
        total += x[i]
    exponentials(x, scale, work, more, n)
    return total + log_of_product(stretch[:n])


@compiled  # type: ignore[untyped-decorator]
def by_half_t(by_scale: Any, stretch: Any, curl: Any, factor: Any, df: Any, out: Any) -> None:
    """Write derivatives in the coordinates of half-t scales from those in their logarithms, prior and Jacobian added."""
    for i in range(len(df)):
        out[i] = (by_scale[i] - df[i] + (df[i] + 1) / factor[i]) * stretch[i] + curl[i]


@compiled  # type: ignore[untyped-decorator]
def log_of_product(factors: Any) -> float:
    """Return the sum of logarithms: one logarithm for as many factors as a number holds the product of, as it takes longest.

    Factors are all above 1, or nearly, or all below, so that products go one way.
    """
    n, total, product = len(factors), 0.0, 1.0
    for i in range(n):
        product *= factors[i]
    if _SMALL < product < _LARGE:
        return math.log(product)
    for first in range(0, n, _CHUNK):
        product = 1.0
        for i in range(first, min(first + _CHUNK, n)):
            product *= factors[i]
        if _SMALL < product < _LARGE:
            total += math.log(product)
        else:
            for i in range(first, min(first + _CHUNK, n)):
                total += math.log(factors[i])
    return total


@compiled  # type: ignore[untyped-decorator]
def place(table: Any, row: int) -> int:
    """Return where in the vector of parameters a part's coefficients begin."""
    kind, at, _, m, _ = table[row]
    if kind == FIXED:
        return at
    return at + 1 if kind == POOLED else at + 2 + m


@compiled  # type: ignore[untyped-decorator]
def coefficients(
    z: Any, variance: Any, share: Any, theta: Any, pull: Any, rest: Any, estimate: Any, error: Any
) -> float:
    """Write coefficients, themselves over A, sqrt(A) / w and e^2 / w^2; return their log prior with the log Jacobian of their coordinates.

    One division gives 1 / A and 1 / w^2.
    """
    n, squares = len(estimate), 0.0
    for i in range(n):
        pull[i] = 1 / (variance[i] * (variance[i] + error[i] ** 2))
    for i in range(n):
        share[i] = variance[i] * math.sqrt(pull[i])
    for i in range(n):
        rest[i] = error[i] ** 2 * variance[i] * pull[i]
    for i in range(n):
        theta[i] = share[i] * (estimate[i] * share[i] + error[i] * z[i])
    for i in range(n):
        pull[i] *= theta[i] * (variance[i] + error[i] ** 2)
    for i in range(n):
        squares += theta[i] * pull[i]
    return 0.5 * (log_of_product(rest[:n]) - squares)


@compiled  # type: ignore[untyped-decorator]
def _outcome(
    x: Any, own: Any, gradient: Any, theta: Any, towards: Any, off: Any, product: Any, means: Any, around: Any, rest: Any,
    arms: Any, weights: Any, where: Any, folded: Any, scalars: Any,
) -> tuple[float, float, float]:  # fmt: skip
    """Add intercept and residual scale; return their log prior, the log likelihood, and the intercept.

    The intercept is sampled as the outcome's mean (`families.gaussian`), in outcome standard deviations; it comes behind the
    coefficients.
    """
    size, n, spread, least, residual = len(x), scalars[0], scalars[1], scalars[3], scalars[4]
    shift, last = 0.0, len(means)
    for k in range(last):
        shift += means[k] * theta[k]
    alpha = x[size - 2] - shift
    intercept = spread * alpha
    own[size - 2], own[size - 1] = x[size - 2], math.exp(x[size - 1])
    for k in range(last):
        off[k] = theta[k] - around[k]
    off[last] = intercept - around[last]
    _product(off, product, arms, weights, where, folded, last)
    misfit = least + off[last] * (product[last] - 2 * rest[last])
    for k in range(last):
        misfit += off[k] * (product[k] - 2 * rest[k])
    precision, relative = 1 / (spread * own[size - 1]) ** 2, (own[size - 1] / residual) ** 2
    by_alpha = spread * (rest[last] - product[last]) * precision - alpha / _INTERCEPT_SD**2
    for k in range(last):
        towards[k] = (rest[k] - product[k]) * precision - by_alpha * means[k]
    gradient[size - 2] = by_alpha
    gradient[size - 1] = 1 - relative - n + misfit * precision
    prior = -0.5 * (alpha / _INTERCEPT_SD) ** 2 - math.log(_INTERCEPT_SD) - 0.5 * _LOG_2PI
    prior += _HALF_NORMAL - math.log(residual) - 0.5 * relative
    log_sigma = math.log(spread) + x[size - 1]
    return prior, -n * log_sigma - 0.5 * misfit * precision - 0.5 * n * _LOG_2PI, intercept


@compiled  # type: ignore[untyped-decorator]
def _product(off: Any, product: Any, arms: Any, weights: Any, where: Any, folded: Any, behind: int) -> None:
    """Write the product of the patients' sums of squares and products with `off`, arm by arm.

    `behind` is the intercept's place. Rows of `folded`: `off` and `product` by contrast, what multiplies an arm's columns, and their product.
    """
    count, width = weights.shape[1], arms.shape[1]
    spread, found = folded[:count].reshape(count * width), folded[count : 2 * count].reshape(count * width)
    own, answered = folded[2 * count], folded[2 * count + 1]
    last = len(where) - 1
    for k in range(last):
        spread[where[k]] = off[k]
    spread[where[last]] = off[behind]
    found[:] = 0.0
    for arm in range(len(arms)):
        copy(folded[0], own)  # the first of the weights are ones
        for j in range(1, count):
            add_times(weights[arm, j], folded[j], own)
        _multiply(arms[arm], own, answered)
        for j in range(count):
            add_times(weights[arm, j], answered, folded[count + j])
    for k in range(last):
        product[k] = found[where[k]]
    product[behind] = found[where[last]]


@compiled  # type: ignore[untyped-decorator]
def _multiply(matrix: Any, own: Any, answered: Any) -> None:
    """Write the product with a matrix of a multiple of four rows."""
    n = len(own)
    for k in range(0, n, 4):
        a, b, c, d = matrix[k], matrix[k + 1], matrix[k + 2], matrix[k + 3]
        s, t, u, v = 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            s += a[i] * own[i]
            t += b[i] * own[i]
            u += c[i] * own[i]
            v += d[i] * own[i]
        answered[k], answered[k + 1], answered[k + 2], answered[k + 3] = s, t, u, v


@compiled  # type: ignore[untyped-decorator]
def add_times(factor: float, values: Any, out: Any) -> None:
    """Add numbers times a factor."""
    for i in range(len(values)):
        out[i] += factor * values[i]


@compiled  # type: ignore[untyped-decorator]
def slopes(room: Any, gradient: Any, table: Any, numbers: Any, informed: Any, df: Any) -> None:
    """Write the derivatives in the parameters of all parts."""
    own, by_variance, by_scale = room[OWN], room[BY_VARIANCE], room[BY_SCALE]
    _by_coefficients(
        room[Z], room[BY_Z], by_variance, room[SHARE], room[THETA], room[PULL], room[TOWARDS], informed[1]
    )
    for row in range(len(table)):
        kind, at, first, m, half = table[row]
        each = by_variance[first : first + m]
        copy(room[BY_Z, first : first + m], gradient[place(table, row) :])
        if kind == POOLED:
            gradient[at] = 1 - (own[at] / numbers[row, 0]) ** 2 + 2 * added(each)
        if kind == HORSESHOE:
            by_tau, slab = (
                _by_local_variances(each, room[SHRUNK, first:], by_scale[half + 1 :]),
                numbers[row, 4] / 2,
            )
            by_scale[half] = 2 * by_tau
            gradient[at + 1 + m] = added(each) - by_tau - slab + slab / own[at + 1 + m]
    by_half_t(by_scale, room[STRETCH], room[CURL], room[FACTOR], df[0], room[SPARE])
    for row in range(len(table)):
        kind, at, _, m, half = table[row]
        if kind == HORSESHOE:
            copy(room[SPARE, half : half + 1 + m], gradient[at:])


@compiled  # type: ignore[untyped-decorator]
def _by_coefficients(
    z: Any, by_z: Any, by_variance: Any, share: Any, theta: Any, pull: Any, towards: Any, error: Any
) -> None:
    """Write derivatives in z and in log A."""
    for i in range(len(error)):
        towards[i] -= pull[i]
    for i in range(len(error)):
        ratio = share[i] ** 2
        moved = theta[i] - 0.5 * error[i] * share[i] * z[i]
        by_variance[i] = 0.5 * (theta[i] * pull[i] - ratio) + towards[i] * moved * (1 - ratio)
    for i in range(len(error)):
        by_z[i] = towards[i] * error[i] * share[i]


@compiled  # type: ignore[untyped-decorator]
def _by_local_variances(by_variance: Any, shrunk: Any, gradient: Any) -> float:
    """Write derivatives in the logarithms of a horseshoe's local scales; return the derivative in log tau^2."""
    total = 0.0
    for i in range(len(by_variance)):
        by_t = by_variance[i] * shrunk[i]
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
