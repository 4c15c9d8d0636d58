"""Births, deaths and changes of products of hinges given the target, for numba; `Law` states the products' prior.

Columns of a state are the fixed ones and, after them, one a product. What to propose is chosen by how well it would explain what
is left (Zanella 2020, J Am Stat Assoc 115:852): blind proposals among thousands of factors would hardly ever be accepted. A
product may be born in several ways; its death picks one of them at random as the birth to be undone, so that births and deaths
balance way by way (Green 1995, Biometrika 82:711, with the way as the auxiliary variable). Only compiling imports this module.
"""

from __future__ import annotations

import math
from typing import Any

from numba.extending import register_jitable

from medresponse.features.hinges import ABOVE, BELOW, LINE
from medresponse.inference.hinge_arrays import DEGREES, DONE, FULL, LEAST, SPARSE, STALE

# Births below the first, as many deaths; then changes within a feature, to any factor, and as many to one more and one less.
_BIRTH, _DEATH, _WITHIN, _CHANGE, _MORE = 0.3, 0.6, 0.7, 0.8, 0.9
_COPY = 0.2  # share of births that give a product's factors to another part
_NEW = 0.5  # share of the other births that begin a product rather than extend one
_BLIND = 0.1  # share of proposals by prior alone
_SAFE = 1e6  # condition up to which sums of squares may be computed as differences


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
    if k > first and parts > 1 and rng.random() < _COPY:
        source = first + int(rng.random() * (k - first))
        part = int(rng.random() * (parts - 1))
        part += part >= state.part[source]
        q = state.size[source]
        new[:] = state.factors[source]
        log_q = _log_copy(k - first, parts)
    else:
        part = 0
        if parts > 1 and rng.random() >= 0.5:
            part = 1 + int(rng.random() * (parts - 1))
        parents = _list_parents(state, -1, room)
        new[:] = -1
        if parents > 0 and rng.random() > _NEW:
            parent = room.parents[int(rng.random() * parents)]
            q = state.size[parent]
            new[:] = state.factors[parent]
        chances = _chances(table, law, state.weight, state.residual, part, new, q, room)
        if not chances:
            return True
        factor = _pick(rng, room.chances)
        log_q = _log_extension(part, q, parents, k - first, parts) + math.log(room.chances[factor])
        _insert(new, q, factor)
        q += 1
    if _find(state, part, new, -1) >= 0:
        return True
    usable, mean, sd = make_column(table, law, part, new, q, room)
    if not usable:
        return True
    local = DEGREES / 2 / rng.standard_gamma(DEGREES / 2)
    precision = 1 / (local * law.scale[min(part, 1)] ** 2)
    log_gain, schur, coefficient, safe = weigh(
        state, state.inverse, state.solution, state.residual, precision, room
    )
    log_prior = log_odds(law, part, new, q)
    # Of the deaths that are possible then, this one's probability.
    for m in range(first, k):
        variance = state.inverse[m, m] + room.solved[m] ** 2 / schur
        own = state.solution[m] - room.solved[m] * coefficient
        room.death[m] = _worth(variance, own, state.precision[m]) + state.log_prior[m]
    room.death[k] = _worth(1 / schur, coefficient, precision) + log_prior
    _death_law(room.death, first, k + 1)
    log_ratio = log_gain + log_prior + math.log(room.death[k] / _ways(state, new, q, -1)) - log_q
    if math.log(rng.random()) >= log_ratio:
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
        worth = _worth(state.inverse[m, m], state.solution[m], state.precision[m])
        room.death[m] = room.worth[m] = worth + state.log_prior[m]
    _death_law(room.death, first, k)
    m = first + _pick(rng, room.death[first:k])
    part, q, own = state.part[m], state.size[m], state.factors[m]
    ways = _ways(state, own, q, m)
    if ways == 0:
        return True
    way = int(rng.random() * ways)
    bound = math.log(rng.random()) + room.worth[m] + math.log(room.death[m] / ways)
    if bound >= 0:  # a birth's probability is at most one: refused whatever it is
        return True
    parent, factor = room.factors, -1
    for f in range(q):  # ways are extensions by one of the factors, in this order, then copies
        if _known_without(state, own, q, f, m):
            if way == 0:
                factor = own[f]
                _without(own, q, f, parent)
                break
            way -= 1
    left_out(state, m, room)
    if factor < 0:
        log_birth = _log_copy(k - first - 1, parts)
    else:
        _residual(state, room.solution, room.other)
        if not _chances(table, law, state.weight, room.other, part, parent, q - 1, room):
            return True
        if room.chances[factor] <= 0:
            return True
        parents = _list_parents(state, m, room)
        log_birth = _log_extension(part, q - 1, parents, k - first - 1, parts)
        log_birth += math.log(room.chances[factor])
    if bound >= log_birth:
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
        _without(state.factors[m], q, place, new)
    left_out(state, m, room)
    _residual(state, room.solution, room.other)
    if not _chances(table, law, state.weight, room.other, part, new, kept, room):
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
        chosen = _pick(rng, room.chances)
        _insert(new, kept, chosen)
        log_q -= math.log(room.chances[chosen])
    if more == 1:
        log_q -= math.log(q + 1.0)
    elif more == -1:
        log_q += math.log(1.0 * q)
    if _find(state, part, new, -1) >= 0:
        return True
    usable, mean, sd = make_column(table, law, part, new, q + more, room)
    if not usable:
        return True
    precision = state.precision[m]
    log_gain, schur, coefficient, safe = weigh(
        state, room.inverse, room.solution, room.other, precision, room
    )
    log_prior = log_odds(law, part, new, q + more)
    log_ratio = log_gain + log_prior - state.log_prior[m] + log_q
    log_ratio -= _worth(state.inverse[m, m], state.solution[m], precision)
    if math.log(rng.random()) >= log_ratio:
        return True
    inflation = _loss(state, m)
    state.size[m], state.mean[m], state.sd[m], state.log_prior[m] = q + more, mean, sd, log_prior
    state.factors[m] = new
    put(state, m, schur, coefficient, precision, room)
    return bool(safe) and inflation < _SAFE


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


