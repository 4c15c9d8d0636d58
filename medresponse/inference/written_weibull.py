"""The density of models whose rows are `families.WeibullRows`; see `written_rows`. Only compiling imports this module.

With ``w = k (time - alpha - eta)``, the log-likelihood is ``sum of events * (log k + w) - weight * exp(w)``: rows of canonical form
under a logarithm, of predictor w. The times are one of the columns, of coefficient k; all else that multiplies rows is times -k.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from medresponse.inference.written_density import OWN, SPARE, THETA, TOWARDS, begun, kept
from medresponse.inference.written_rows import (
    average,
    ended,
    from_rows,
    less_average,
    normal,
    over_rows,
    step,
    to_rows,
)

_LEVEL_SD = 2.0


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
    log_shape, alpha = x[size - 2], x[size - 1] - average(means, room[THETA])
    shape, n_events, time, centre, sd = (
        math.exp(log_shape),
        scalars[4],
        int(scalars[5]),
        scalars[6],
        scalars[7],
    )
    own[size - 2], own[size - 1] = shape, x[size - 1]
    density += normal(log_shape, centre, sd) + normal(alpha, 0.0, _LEVEL_SD)
    jacobian += log_shape

    spread, by = ways[0], ways[1]
    to_rows(pointer, index, entries, room[THETA], spread)
    k, width = len(starts) - 1, columns.shape[1] + codes.shape[1]
    for i in range(k * width, k * width + k):
        spread[i] += alpha
    spread *= -shape
    for i in range(k):
        spread[i * width + time] = shape
    likelihood = scalars[3] + n_events * log_shape
    likelihood += over_rows(False, columns, codes, held, starts, filled, cells, events, weight, spread, by)
    prior = density - jacobian
    density += likelihood
    if what == 0:
        gradient[size - 2] = n_events + np.dot(by, spread) - (log_shape - centre) / sd**2
        by *= -shape
        gradient[size - 1] = -alpha / _LEVEL_SD**2
        for i in range(k * width, k * width + k):
            gradient[size - 1] += by[i]
        from_rows(pointer, index, entries, by, room[TOWARDS, :p])
        less_average(means, gradient[size - 1], room[TOWARDS])
        return ended(x, value, gradient, room, table, numbers, informed, df, density)
    prior -= kept(out[:size], out[size : size + p], room, table, turn, turned, informed[1])
    out[size + p] = alpha
    out[size + p + 1] = scalars[2] + alpha
    out[size + p + 2] = prior
    return 0
