"""The density of models that `model.written_rows` holds as parts: value, gradient and quantities, in loops for numba.

Priors are those of `written_density`; the data are those of `WrittenRows.arrange`. Only compiling imports this module.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from medresponse.inference.row_kernels import canonical
from medresponse.inference.written_density import coefficients, place, scales, slopes

_INTERCEPT_SD = 2.0
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def answer(
    what: int, x: Any, value: Any, out: Any, table: Any, numbers: Any, turn: Any, estimate: Any, error: Any, pointer: Any,
    index: Any, entries: Any, columns: Any, starts: Any, cells: Any, events: Any, weight: Any, scalars: Any,
) -> int:  # fmt: skip
    """Write value and gradient at `x` where `what` is 0, else the quantities to keep; return 0 if the density is finite."""
    size, p = len(x), len(estimate)
    own, work = np.empty(size), np.empty((5, 1 + p))
    variance, share, theta, towards, by_variance = work[0, :p], work[1, :p], work[2], work[3, :p], work[4, :p]
    gradient = out if what == 0 else np.empty(size)
    of_scales, jacobian = scales(x, own, variance, table, numbers, scalars[1])
    density = of_scales + jacobian
    for row in range(len(table)):
        first, m, z = table[row, 2], table[row, 3], place(table, row)
        end = first + m
        density += coefficients(
            x[z : z + m], variance[first:end], share[first:end], theta[1 + first : 1 + end], estimate[first:end],
            error[first:end],
        )  # fmt: skip
    own[size - 1] = x[size - 1]
    intercept = scalars[2] + x[size - 1]
    density -= 0.5 * (x[size - 1] / _INTERCEPT_SD) ** 2 + math.log(_INTERCEPT_SD) + _HALF_LOG_2PI

    spread = np.empty(len(pointer) - 1)
    for i in range(len(spread)):
        total = 0.0
        for j in range(pointer[i], pointer[i + 1]):
            total += entries[j] * theta[1 + index[j]]
        spread[i] = total
    k, width = len(starts) - 1, columns.shape[1]
    levels = slice(k * width, k * width + k)
    for i in range(k):
        spread[k * width + i] += intercept
    by = np.empty(len(spread))
    likelihood = scalars[3] + canonical(
        scalars[4] > 0, columns, starts, cells, events, weight, spread[: k * width].reshape((k, width)), spread[levels],
        spread[k * width + k :], by[: k * width].reshape((k, width)), by[levels], by[k * width + k :],
    )  # fmt: skip
    density += likelihood
    if what == 0:
        value[0] = density
        towards[:] = 0.0  # derivatives of the log-likelihood in the coefficients
        for i in range(len(spread)):
            for j in range(pointer[i], pointer[i + 1]):
                towards[index[j]] += entries[j] * by[i]
        gradient[size - 1] = -x[size - 1] / _INTERCEPT_SD**2
        for i in range(k):
            gradient[size - 1] += by[k * width + i]
        slopes(
            x, own, gradient, variance, share, theta, towards, by_variance, table, numbers, estimate, error, scalars[1]
        )  # fmt: skip
        finite = math.isfinite(density)
        for i in range(size):
            finite &= math.isfinite(gradient[i])
        return 0 if finite else 3
    for row in range(len(table)):
        first, m, z = table[row, 2], table[row, 3], place(table, row)
        own[z : z + m] = theta[1 + first : 1 + first + m]
    out[:size] = own
    out[size : size + p] = np.dot(turn, theta[1:])
    out[size + p] = intercept
    for i in range(p):
        jacobian += math.log(error[i] * share[i])
    out[size + p + 1] = density - likelihood - jacobian
    return 0