# ---- linear algebra: everything given the coefficients integrated out


@register_jitable  # type: ignore[untyped-decorator]
def weigh(
    state: Any, inverse: Any, solution: Any, residual: Any, precision: float, room: Any
) -> tuple[float, float, float, bool]:
    """Return what the column in `room.values` adds to the log marginal likelihood of columns with this solution.

    Parameters
    ----------
    state : StateArrays
    inverse, solution : array
        Posterior covariance and mean of the columns' coefficients, 0 for one that is left out.
    residual : array
        Target less what they explain.
    precision : float
        Prior precision of the column's coefficient.
    room : Room
        Gets the column's products with the others, and its ridge regression on them under their priors.

    Returns
    -------
    gain, schur, coefficient, safe
        Schur is the posterior precision of its coefficient: what that regression leaves of it, and the prior precision; then
        its posterior mean, and whether columns are far enough from repeating each other to go on without solving anew.
    """
    k, n, values = state.filled[0], len(room.values), room.values
    vector, cross, solved = room.vector, room.cross, room.solved
    square = 0.0
    slope = 0.0
    for i in range(n):
        vector[i] = state.weight[i] * values[i]
        square += vector[i] * values[i]
        slope += vector[i] * residual[i]
    room.square[0] = square
    inflation = 1.0  # of a coefficient's variance, by the other columns
    for j in range(k):
        cross[j] = _dot(state.rows[j], vector)
        inflation = max(inflation, inverse[j, j] * (state.gram[j, j] + state.precision[j]))
    explained = 0.0
    for j in range(k):
        solved[j] = _dot(inverse[j, :k], cross[:k])
        explained += solved[j] * cross[j]
    schur = precision + square - explained
    safe = inflation * (square + precision) < _SAFE * schur
    if not safe:
        # The difference of two large numbers is lost to rounding. So as sums of squares and products of what is left of the
        # column, with one step of refinement.
        for step in range(2):
            left = room.left
            left[:] = values
            for j in range(k):
                if solved[j] != 0.0:
                    _subtract(left, solved[j], state.rows[j])
            if step == 0:
                for i in range(n):
                    vector[i] = state.weight[i] * left[i]
                for j in range(k):
                    room.lacking[j] = _dot(state.rows[j], vector) - state.precision[j] * solved[j]
                for j in range(k):
                    solved[j] += _dot(inverse[j, :k], room.lacking[:k])
        schur, slope = precision, 0.0
        for i in range(n):
            schur += state.weight[i] * room.left[i] ** 2
            slope += state.weight[i] * room.left[i] * residual[i]
        for j in range(k):
            schur += state.precision[j] * solved[j] ** 2
            slope += state.precision[j] * solved[j] * solution[j]
    gain = -0.5 * math.log(schur / precision) + 0.5 * slope**2 / schur
    return gain, schur, slope / schur, safe


