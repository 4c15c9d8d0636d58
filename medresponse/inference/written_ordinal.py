"""The density of models whose rows are `families.OrdinalRows`; see `written_rows`. Only compiling imports this module.

The rows are those of a binary outcome with a logit, of which cut points are one more table. ``share`` is sampled as its log odds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from medresponse.inference.written_density import OWN, SPARE, THETA, TOWARDS, begun, kept
from medresponse.inference.written_rows import ended, from_rows, over_rows, step, to_rows


@step  # type: ignore[untyped-decorator]
def answer(
    what: int, x: Any, value: Any, out: Any, table: Any, numbers: Any, turn: Any, turned: Any, informed: Any, df: Any,
    room: Any, pointer: Any, index: Any, entries: Any, ways: Any, columns: Any, codes: Any, held: Any, starts: Any, filled: Any, cells: Any, events: Any, weight: Any,
    in_category: Any, scalars: Any,
) -> int:  # fmt: skip
    """Write value and gradient at `x` where `what` is 0, else the quantities to keep; return 0 if the density is finite."""
    size, p, n_cuts, concentration = len(x), table[len(table) - 1, 2], len(in_category) - 1, scalars[2]
    own, first = room[OWN, :size], size - n_cuts
    gradient = out if what == 0 else room[SPARE, :size]
    density, jacobian = begun(x, room, table, numbers, informed, df, scalars[1])
    logs, cuts, by_cuts = np.empty((5, n_cuts)), np.empty(n_cuts), np.empty(n_cuts)
    at_zero = cut_points(x[first:], own[first:], logs, cuts, in_category)
    for c in range(n_cuts):
        a, b = concentration, concentration * (n_cuts - c)
        density += a * logs[0, c] + b * logs[1, c] + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        jacobian += logs[0, c] + logs[1, c]
    prior = density - jacobian

    spread, by = ways[0], ways[1]
    to_rows(pointer, index, entries, room[THETA], spread)
    spread[len(spread) - n_cuts :] = -cuts
    density += at_zero + over_rows(
        True, columns, codes, held, starts, filled, cells, events, weight, spread, by
    )
    if what == 0:
        from_rows(pointer, index, entries, by, room[TOWARDS, :p])
        by_cuts[:] = -by[len(by) - n_cuts :]
        of_shares(own[first:], gradient[first:], logs, by_cuts, in_category, concentration)
        return ended(x, value, gradient, room, table, numbers, informed, df, density)
    prior -= kept(out[:size], out[size : size + p], room, table, turn, turned, informed[1])
    out[size + p : size + p + n_cuts] = cuts
    out[size + p + n_cuts] = prior
    return 0


@step  # type: ignore[untyped-decorator]
def cut_points(x: Any, share: Any, logs: Any, cuts: Any, n: Any) -> float:
    """Write shares and cut points; return the part of the log-likelihood that is of them alone.

    Rows of `logs`: logarithms of the shares, of one less these, of the probabilities of a category or a higher one, of each category
    but the highest, and of a category or a lower one, all where eta is 0.
    """
    above, below, total = 0.0, 0.0, 0.0
    for c in range(len(cuts)):
        rest = math.log1p(math.exp(-abs(x[c])))
        logs[0, c], logs[1, c] = min(x[c], 0.0) - rest, min(-x[c], 0.0) - rest
        share[c] = math.exp(logs[0, c])
        logs[3, c] = above + logs[0, c]
        above += logs[1, c]
        below += math.exp(logs[3, c])
        logs[2, c], logs[4, c] = above, math.log(below)
        cuts[c] = logs[4, c] - logs[2, c]
        total += n[c] * logs[3, c] - n[c + 1] * logs[2, c] - n[c] * logs[4, c]
    return total + n[len(cuts)] * above


@step  # type: ignore[untyped-decorator]
def of_shares(share: Any, gradient: Any, logs: Any, by_cuts: Any, n: Any, concentration: float) -> None:
    """Write the derivatives in the log odds of the shares, from those of the rows' log-likelihood in the cut points."""
    last = len(by_cuts) - 1
    by_above, by_below = 0.0, 0.0  # in log P(Y >= c) of this cut point and all higher, in P(Y < c) likewise
    by_category = n[last + 1]  # in the log probability of the category above this cut point
    for j in range(len(by_cuts)):
        c = last - j
        by_above += by_category - n[c + 1] - by_cuts[c]
        by_below += (by_cuts[c] - n[c]) / math.exp(logs[4, c])
        by_category = n[c] + by_below * math.exp(logs[3, c])
        slope = by_category * (1 - share[c]) - by_above * share[c]
        gradient[c] = slope + concentration * (1 - share[c] - (last + 1 - c) * share[c])
