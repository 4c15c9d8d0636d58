"""How births, deaths and changes of products of hinges are proposed, and how probable each proposal was, for numba.

What to propose is chosen by how well it would explain what is left (Zanella 2020, J Am Stat Assoc 115:852): blind proposals
among thousands of factors would hardly ever be accepted. Only compiling imports this module.
"""

from __future__ import annotations

import math
from typing import Any

from numba.extending import register_jitable

from medresponse.inference.hinge_products import inner_products, multiply, write_moments

COPY = 0.2  # share of births that give a product's factors to another part
NEW = 0.5  # share of the other births that begin a product rather than extend one
_BLIND = 0.1  # share of proposals by prior alone


@register_jitable  # type: ignore[untyped-decorator]
def find_chances(
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
def log_copy(products: int, parts: int) -> float:
    """Return the log probability of a birth that gives one product's factors to another part."""
    return math.log(COPY / products / (parts - 1))


@register_jitable  # type: ignore[untyped-decorator]
def log_extension(part: int, q: int, parents: int, products: int, parts: int) -> float:
    """Return the log probability of the part and parent, of `q` factors, of a birth that is no copy."""
    log_q = math.log(1 - COPY) if products > 0 and parts > 1 else 0.0
    if parts > 1:
        log_q += math.log(0.5 if part == 0 else 0.5 / (parts - 1))
    if parents > 0:
        log_q += math.log((1 - NEW) / parents if q > 0 else NEW)
    return log_q


@register_jitable  # type: ignore[untyped-decorator]
def list_parents(state: Any, gone: int, room: Any) -> int:
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
def count_ways(state: Any, own: Any, q: int, gone: int) -> int:
    """Return in how many ways a product could be born beside the others: extensions, and copies of one in another part."""
    ways = 0
    for f in range(q):
        ways += known_without(state, own, q, f, gone)
    for m in range(state.n_fixed, state.filled[0]):
        ways += m != gone and _same(state.factors[m], own)
    return ways


@register_jitable  # type: ignore[untyped-decorator]
def known_without(state: Any, own: Any, q: int, place: int, gone: int) -> bool:
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
def find_product(state: Any, part: int, factors: Any) -> int:
    """Return the column of a product that is in, -1 if it is not."""
    for m in range(state.n_fixed, state.filled[0]):
        if state.part[m] == part and _same(state.factors[m], factors):
            return m
    return -1


@register_jitable  # type: ignore[untyped-decorator]
def _same(one: Any, other: Any) -> bool:
    for f in range(len(one)):
        if one[f] != other[f]:
            return False
    return True


@register_jitable  # type: ignore[untyped-decorator]
def insert(factors: Any, q: int, factor: int) -> None:
    """Put a factor among `q` others in ascending order."""
    place = q
    while place > 0 and factors[place - 1] > factor:
        factors[place] = factors[place - 1]
        place -= 1
    factors[place] = factor


@register_jitable  # type: ignore[untyped-decorator]
def leave_out(factors: Any, q: int, place: int, out: Any) -> None:
    """Copy factors but for one."""
    out[:] = -1
    for f in range(q - 1):
        out[f] = factors[f + (1 if f >= place else 0)]


@register_jitable  # type: ignore[untyped-decorator]
def death_law(values: Any, start: int, stop: int) -> None:
    """Turn what products are worth into probabilities to be the one that might die: most for those worth least."""
    total = 0.0
    for m in range(start, stop):
        values[m] = math.exp(-0.5 * min(max(values[m], -10.0), 30.0))
        total += values[m]
    for m in range(start, stop):
        values[m] = (1 - _BLIND) * values[m] / total + _BLIND / (stop - start)


@register_jitable  # type: ignore[untyped-decorator]
def pick(rng: Any, weights: Any) -> int:
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