@register_jitable  # type: ignore[untyped-decorator]
def left_out(state: Any, m: int, room: Any) -> None:
    """Put inverse and solution if column `m` went in the room, 0 for that column."""
    k, own = state.filled[0], state.inverse[m, m]
    for i in range(k):
        ratio = state.inverse[i, m] / own
        room.solution[i] = state.solution[i] - ratio * state.solution[m]
        for j in range(k):
            room.inverse[i, j] = state.inverse[i, j] - ratio * state.inverse[j, m]
    room.solution[m] = 0.0
    for i in range(k):
        room.inverse[i, m] = room.inverse[m, i] = 0.0


@register_jitable  # type: ignore[untyped-decorator]
def put(state: Any, m: int, schur: float, coefficient: float, precision: float, room: Any) -> None:
    """Put the column that was weighed in the place of `m`, which inverse and solution in the room are without.

    What is known of the column is in the room too. The count of columns has `m` already.
    """
    k, values = state.filled[0], room.values
    room.solved[m], room.cross[m] = -1.0, room.square[0]
    for i in range(k):
        ratio = room.solved[i] / schur
        state.solution[i] = room.solution[i] - room.solved[i] * coefficient
        state.gram[i, m] = state.gram[m, i] = room.cross[i]
        for j in range(k):
            state.inverse[i, j] = room.inverse[i, j] + ratio * room.solved[j]
    state.rows[m] = values
    state.right[m] = _dot(values, state.weighted)
    state.precision[m] = precision
    _residual(state, state.solution, state.residual)


@register_jitable  # type: ignore[untyped-decorator]
def take_out(state: Any, m: int, room: Any) -> bool:
    """Take a product out, without which inverse and solution are in the room; the last takes its place.

    Return whether rounding left enough of the inverse to go on.
    """
    kept = _loss(state, m)
    last = state.filled[0] - 1
    state.filled[0] = last
    for i in range(last):
        i_from = last if i == m else i
        state.solution[i] = room.solution[i_from]
        for j in range(last):
            state.inverse[i, j] = room.inverse[i_from, last if j == m else j]
    if m < last:
        for j in range(last):
            state.gram[m, j] = state.gram[j, m] = state.gram[last, j]
        state.gram[m, m] = state.gram[last, last]
        state.rows[m] = state.rows[last]
        state.factors[m] = state.factors[last]
        state.part[m], state.size[m] = state.part[last], state.size[last]
        state.right[m], state.precision[m] = state.right[last], state.precision[last]
        state.mean[m], state.sd[m] = state.mean[last], state.sd[last]
        state.local[m], state.log_prior[m] = state.local[last], state.log_prior[last]
    _residual(state, state.solution, state.residual)
    return kept < _SAFE


@register_jitable  # type: ignore[untyped-decorator]
def _loss(state: Any, m: int) -> float:
    """Return the largest share of rounding in the inverse without column `m`: how much larger the variance with it is."""
    worst, own = 1.0, state.inverse[m, m]
    for j in range(state.filled[0]):
        if j != m:
            before = state.inverse[j, j]
            after = before - state.inverse[j, m] ** 2 / own
            size = state.gram[j, j] + state.precision[j]
            worst = max(worst, before * size)  # no variance is below one over the size
            if after * size < 0.5:
                return math.inf
    return worst


@register_jitable  # type: ignore[untyped-decorator]
def _residual(state: Any, solution: Any, out: Any) -> None:
    """Compute the target less what the columns explain with these coefficients."""
    out[:] = state.target
    for j in range(state.filled[0]):
        if solution[j] != 0.0:
            _subtract(out, solution[j], state.rows[j])


