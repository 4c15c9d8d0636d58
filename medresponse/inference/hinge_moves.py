"""Births, deaths and changes of products of hinges given the target, for numba; `Law` states the products' prior.

Columns of a state are the fixed ones and, after them, one a product. A product may be born in several ways; its death picks one
of them at random as the birth to be undone, so that births and deaths balance way by way (Green 1995, Biometrika 82:711, with the
way as the auxiliary variable). Only compiling imports this module.
"""

from __future__ import annotations

import math
from typing import Any

from numba.extending import register_jitable

from medresponse.inference.hinge_algebra import (
    find_residual,
    inflation_without,
    left_out,
    put,
    take_out,
    weigh,
    worth_of,
)
from medresponse.inference.hinge_arrays import DEGREES, DONE, FULL, STALE
from medresponse.inference.hinge_products import log_odds, make_column
from medresponse.inference.hinge_proposals import (
    COPY,
    NEW,
    count_ways,
    death_law,
    find_chances,
    find_product,
    insert,
    known_without,
    leave_out,
    list_parents,
    log_copy,
    log_extension,
    pick,
)

# Births below the first, as many deaths; then changes within a feature, to any factor, and as many to one more and one less.
_BIRTH, _DEATH, _WITHIN, _CHANGE, _MORE = 0.3, 0.6, 0.7, 0.8, 0.9


def make_moves(rng: Any, moves: int, table: Any, law: Any, state: Any, room: Any, outcome: Any) -> None:
    """Make some moves, fewer if the state must be computed from scratch or has no room for one product more.

    Parameters
    ----------
    rng : numpy.random.Generator
    moves : int
    table : Table
    law : LawArrays
    state : StateArrays
        Follows.
    room : Room
    outcome : array
        For how many moves were made, and `DONE`, `STALE` or `FULL`.
    """
    outcome[0], outcome[1] = 0, DONE
    if len(table.column) == 0:
        outcome[0] = moves
        return
    while outcome[0] < moves:
        if state.filled[0] == len(state.rows):
            outcome[1] = FULL
            return
        outcome[0] += 1
        kind = rng.random()
        if kind < _BIRTH:
            safe = _birth(rng, table, law, state, room)
        elif kind < _DEATH:
            safe = _death(rng, table, law, state, room)
        else:
            more = 0 if kind < _CHANGE else 1 if kind < _MORE else -1
            safe = _change(rng, more, kind < _WITHIN, table, law, state, room)
        if not safe:
            outcome[1] = STALE
            return


@register_jitable  # type: ignore[untyped-decorator]
def _birth(rng: Any, table: Any, law: Any, state: Any, room: Any) -> bool:
    """Propose one more product; return whether the state can be relied on."""
    k, first, parts = state.filled[0], state.n_fixed, len(law.times)
    new, q = room.factors, 0
    if k > first and parts > 1 and rng.random() < COPY:
        source = first + int(rng.random() * (k - first))
        part = int(rng.random() * (parts - 1))
        part += part >= state.part[source]
        q = state.size[source]
        new[:] = state.factors[source]
        log_q = log_copy(k - first, parts)
    else:
        part = 0
        if parts > 1 and rng.random() >= 0.5:
            part = 1 + int(rng.random() * (parts - 1))
        parents = list_parents(state, -1, room)
        new[:] = -1
        if parents > 0 and rng.random() > NEW:
            parent = room.parents[int(rng.random() * parents)]
            q = state.size[parent]
            new[:] = state.factors[parent]
        chances = find_chances(table, law, state.weight, state.residual, part, new, q, room)
        if not chances:
            return True
        factor = pick(rng, room.chances)
        log_q = log_extension(part, q, parents, k - first, parts) + math.log(room.chances[factor])
        insert(new, q, factor)
        q += 1
    if find_product(state, part, new) >= 0:
        return True
    usable, mean, sd = make_column(table, law, part, new, q, room)
    if not usable:
        return True
    local = DEGREES / 2 / rng.standard_gamma(DEGREES / 2)
    precision = 1 / (local * law.scale[min(part, 1)] ** 2)
    log_gain, schur, coefficient, safe = weigh(
        state, state.inverse, state.solution, state.residual, precision, 1.0, room
    )
    log_prior = log_odds(law, part, new, q)
    # Of the deaths that are possible then, this one's probability.
    for m in range(first, k):
        variance = state.inverse[m, m] + room.solved[m] ** 2 / schur
        own = state.solution[m] - room.solved[m] * coefficient
        room.death[m] = worth_of(variance, own, state.precision[m]) + state.log_prior[m]
    room.death[k] = worth_of(1 / schur, coefficient, precision) + log_prior
    death_law(room.death, first, k + 1)
    log_ratio = log_gain + log_prior + math.log(room.death[k] / count_ways(state, new, q, -1)) - log_q
    if not math.log(rng.random()) < log_ratio:  # NaN too
        return True
    state.part[k], state.size[k], state.factors[k] = part, q, new
    state.mean[k], state.sd[k], state.local[k], state.log_prior[k] = mean, sd, local, log_prior
    state.filled[0] += 1
    for i in range(k):
        room.solution[i] = state.solution[i]
        room.inverse[i, k] = room.inverse[k, i] = 0.0
        for j in range(k):
            room.inverse[i, j] = state.inverse[i, j]
    room.solution[k] = room.inverse[k, k] = 0.0
    put(state, k, schur, coefficient, precision, room)
    return bool(safe)


