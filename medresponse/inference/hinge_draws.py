"""Draws of what is unknown of the law of products of hinges, for numba; `Law` states it.

Only compiling imports this module.
"""

from __future__ import annotations

import math
from typing import Any

from numba.extending import register_jitable

from medresponse.inference.hinge_arrays import DEGREES, SPARSE
from medresponse.inference.hinge_products import log_odds, log_rate, make_column
from medresponse.inference.hinge_proposals import insert, pick


def draw_law(rng: Any, coefficients: Any, table: Any, law: Any, state: Any, room: Any) -> None:
    """Draw own variances, common scales, expected numbers of choices and probabilities of orders and features.

    Given all choices the last three are conjugate. So choices are drawn first: those that made the products that are in, one or
    more each, and those that made none, which any draw of choices shows (Rao, Lin & Dunson 2016, Biometrika 103:319).

    Parameters
    ----------
    rng : numpy.random.Generator
    coefficients : array
        Of the columns.
    table : Table
    law : LawArrays
        Follows.
    state : StateArrays
        Own variances, prior precisions and log priors follow.
    room : Room
    """
    first, k, kinds = state.n_fixed, state.filled[0], len(law.rate)
    squares, numbers, sizes, used = room.counts[0], room.counts[1], room.sizes, room.used
    squares[:] = 0.0
    numbers[:] = 0.0
    for m in range(first, k):
        kind = min(state.part[m], 1)
        rate = (DEGREES + (coefficients[m] / law.scale[kind]) ** 2) / 2
        state.local[m] = rate / rng.standard_gamma((DEGREES + 1) / 2)
        squares[kind] += coefficients[m] ** 2 / state.local[m]
        numbers[kind] += 1.0
    for kind in range(kinds):
        common = (DEGREES * law.typical[kind] ** 2 + squares[kind]) / 2
        law.scale[kind] = math.sqrt(common / rng.standard_gamma((DEGREES + numbers[kind]) / 2))
    if len(table.column) > 0:
        numbers[:] = 0.0
        sizes[:] = 0.0
        used[:] = 0.0
        _draw_made(rng, table, law, state, room)
        _draw_unmade(rng, table, law, room)
        _draw_structure(rng, table, law, room)
    for m in range(first, k):
        state.precision[m] = 1 / (law.scale[min(state.part[m], 1)] ** 2 * state.local[m])
        state.log_prior[m] = log_odds(law, state.part[m], state.factors[m], state.size[m])


@register_jitable  # type: ignore[untyped-decorator]
def _draw_made(rng: Any, table: Any, law: Any, state: Any, room: Any) -> None:
    """Draw how many choices made each product that is in, and count them."""
    for m in range(state.n_fixed, state.filled[0]):
        rate = math.exp(log_rate(law, state.part[m], state.factors[m], state.size[m]))
        earliest = -math.log1p(rng.random() * math.expm1(-rate))  # of these choices, which by the end came
        made = 1 + rng.poisson(max(rate - earliest, 0.0))
        _count(table, min(state.part[m], 1), state.factors[m], state.size[m], made, room)


@register_jitable  # type: ignore[untyped-decorator]
def _draw_unmade(rng: Any, table: Any, law: Any, room: Any) -> None:
    """Draw choices, and count those that make no product."""
    total = 0.0
    for f in range(len(law.shares)):
        total += law.shares[f]
        room.informed[f] = total
    for kind in range(len(law.rate)):
        for _ in range(rng.poisson(law.rate[kind])):
            part = 0 if kind == 0 else 1 + int(rng.random() * (len(law.times) - 1))
            q, chosen = 1 + pick(rng, law.orders), room.factors
            chosen[:] = -1
            for f in range(q):
                low, high, u = 0, len(law.shares) - 1, rng.random() * total
                while low < high:  # the first whose cumulative share is above
                    middle = (low + high) // 2
                    if room.informed[middle] > u:
                        high = middle
                    else:
                        low = middle + 1
                insert(chosen, f, low)
            usable, _, _ = make_column(table, law, part, chosen, q, room)
            if not usable:
                _count(table, kind, chosen, q, 1, room)


@register_jitable  # type: ignore[untyped-decorator]
def _count(table: Any, kind: int, factors: Any, q: int, made: int, room: Any) -> None:
    """Count choices by kind, number of factors and features."""
    room.counts[1, kind] += made
    room.sizes[q - 1] += made
    for f in range(q):
        room.used[table.feature[factors[f]]] += made


@register_jitable  # type: ignore[untyped-decorator]
def _draw_structure(rng: Any, table: Any, law: Any, room: Any) -> None:
    """Draw expected numbers of choices, and probabilities of features and orders, given how many choices there were of each."""
    for kind in range(len(law.rate)):
        law.rate[kind] = rng.standard_gamma(1.0 + room.counts[1, kind]) / (1 / law.expected[kind] + 1)
    total = 0.0
    for j in range(len(law.weights)):
        law.weights[j] = rng.standard_gamma(SPARSE + room.used[j])
        total += law.weights[j]
    law.weights[:] /= total
    total = 0.0
    for j in range(len(law.orders)):
        law.orders[j] = rng.standard_gamma(law.order_counts[j] + room.sizes[j])
        total += law.orders[j]
    law.orders[:] /= total
    for f in range(len(law.shares)):
        law.log_factors[f] = table.log_share[f] + math.log(law.weights[table.feature[f]])
        law.shares[f] = math.exp(law.log_factors[f])