@register_jitable  # type: ignore[untyped-decorator]
def _dot(one: Any, other: Any) -> float:
    total = 0.0
    for i in range(len(one)):
        total += one[i] * other[i]
    return total


@register_jitable  # type: ignore[untyped-decorator]
def _subtract(out: Any, times: float, values: Any) -> None:
    for i in range(len(out)):
        out[i] -= times * values[i]


@register_jitable  # type: ignore[untyped-decorator]
def _worth(variance: float, coefficient: float, precision: float) -> float:
    """Return what a product that is in adds to the log marginal likelihood."""
    return 0.5 * math.log(variance * precision) + 0.5 * coefficient**2 / variance


# ---- proposals


@register_jitable  # type: ignore[untyped-decorator]
def _chances(
    table: Any, law: Any, weight: Any, residual: Any, part: int, parent: Any, q: int, room: Any
) -> bool:
    """Compute probabilities of the factors to put beside a parent: the prior times a root of what each would gain.

    Return whether there is any.
    """
    if part > 0:
        for f in range(q):
            if law.banned[parent[f]]:
                return False
    slot = _moments(table, parent, q, room)
    vector, total, mean_weight = room.vector, 0.0, 0.0
    times = law.times[part]
    for i in range(len(vector)):
        vector[i] = weight[i] * residual[i] * times[i]
        total += vector[i]
        mean_weight += weight[i]
    within = total
    if q > 0:
        multiply(table, parent, q, vector)
        within = 0.0
        for i in range(len(vector)):
            within += vector[i]
    chances = room.chances
    inner_products(table, vector, within, room.sums, chances)
    prior = 1 / law.scale[min(part, 1)] ** 2
    curvature = mean_weight * law.square[part] + prior
    shift, half = 0.5 * math.log(curvature / prior), 0.5 / curvature
    top, blind = -math.inf, 0.0
    mean, inverse_sd = room.means[slot], room.inverse_sds[slot]
    for f in range(len(chances)):
        usable = inverse_sd[f] > 0 and not (part > 0 and law.banned[f])
        if usable:
            slope = (chances[f] - mean[f] * total) * inverse_sd[f]
            gain = half * slope**2 - shift
            chances[f] = law.log_factors[f] + 0.5 * min(max(gain, -6.0), 60.0)
            top = max(top, chances[f])
            blind += law.shares[f]
        else:
            chances[f] = -math.inf
    if top == -math.inf:
        return False
    informed = 0.0
    for f in range(len(chances)):
        room.informed[f] = math.exp(chances[f] - top) if chances[f] > top - 700.0 else 0.0
        informed += room.informed[f]
    for f in range(len(chances)):
        own = law.shares[f] if chances[f] > -math.inf else 0.0
        chances[f] = (1 - _BLIND) * room.informed[f] / informed + _BLIND * own / blind
    return True


@register_jitable  # type: ignore[untyped-decorator]
def _moments(table: Any, parent: Any, q: int, room: Any) -> int:
    """Return where in the room mean and inverse standard deviation of every factor times the parent's product are.

    The inverse standard deviation is 0 for factors not to be used: those of the parent's own features, and those whose product
    hardly varies.
    """
    slots, code = len(room.keys), q
    for f in range(q):
        code = (code * 1_000_003 + parent[f]) % 2_147_483_647
    slot = code % slots
    known = room.keys[slot, 0] == q
    for f in range(q):
        known = known and room.keys[slot, 1 + f] == parent[f]
    if known:
        return slot
    room.keys[slot, 0] = q
    room.keys[slot, 1 : 1 + q] = parent[:q]
    write_moments(table, parent, q, room.left, room.sums, room.means[slot], room.inverse_sds[slot])
    return slot


