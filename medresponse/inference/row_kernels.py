"""Loops over patients' rows: log-likelihoods of canonical form and their gradients in one pass, for numba.

Rows come treatment by treatment, in blocks that fit the processor's nearest memory: a block's predictors, their
log-likelihood and its gradient are done before the next block is read, so that a gradient reads the columns once. Sums are
reordered so that they can be vectorised; infinities and NaN keep their meaning. Only compiling imports this module.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

BLOCK = 64  # rows

# exp(x) = 2^k exp(r), r = x - k log 2 within half of log 2; the sum of r^j / j! up to j = 13 is then exact to 1e-17.
_SHIFT = 6755399441055744.0  # 1.5 * 2^52: a number added to it is rounded to a whole one, which stands in its last bits
_LOG2E = 1.4426950408889634
_LOG2_HIGH, _LOG2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10  # log 2 in two parts (fdlibm)
_C3, _C4, _C5, _C6, _C7, _C8 = (1 / math.factorial(j) for j in range(3, 9))
_C9, _C10, _C11, _C12, _C13 = (1 / math.factorial(j) for j in range(9, 14))
_LARGEST, _SMALLEST = 709.0, -708.0

sums = njit(fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
exact = njit(fastmath={"contract"}, error_model="numpy")


@exact  # type: ignore[untyped-decorator]
def exponentials(x: Any, out: Any, shifted: Any, power: Any, n: int) -> None:
    """Put exp(x) into `out`; beyond 709 infinity, below -708 zero. A loop each, which LLVM vectorises."""
    whole, bits = shifted.view(np.int64), power.view(np.int64)
    for i in range(n):
        shifted[i] = min(max(x[i], _SMALLEST), _LARGEST) * _LOG2E + _SHIFT
    for i in range(n):
        bits[i] = (whole[i] + 1023) << 52  # 2^k as a float
    for i in range(n):
        k = shifted[i] - _SHIFT
        r = (x[i] - k * _LOG2_HIGH) - k * _LOG2_LOW
        p = _C13 * r + _C12
        p = p * r + _C11
        p = p * r + _C10
        p = p * r + _C9
        p = p * r + _C8
        p = p * r + _C7
        p = p * r + _C6
        p = p * r + _C5
        p = p * r + _C4
        p = p * r + _C3
        p = p * r + 0.5
        value = ((p * r) * r + r + 1.0) * power[i]
        value = np.inf if x[i] > _LARGEST else value
        out[i] = 0.0 if x[i] < _SMALLEST else value


@sums  # type: ignore[untyped-decorator]
def add_products(columns: Any, first: int, n: int, theta: Any, out: Any) -> None:
    """Add each row's product with `theta` to `out`, four rows at a time."""
    p, i = len(theta), 0
    while i + 4 <= n:
        at = first + i
        a, b, c, d = columns[at], columns[at + 1], columns[at + 2], columns[at + 3]
        s, t, u, v = 0.0, 0.0, 0.0, 0.0
        for j in range(p):
            s += a[j] * theta[j]
            t += b[j] * theta[j]
            u += c[j] * theta[j]
            v += d[j] * theta[j]
        out[i] += s
        out[i + 1] += t
        out[i + 2] += u
        out[i + 3] += v
        i += 4
    while i < n:
        a, s = columns[first + i], 0.0
        for j in range(p):
            s += a[j] * theta[j]
        out[i] += s
        i += 1


@sums  # type: ignore[untyped-decorator]
def add_weighted(columns: Any, first: int, n: int, slope: Any, out: Any) -> None:
    """Add rows times their `slope` to `out`, four rows at a time."""
    p, i = len(out), 0
    while i + 4 <= n:
        at = first + i
        a, b, c, d = columns[at], columns[at + 1], columns[at + 2], columns[at + 3]
        s, t, u, v = slope[i], slope[i + 1], slope[i + 2], slope[i + 3]
        for j in range(p):
            out[j] += s * a[j] + t * b[j] + u * c[j] + v * d[j]
        i += 4
    while i < n:
        a, s = columns[first + i], slope[i]
        for j in range(p):
            out[j] += s * a[j]
        i += 1


@sums  # type: ignore[untyped-decorator]
def logit(eta: Any, events: Any, weight: Any, slope: Any, work: Any, n: int) -> float:
    """Return the sum of ``events * eta - weight * log(1 + exp(eta))``, with its derivatives in `slope`."""
    size, raised, shifted, power = work[0], work[1], work[2], work[3]
    for i in range(n):
        size[i] = -abs(eta[i])
    exponentials(size, raised, shifted, power, n)
    total = 0.0
    if len(weight):
        for i in range(n):
            inverse = 1.0 / (1.0 + raised[i])
            share = inverse if eta[i] >= 0 else raised[i] * inverse
            slope[i] = events[i] - weight[i] * share
            total += events[i] * eta[i] - weight[i] * (max(eta[i], 0.0) + math.log1p(raised[i]))
        return total
    product = 1.0  # of at most 2^BLOCK: one logarithm a block
    for i in range(n):
        inverse = 1.0 / (1.0 + raised[i])
        share = inverse if eta[i] >= 0 else raised[i] * inverse
        slope[i] = events[i] - share
        total += events[i] * eta[i] - max(eta[i], 0.0)
        product *= 1.0 + raised[i]
    return total - math.log(product)


