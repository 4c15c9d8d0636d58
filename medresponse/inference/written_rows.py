"""The density of models that `model.written_rows` holds as parts: value, gradient and quantities, in loops for numba.

Priors of coefficients are those of `written_density`; the data are those of `WrittenRows.arrange`. One `answer` for rows of canonical
form; what it is made of serves other likelihoods too. Only compiling imports this module.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from medresponse.inference.row_kernels import canonical, sums
from medresponse.inference.written_density import OWN, SPARE, THETA, TOWARDS, begun, kept, slopes

_INTERCEPT_SD = 2.0
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)

step = njit(error_model="numpy")


@step  # type: ignore[untyped-decorator]
def answer(
    what: int, x: Any, value: Any, out: Any, table: Any, numbers: Any, turn: Any, turned: Any, informed: Any, df: Any,
    room: Any, pointer: Any, index: Any, entries: Any, ways: Any, columns: Any, codes: Any, held: Any, starts: Any, filled: Any, cells: Any, events: Any, weight: Any, means: Any, scalars: Any,
) -> int:  # fmt: skip
    """Write value and gradient at `x` where `what` is 0, else the quantities to keep; return 0 if the density is finite."""
    size, p = len(x), table[len(table) - 1, 2]
    own = room[OWN, :size]
    gradient = out if what == 0 else room[SPARE, :size]
    density, jacobian = begun(x, room, table, numbers, informed, df, scalars[1])
    own[size - 1] = x[size - 1]
    alpha = x[size - 1] - average(means, room[THETA])
    intercept = scalars[2] + alpha
    density += normal(alpha, 0.0, _INTERCEPT_SD)

    spread, by = ways[0], ways[1]
    to_rows(pointer, index, entries, room[THETA], spread)
    k, width = len(starts) - 1, columns.shape[1] + codes.shape[1]
    for i in range(k * width, k * width + k):
        spread[i] += intercept
    likelihood = scalars[3] + over_rows(
        scalars[4] > 0, columns, codes, held, starts, filled, cells, events, weight, spread, by
    )
    prior = density - jacobian
    density += likelihood
    if what == 0:
        from_rows(pointer, index, entries, by, room[TOWARDS, :p])
        gradient[size - 1] = -alpha / _INTERCEPT_SD**2
        for i in range(k * width, k * width + k):
            gradient[size - 1] += by[i]
        less_average(means, gradient[size - 1], room[TOWARDS])
        return ended(x, value, gradient, room, table, numbers, informed, df, density)
    prior -= kept(out[:size], out[size : size + p], room, table, turn, turned, informed[1])
    out[size + p] = alpha
    out[size + p + 1] = intercept
    out[size + p + 2] = prior
    return 0


@step  # type: ignore[untyped-decorator]
def normal(x: float, mean: float, sd: float) -> float:
    """Return a normal log density."""
    return -0.5 * ((x - mean) / sd) ** 2 - math.log(sd) - _HALF_LOG_2PI


@sums  # type: ignore[untyped-decorator]
def average(means: Any, theta: Any) -> float:
    """Return the mean predictor over patients, which the sampled ``mean`` holds beside the intercept (`families.base.add_intercept`)."""
    total = 0.0
    for k in range(len(means)):
        total += means[k] * theta[k]
    return total


@step  # type: ignore[untyped-decorator]
def less_average(means: Any, by_intercept: float, towards: Any) -> None:
    """Take from derivatives in the coefficients what comes of the intercept being ``mean`` less the mean predictor."""
    for k in range(len(means)):
        towards[k] -= by_intercept * means[k]


@sums  # type: ignore[untyped-decorator]
def to_rows(pointer: Any, index: Any, entries: Any, theta: Any, spread: Any) -> None:
    """Write what multiplies the rows."""
    for i in range(len(spread)):
        total = 0.0
        for j in range(pointer[i], pointer[i + 1]):
            total += entries[j] * theta[index[j]]
        spread[i] = total


@step  # type: ignore[untyped-decorator]
def from_rows(pointer: Any, index: Any, entries: Any, by: Any, towards: Any) -> None:
    """Write the log-likelihood's derivatives in the coefficients, from those in what multiplies the rows."""
    towards[:] = 0.0
    for i in range(len(by)):
        for j in range(pointer[i], pointer[i + 1]):
            towards[index[j]] += entries[j] * by[i]


@step  # type: ignore[untyped-decorator]
def over_rows(
    is_logit: bool,
    columns: Any,
    codes: Any,
    held: Any,
    starts: Any,
    filled: Any,
    cells: Any,
    events: Any,
    weight: Any,
    spread: Any,
    by: Any,
) -> float:
    """Return `row_kernels.canonical` of what multiplies the rows, and write the derivatives in it."""
    k, width = len(starts) - 1, columns.shape[1] + codes.shape[1]
    levels, end = slice(k * width, k * width + k), k * width + k
    return canonical(
        is_logit, columns, codes, held, starts, filled, cells, events, weight, spread[: k * width].reshape((k, width)), spread[levels],
        spread[end:], by[: k * width].reshape((k, width)), by[levels], by[end:],
    )  # fmt: skip


@step  # type: ignore[untyped-decorator]
def ended(
    x: Any, value: Any, gradient: Any, room: Any, table: Any, numbers: Any, informed: Any, df: Any, density: float
) -> int:  # fmt: skip
    """Write value and the gradient in the parameters of all parts; return 0 if they are finite, else 3."""
    value[0] = density
    slopes(room, gradient, table, numbers, informed, df)
    finite = math.isfinite(density)
    for i in range(len(x)):
        finite &= math.isfinite(gradient[i])
    return 0 if finite else 3
