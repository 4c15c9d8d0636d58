"""Columns of products of hinges, their log prior odds and inner products with every factor at once, for numba.

Only compiling imports this module.
"""

from __future__ import annotations

import math
from typing import Any

from numba.extending import register_jitable

from medresponse.features.hinges import ABOVE, BELOW, LINE
from medresponse.inference.hinge_arrays import LEAST


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
    log = log_rate(law, part, factors, q)
    return math.log(math.expm1(math.exp(log))) if log > -18.0 else log


@register_jitable  # type: ignore[untyped-decorator]
def log_rate(law: Any, part: int, factors: Any, q: int) -> float:
    """Return the log of the expected number of choices that make a product."""
    rate = law.rate[0] if part == 0 else law.rate[1] / (len(law.times) - 1)
    log = math.log(rate * law.orders[q - 1])
    for f in range(q):
        log += law.log_factors[factors[f]] + math.log(f + 1.0)  # orders in which they could have been chosen
    return log


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