@register_jitable  # type: ignore[untyped-decorator]
def write_moments(
    table: Any, parent: Any, q: int, product: Any, sums: Any, mean: Any, inverse_sd: Any
) -> None:
    """Compute mean and inverse standard deviation of every factor times the product of some, 0 for those not to be used.

    Parameters
    ----------
    table : Table
    parent : array
        The product's factors, as many as `q` says.
    q : int
    product, sums : array
        Room for the product, and for sums in bins.
    mean, inverse_sd : array
        Written to.
    """
    n = len(product)
    product[:] = 1.0
    multiply(table, parent, q, product)
    total = 0.0
    for i in range(n):
        total += product[i]
    inner_products(table, product, total, sums, mean)
    total = 0.0
    for i in range(n):
        product[i] *= product[i]
        total += product[i]
    _squares(table, product, total, sums, inverse_sd)
    for f in range(len(mean)):
        mean[f] /= n
        variance = inverse_sd[f] / n - mean[f] ** 2
        inverse_sd[f] = 1 / math.sqrt(variance) if variance > LEAST else 0.0
        for g in range(q):
            if table.feature[parent[g]] == table.feature[f]:
                inverse_sd[f] = 0.0


@register_jitable  # type: ignore[untyped-decorator]
def _log_copy(products: int, parts: int) -> float:
    return math.log(_COPY / products / (parts - 1))


@register_jitable  # type: ignore[untyped-decorator]
def _log_extension(part: int, q: int, parents: int, products: int, parts: int) -> float:
    """Return the log probability of the part and parent, of `q` factors, of a birth that is no copy."""
    log_q = math.log(1 - _COPY) if products > 0 and parts > 1 else 0.0
    if parts > 1:
        log_q += math.log(0.5 if part == 0 else 0.5 / (parts - 1))
    if parents > 0:
        log_q += math.log((1 - _NEW) / parents if q > 0 else _NEW)
    return log_q


@register_jitable  # type: ignore[untyped-decorator]
def _list_parents(state: Any, gone: int, room: Any) -> int:
    """List columns of products with room for a factor more, each set of factors once; return their number."""
    found = 0
    for m in range(state.n_fixed, state.filled[0]):
        if m == gone or state.size[m] == state.factors.shape[1]:
            continue
        new = True
        for p in range(found):
            if _same(state.factors[room.parents[p]], state.factors[m]):
                new = False
                break
        if new:
            room.parents[found] = m
            found += 1
    return found


@register_jitable  # type: ignore[untyped-decorator]
def _ways(state: Any, own: Any, q: int, gone: int) -> int:
    """Return in how many ways a product could be born beside the others: extensions, and copies of one in another part."""
    ways = 0
    for f in range(q):
        ways += _known_without(state, own, q, f, gone)
    for m in range(state.n_fixed, state.filled[0]):
        ways += m != gone and _same(state.factors[m], own)
    return ways


@register_jitable  # type: ignore[untyped-decorator]
def _known_without(state: Any, own: Any, q: int, place: int, gone: int) -> bool:
    """Say whether a product without one of its factors is empty, or one that is in, in whatever part."""
    if q == 1:
        return True
    for m in range(state.n_fixed, state.filled[0]):
        if m == gone or state.size[m] != q - 1:
            continue
        same, shift = True, 0
        for f in range(q - 1):
            shift = 1 if f >= place else 0
            if state.factors[m, f] != own[f + shift]:
                same = False
                break
        if same:
            return True
    return False


@register_jitable  # type: ignore[untyped-decorator]
def _find(state: Any, part: int, factors: Any, gone: int) -> int:
    """Return the column of a product that is in, -1 if it is not."""
    for m in range(state.n_fixed, state.filled[0]):
        if m != gone and state.part[m] == part and _same(state.factors[m], factors):
            return m
    return -1


@register_jitable  # type: ignore[untyped-decorator]
def _same(one: Any, other: Any) -> bool:
    for f in range(len(one)):
        if one[f] != other[f]:
            return False
    return True


@register_jitable  # type: ignore[untyped-decorator]
def _insert(factors: Any, q: int, factor: int) -> None:
    """Put a factor among `q` others in ascending order."""
    place = q
    while place > 0 and factors[place - 1] > factor:
        factors[place] = factors[place - 1]
        place -= 1
    factors[place] = factor


@register_jitable  # type: ignore[untyped-decorator]
def _without(factors: Any, q: int, place: int, out: Any) -> None:
    """Copy factors but for one."""
    out[:] = -1
    for f in range(q - 1):
        out[f] = factors[f + (1 if f >= place else 0)]