@register_jitable  # type: ignore[untyped-decorator]
def _death(rng: Any, table: Any, law: Any, state: Any, room: Any) -> bool:
    """Propose to take a product out; return whether the state can be relied on."""
    k, first, parts = state.filled[0], state.n_fixed, len(law.times)
    if k == first:
        return True
    for m in range(first, k):
        worth = worth_of(state.inverse[m, m], state.solution[m], state.precision[m])
        room.death[m] = room.worth[m] = worth + state.log_prior[m]
    death_law(room.death, first, k)
    m = first + pick(rng, room.death[first:k])
    part, q, own = state.part[m], state.size[m], state.factors[m]
    ways = count_ways(state, own, q, m)
    if ways == 0:
        return True
    way = int(rng.random() * ways)
    bound = math.log(rng.random()) + room.worth[m] + math.log(room.death[m] / ways)
    if not bound < 0:  # NaN, or a birth's probability is at most one: refused whatever it is
        return True
    parent, factor = room.factors, -1
    for f in range(q):  # ways are extensions by one of the factors, in this order, then copies
        if known_without(state, own, q, f, m):
            if way == 0:
                factor = own[f]
                leave_out(own, q, f, parent)
                break
            way -= 1
    left_out(state, m, room)
    if factor < 0:
        log_birth = log_copy(k - first - 1, parts)
    else:
        find_residual(state, room.solution, room.other)
        if not find_chances(table, law, state.weight, room.other, part, parent, q - 1, room):
            return True
        if room.chances[factor] <= 0:
            return True
        parents = list_parents(state, m, room)
        log_birth = log_extension(part, q - 1, parents, k - first - 1, parts)
        log_birth += math.log(room.chances[factor])
    if not bound < log_birth:
        return True
    return bool(take_out(state, m, room))


@register_jitable  # type: ignore[untyped-decorator]
def _change(rng: Any, more: int, within: bool, table: Any, law: Any, state: Any, room: Any) -> bool:
    """Propose other factors for a product: one in the place of another, of the same feature or of any, one more, or one less.

    Return whether the state can be relied on. What a few patients tell apart, as a product and the same times a step that nearly
    all have, one factor more or less tells apart: by births and deaths the one would have to stand beside the other, which neither
    likelihood nor prior favours. To undo a move, the product is chosen as before, as many being in the part, and the state without
    it is the same, and so the chances of factors to be put in. A factor more is undone by taking it out among all that are then
    there. The own variance of the coefficient stays (Green 1995, Biometrika 82:711).

    Parameters
    ----------
    rng : numpy.random.Generator
    more : int
        Factors more than there were: -1, 0 or 1.
    within : bool
        Whether the new factor is of the feature of the old.
    table, law, state, room : Table, LawArrays, StateArrays, Room
    """
    m = _one(rng, len(law.times) > 1, state)
    if m < 0:
        return True
    part, q, new = state.part[m], state.size[m], room.factors
    if q + more == 0 or q + more > len(new):
        return True
    factor, kept = -1, q
    new[:] = state.factors[m]
    if more < 1:
        place = int(rng.random() * q)
        factor, kept = state.factors[m, place], q - 1
        leave_out(state.factors[m], q, place, new)
    left_out(state, m, room)
    find_residual(state, room.solution, room.other)
    if not find_chances(table, law, state.weight, room.other, part, new, kept, room):
        return True
    if within:
        feature = table.feature[factor]
        for f in range(len(room.chances)):
            if table.feature[f] != feature:
                room.chances[f] = 0.0
    if factor >= 0 and room.chances[factor] <= 0:
        return True
    # Log probability to propose what was, given what will be, less the reverse.
    log_q = math.log(room.chances[factor]) if factor >= 0 else 0.0
    if more >= 0:
        chosen = pick(rng, room.chances)
        insert(new, kept, chosen)
        log_q -= math.log(room.chances[chosen])
    if more == 1:
        log_q -= math.log(q + 1.0)
    elif more == -1:
        log_q += math.log(1.0 * q)
    if find_product(state, part, new) >= 0:
        return True
    usable, mean, sd = make_column(table, law, part, new, q + more, room)
    if not usable:
        return True
    precision, inflation = state.precision[m], inflation_without(state, m)
    log_gain, schur, coefficient, safe = weigh(
        state, room.inverse, room.solution, room.other, precision, inflation, room
    )
    log_prior = log_odds(law, part, new, q + more)
    log_ratio = log_gain + log_prior - state.log_prior[m] + log_q
    log_ratio -= worth_of(state.inverse[m, m], state.solution[m], precision)
    if not math.log(rng.random()) < log_ratio:  # NaN too
        return True
    state.size[m], state.mean[m], state.sd[m], state.log_prior[m] = q + more, mean, sd, log_prior
    state.factors[m] = new
    put(state, m, schur, coefficient, precision, room)
    return bool(safe)


@register_jitable  # type: ignore[untyped-decorator]
def _one(rng: Any, effects: bool, state: Any) -> int:
    """Choose a column of the prognosis or, as often, of an effect, -1 if it has none: effects are few, and what is asked for."""
    wanted = 1 if effects and rng.random() < 0.5 else 0
    number = 0
    for m in range(state.n_fixed, state.filled[0]):
        number += min(state.part[m], 1) == wanted
    rest = int(rng.random() * number)
    for m in range(state.n_fixed, state.filled[0]):
        if min(state.part[m], 1) == wanted:
            if rest == 0:
                return m
            rest -= 1
    return -1