@sums  # type: ignore[untyped-decorator]
def log(eta: Any, events: Any, weight: Any, slope: Any, work: Any, n: int) -> float:
    """Return the sum of ``events * eta - weight * exp(eta)``, with its derivatives in `slope`."""
    raised, shifted, power = work[1], work[2], work[3]
    exponentials(eta, raised, shifted, power, n)
    total = 0.0
    if len(weight):
        for i in range(n):
            expected = weight[i] * raised[i]
            slope[i] = events[i] - expected
            total += events[i] * eta[i] - expected
        return total
    for i in range(n):
        slope[i] = events[i] - raised[i]
        total += events[i] * eta[i] - raised[i]
    return total


@exact  # type: ignore[untyped-decorator]
def begin(eta: Any, first: int, n: int, level: float, table: Any, cells: Any) -> None:
    """Put what does not come from columns into `eta`."""
    for i in range(n):
        eta[i] = level
    for g in range(cells.shape[1]):
        for i in range(n):
            eta[i] += table[cells[first + i, g]]


@exact  # type: ignore[untyped-decorator]
def add_to_cells(slope: Any, first: int, n: int, cells: Any, out: Any) -> None:
    """Add each row's slope to its entries of the table's derivatives."""
    for g in range(cells.shape[1]):
        for i in range(n):
            out[cells[first + i, g]] += slope[i]


@sums  # type: ignore[untyped-decorator]
def added(values: Any, n: int) -> float:
    """Return the sum of the first `n`."""
    total = 0.0
    for i in range(n):
        total += values[i]
    return total


@exact  # type: ignore[untyped-decorator]
def canonical(
    is_logit: bool, columns: Any, starts: Any, cells: Any, events: Any, weight: Any, theta: Any, level: Any, table: Any,
    d_theta: Any, d_level: Any, d_table: Any,
) -> float:  # fmt: skip
    """Return ``sum of events * l - weight * A(l)`` over rows; write its derivatives into the last three arrays.

    Row i of treatment k, between ``starts[k]`` and ``starts[k + 1]``, has ``l = level[k] + theta[k]' columns[i]`` and the entries
    ``cells[i]`` of the table. A(l) is log(1 + exp(l)) for the logit, else exp(l). Without `weight` (empty) it is 1.
    """
    eta, slope = np.empty(BLOCK), np.empty(BLOCK)
    work = np.empty((4, BLOCK))
    d_theta[:], d_level[:], d_table[:] = 0.0, 0.0, 0.0
    total = 0.0
    for k in range(len(theta)):
        for first in range(starts[k], starts[k + 1], BLOCK):
            m = min(BLOCK, starts[k + 1] - first)
            own, weights = events[first : first + m], weight[first : first + m]
            begin(eta, first, m, level[k], table, cells)
            add_products(columns, first, m, theta[k], eta)
            if is_logit:
                total += logit(eta, own, weights, slope, work, m)
            else:
                total += log(eta, own, weights, slope, work, m)
            add_weighted(columns, first, m, slope, d_theta[k])
            d_level[k] += added(slope, m)
            add_to_cells(slope, first, m, cells, d_table)
    return total


@exact  # type: ignore[untyped-decorator]
def piecewise(
    columns: Any, starts: Any, cells: Any, events: Any, exposure: Any, hazard: Any, theta: Any, level: Any, table: Any,
    d_hazard: Any, d_theta: Any, d_level: Any, d_table: Any,
) -> float:  # fmt: skip
    """Return ``sum of events * l - (exposure . hazard) exp(l)`` over rows, with l as in `canonical`; write its derivatives.

    `exposure` has shape (row, interval), `hazard` (treatment, interval).
    """
    eta, slope, weight = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    work = np.empty((4, BLOCK))
    d_hazard[:], d_theta[:], d_level[:], d_table[:] = 0.0, 0.0, 0.0, 0.0
    total = 0.0
    for k in range(len(theta)):
        for first in range(starts[k], starts[k + 1], BLOCK):
            m = min(BLOCK, starts[k + 1] - first)
            begin(eta, first, m, level[k], table, cells)
            add_products(columns, first, m, theta[k], eta)
            weight[:] = 0.0
            add_products(exposure, first, m, hazard[k], weight)
            total += log(eta, events[first : first + m], weight, slope, work, m)
            add_weighted(columns, first, m, slope, d_theta[k])
            add_weighted(exposure, first, m, work[1], d_hazard[k])
            d_level[k] += added(slope, m)
            add_to_cells(slope, first, m, cells, d_table)
    for k in range(len(theta)):
        for j in range(hazard.shape[1]):
            d_hazard[k, j] = -d_hazard[k, j]
    return total