@register_jitable  # type: ignore[untyped-decorator]
def _death_law(values: Any, start: int, stop: int) -> None:
    """Turn what products are worth into probabilities to be the one that might die: most for those worth least."""
    total = 0.0
    for m in range(start, stop):
        values[m] = math.exp(-0.5 * min(max(values[m], -10.0), 30.0))
        total += values[m]
    for m in range(start, stop):
        values[m] = (1 - _BLIND) * values[m] / total + _BLIND / (stop - start)


@register_jitable  # type: ignore[untyped-decorator]
def _pick(rng: Any, weights: Any) -> int:
    """Return a position with probability proportional to its weight."""
    total = 0.0
    for weight in weights:
        total += weight
    rest, last = rng.random() * total, 0
    for f in range(len(weights)):
        if weights[f] > 0:
            last = f
            rest -= weights[f]
            if rest < 0:
                break
    return last


# ---- factors and their products


@register_jitable  # type: ignore[untyped-decorator]
def multiply(table: Any, factors: Any, q: int, out: Any) -> None:
    """Multiply numbers of patients by some factors."""
    for f in range(q):
        factor = factors[f]
        x, knot, shape = table.x[table.column[factor]], table.knot[factor], table.shape[factor]
        if shape == LINE:
            for i in range(len(out)):
                out[i] *= x[i]
        elif shape == ABOVE:
            for i in range(len(out)):
                out[i] *= max(x[i] - knot, 0.0)
        elif shape == BELOW:
            for i in range(len(out)):
                out[i] *= max(knot - x[i], 0.0)
        else:
            for i in range(len(out)):
                out[i] *= 1.0 if x[i] > knot else 0.0


@register_jitable  # type: ignore[untyped-decorator]
def make_column(
    table: Any, law: Any, part: int, factors: Any, q: int, room: Any
) -> tuple[bool, float, float]:
    """Put a product's column in the room; return whether it may be used, and what it is standardised by.

    `Law.column` says which may.
    """
    for f in range(q):
        if part > 0 and law.banned[factors[f]]:
            return False, 0.0, 1.0
        for g in range(f):
            if table.feature[factors[f]] == table.feature[factors[g]]:
                return False, 0.0, 1.0
    values, n = room.values, len(room.values)
    values[:] = 1.0
    multiply(table, factors, q, values)
    some, total, square = 0, 0.0, 0.0
    for i in range(n):
        some += values[i] != 0.0
        total += values[i]
        square += values[i] * values[i]
    mean = total / n
    variance = square / n - mean**2
    if some < law.min_patients or variance <= LEAST:
        return False, 0.0, 1.0
    sd = math.sqrt(variance)
    times = law.times[part]
    least = law.min_patients / 3 if part == 0 else 1.0 * law.min_patients
    usable = True
    for side in range(1 if part == 0 else 2):
        sign = 1.0 - 2.0 * side
        squares, fourths = 0.0, 0.0
        for i in range(n):
            own = ((values[i] - mean) / sd) ** 2 if sign * times[i] > 0 else 0.0
            squares += own
            fourths += own * own
        usable = usable and squares**2 >= least * fourths
    for i in range(n):
        values[i] = (values[i] - mean) / sd * times[i]
    return usable, mean, sd


@register_jitable  # type: ignore[untyped-decorator]
def log_odds(law: Any, part: int, factors: Any, q: int) -> float:
    """Return the log odds of a product to be made by some choice."""
    log_rate = _log_rate(law, part, factors, q)
    return math.log(math.expm1(math.exp(log_rate))) if log_rate > -18.0 else log_rate


@register_jitable  # type: ignore[untyped-decorator]
def _log_rate(law: Any, part: int, factors: Any, q: int) -> float:
    """Return the log of the expected number of choices that make a product."""
    rate = law.rate[0] if part == 0 else law.rate[1] / (len(law.times) - 1)
    log_rate = math.log(rate * law.orders[q - 1])
    for f in range(q):
        log_rate += law.log_factors[factors[f]] + math.log(
            f + 1.0
        )  # orders in which they could have been chosen
    return log_rate


@register_jitable  # type: ignore[untyped-decorator]
def inner_products(table: Any, vector: Any, total: float, sums: Any, out: Any) -> None:
    """Compute the inner product of every factor with a vector.

    A factor is linear between its column's knots: it needs sums of the vector, and of the vector times the column, over the
    patients above each knot. Where all patients of a bin between knots have one value, the second is that times the first; and
    such a bin's sum, if it is its column's fullest, is the total less the others'.

    Parameters
    ----------
    table : Table
    vector : array
        Shape (patient,).
    total : float
        Its sum.
    sums : array
        Room, shape (3, bin).
    out : array
        Written to, shape (factor,).
    """
    for c in range(len(table.first_factor) - 1):
        _sums(table, c, vector, total, sums, False)
        first, knots = table.first_factor[c], table.first_bin[c + 1] - table.first_bin[c] - 1
        many = table.first_factor[c + 1] - first
        whole = 0.0
        for b in range(knots + 1):
            whole += sums[1, b]
        above, times = 0.0, 0.0
        for b in range(knots - 1, -1, -1):
            above += sums[0, b + 1]
            times += sums[1, b + 1]
            out[first + b] = above
            if many > knots + 1:
                knot = table.knot[first + b]
                out[first + knots + 1 + b] = times - knot * above
                out[first + 2 * knots + 1 + b] = knot * (total - above) - (whole - times)
        if many > knots:
            out[first + knots] = whole


@register_jitable  # type: ignore[untyped-decorator]
def _squares(table: Any, vector: Any, total: float, sums: Any, out: Any) -> None:
    """Compute the inner product of every factor's square with a vector."""
    for c in range(len(table.first_factor) - 1):
        _sums(table, c, vector, total, sums, True)
        first, knots = table.first_factor[c], table.first_bin[c + 1] - table.first_bin[c] - 1
        many = table.first_factor[c + 1] - first
        whole, second = 0.0, 0.0
        for b in range(knots + 1):
            whole += sums[1, b]
            second += sums[2, b]
        above, times, square = 0.0, 0.0, 0.0
        for b in range(knots - 1, -1, -1):
            above += sums[0, b + 1]
            times += sums[1, b + 1]
            square += sums[2, b + 1]
            out[first + b] = above
            if many > knots + 1:
                knot = table.knot[first + b]
                out[first + knots + 1 + b] = square - 2 * knot * times + knot**2 * above
                below = knot**2 * (total - above) - 2 * knot * (whole - times) + (second - square)
                out[first + 2 * knots + 1 + b] = below
        if many > knots:
            out[first + knots] = second


@register_jitable  # type: ignore[untyped-decorator]
def _sums(table: Any, c: int, vector: Any, total: float, sums: Any, squares: bool) -> None:
    """Compute sums in one column's bins of a vector, of it times the column and, if asked for, times its square."""
    start, stop = table.first_bin[c], table.first_bin[c + 1]
    rest = total
    for b in range(start, stop):
        if b == table.fullest[c]:
            continue
        zero, one, two = 0.0, 0.0, 0.0
        if table.single[b]:
            for r in range(table.first_patient[b], table.first_patient[b + 1]):
                zero += vector[table.patients[r]]
            one = zero * table.level[b]
            two = one * table.level[b]
        else:
            for r in range(table.first_patient[b], table.first_patient[b + 1]):
                own = vector[table.patients[r]]
                zero += own
                own *= table.values[r]
                one += own
                if squares:
                    two += own * table.values[r]
        rest -= zero
        sums[0, b - start], sums[1, b - start], sums[2, b - start] = zero, one, two
    if table.fullest[c] >= 0:
        b = table.fullest[c] - start
        level = table.level[table.fullest[c]]
        sums[0, b], sums[1, b], sums[2, b] = rest, rest * level, rest * level**2


# ---- what is unknown of the law


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
        rate = math.exp(_log_rate(law, state.part[m], state.factors[m], state.size[m]))
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
            q, chosen = 1 + _pick(rng, law.orders), room.factors
            chosen[:] = -1
            for f in range(q):
                low, high, u = 0, len(law.shares) - 1, rng.random() * total
                while low < high:  # the first whose cumulative share is above
                    middle = (low + high) // 2
                    if room.informed[middle] > u:
                        high = middle
                    else:
                        low = middle + 1
                _insert(chosen, f, low)
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
