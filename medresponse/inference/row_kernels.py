"""Loops over patients' rows: log-likelihoods of canonical form and their gradients in one pass, for numba.

Rows come treatment by treatment, in blocks that fit the processor's nearest memory (`model.row_tiles`): a block's predictors,
their log-likelihood and its gradient are done before the next block is read, so that a gradient reads the columns once, most of
them in one byte a row. Loops over columns read whole blocks, also where the last is not full. Sums are
reordered so that they can be vectorised; infinities and NaN keep their meaning. Only compiling imports this module.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from medresponse.model.row_tiles import BLOCK, HELD

# exp(x) = 2^k exp(r), r = x - k log 2 within half of log 2; the sum of r^j / j! up to j = 13 is then exact to 1e-17.
_SHIFT = 6755399441055744.0  # 1.5 * 2^52: a number added to it is rounded to a whole one, which stands in its last bits
_LOG2E = 1.4426950408889634
_LOG2_HIGH, _LOG2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10  # log 2 in two parts (fdlibm)
_C3, _C4, _C5, _C6, _C7, _C8 = (1 / math.factorial(j) for j in range(3, 9))
_C9, _C10, _C11, _C12, _C13 = (1 / math.factorial(j) for j in range(9, 14))
_LARGEST, _SMALLEST = 709.0, -708.0
_NOBODY = -1000.0  # predictor of rows that are not there: their exp is 0, and so is all that they add

# Unsigned, as places that may be negative would be looked at one by one for counting from the end. Five columns go at a time.
_ROWS, _TWO, _THREE, _FOUR = (np.uint64(BLOCK * columns) for columns in range(1, 5))

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
def add_products(tile: Any, theta: Any, out: Any) -> None:
    """Add the product of a block's columns, one after the other in `tile`, with `theta` to `out`."""
    p = len(theta)
    for j in range(0, p - 4, 5):
        first = np.uint64(j) * _ROWS
        q, r, s, t, u = theta[j], theta[j + 1], theta[j + 2], theta[j + 3], theta[j + 4]
        for i in range(_ROWS):
            a = first + i
            out[i] += (
                q * tile[a] + r * tile[a + _ROWS] + s * tile[a + _TWO] + t * tile[a + _THREE] + u * tile[a + _FOUR]
            )  # fmt: skip
    for j in range(p - p % 5, p):
        first = np.uint64(j) * _ROWS
        for i in range(_ROWS):
            out[i] += theta[j] * tile[first + i]


@sums  # type: ignore[untyped-decorator]
def add_coded(codes: Any, theta: Any, out: Any, held: Any) -> None:
    """Do `add_products` of codes, and write them into `held` as floats, since to make them so takes longer than to multiply them."""
    p = len(theta)
    for j in range(0, p - 4, 5):
        first = np.uint64(j) * _ROWS
        q, r, s, t, u = theta[j], theta[j + 1], theta[j + 2], theta[j + 3], theta[j + 4]
        for i in range(_ROWS):
            at = first + i
            a, b, c = float(codes[at]), float(codes[at + _ROWS]), float(codes[at + _TWO])
            d, e = float(codes[at + _THREE]), float(codes[at + _FOUR])
            held[at], held[at + _ROWS], held[at + _TWO], held[at + _THREE], held[at + _FOUR] = a, b, c, d, e
            out[i] += q * a + r * b + s * c + t * d + u * e
    for j in range(p - p % 5, p):
        first = np.uint64(j) * _ROWS
        for i in range(_ROWS):
            a = float(codes[first + i])
            held[first + i] = a
            out[i] += theta[j] * a


@sums  # type: ignore[untyped-decorator]
def add_weighted(tile: Any, slope: Any, out: Any) -> None:
    """Add the product of each of a block's columns, one after the other in `tile`, with `slope` to `out`."""
    p = len(out)
    for j in range(0, p - 4, 5):
        first = np.uint64(j) * _ROWS
        q, r, s, t, u = 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(_ROWS):
            a, w = first + i, slope[i]
            q += w * tile[a]
            r += w * tile[a + _ROWS]
            s += w * tile[a + _TWO]
            t += w * tile[a + _THREE]
            u += w * tile[a + _FOUR]
        out[j] += q
        out[j + 1] += r
        out[j + 2] += s
        out[j + 3] += t
        out[j + 4] += u
    for j in range(p - p % 5, p):
        first, q = np.uint64(j) * _ROWS, 0.0
        for i in range(_ROWS):
            q += slope[i] * tile[first + i]
        out[j] += q


@sums  # type: ignore[untyped-decorator]
def logit(eta: Any, events: Any, weight: Any, slope: Any, work: Any) -> float:
    """Return the sum of ``events * eta - weight * log(1 + exp(eta))``, with its derivatives in `slope`."""
    size, raised, shifted, power = work[0], work[1], work[2], work[3]
    for i in range(BLOCK):
        size[i] = -abs(eta[i])
    exponentials(size, raised, shifted, power, BLOCK)
    total = 0.0
    if len(weight):
        for i in range(BLOCK):
            inverse = 1.0 / (1.0 + raised[i])
            share = inverse if eta[i] >= 0 else raised[i] * inverse
            slope[i] = events[i] - weight[i] * share
            total += events[i] * eta[i] - weight[i] * (max(eta[i], 0.0) + math.log1p(raised[i]))
        return total
    product = 1.0  # of at most 2^BLOCK: one logarithm a block
    for i in range(BLOCK):
        inverse = 1.0 / (1.0 + raised[i])
        share = inverse if eta[i] >= 0 else raised[i] * inverse
        slope[i] = events[i] - share
        total += events[i] * eta[i] - max(eta[i], 0.0)
        product *= 1.0 + raised[i]
    return total - math.log(product)


@sums  # type: ignore[untyped-decorator]
def log(eta: Any, events: Any, weight: Any, slope: Any, work: Any) -> float:
    """Return the sum of ``events * eta - weight * exp(eta)``, with its derivatives in `slope`."""
    raised, shifted, power = work[1], work[2], work[3]
    exponentials(eta, raised, shifted, power, BLOCK)
    total = 0.0
    if len(weight):
        for i in range(BLOCK):
            expected = weight[i] * raised[i]
            slope[i] = events[i] - expected
            total += events[i] * eta[i] - expected
        return total
    for i in range(BLOCK):
        slope[i] = events[i] - raised[i]
        total += events[i] * eta[i] - raised[i]
    return total


@exact  # type: ignore[untyped-decorator]
def begin(eta: Any, level: float, table: Any, cells: Any) -> None:
    """Put what does not come from columns into `eta`."""
    for i in range(BLOCK):
        eta[i] = level
    for g in range(len(cells)):
        own = cells[g]
        for i in range(BLOCK):
            eta[i] += table[own[i]]


@exact  # type: ignore[untyped-decorator]
def add_to_cells(slope: Any, cells: Any, out: Any) -> None:
    """Add each row's slope to its entries of the table's derivatives."""
    for g in range(len(cells)):
        own = cells[g]
        for i in range(BLOCK):
            out[own[i]] += slope[i]


@sums  # type: ignore[untyped-decorator]
def added(values: Any) -> float:
    """Return the sum over a block."""
    total = 0.0
    for i in range(BLOCK):
        total += values[i]
    return total


@exact  # type: ignore[untyped-decorator]
def canonical(
    is_logit: bool, columns: Any, codes: Any, held: Any, starts: Any, filled: Any, cells: Any, events: Any, weight: Any, theta: Any,
    level: Any, table: Any, d_theta: Any, d_level: Any, d_table: Any,
) -> float:  # fmt: skip
    """Return ``sum of events * l - weight * A(l)`` over rows; write its derivatives into the last three arrays.

    Row i of block b of treatment k, with b from ``starts[k]`` to ``starts[k + 1]`` and i below ``filled[b]``, has l =
    ``level[k] + theta[k]' [columns[b, :, i], codes[b, :, i]]`` and the entries ``cells[b, :, i]`` of the table. A(l) is
    log(1 + exp(l)) for the logit, else exp(l). Without blocks of `weight` it is 1. `held` is room for what is made in
    between, shape (`HELD` + codes, row of the block).
    """
    eta, slope, work, made, width = (
        held[0],
        held[1],
        held[2:6],
        held[HELD:].reshape(codes.shape[1] * BLOCK),
        columns.shape[1],
    )
    all_columns = columns.reshape((len(columns), columns.shape[1] * BLOCK))
    all_codes = codes.reshape((len(codes), codes.shape[1] * BLOCK))
    d_theta[:], d_level[:], d_table[:] = 0.0, 0.0, 0.0
    total = 0.0
    for k in range(len(theta)):
        for b in range(starts[k], starts[k + 1]):
            plain, coded = all_columns[b], all_codes[b]
            weights = weight[b] if len(weight) else events[b, :0]
            begin(eta, level[k], table, cells[b])
            add_products(plain, theta[k, :width], eta)
            add_coded(coded, theta[k, width:], eta, made)
            for i in range(filled[b], BLOCK):
                eta[i] = _NOBODY
            if is_logit:
                total += logit(eta, events[b], weights, slope, work)
            else:
                total += log(eta, events[b], weights, slope, work)
            add_weighted(plain, slope, d_theta[k, :width])
            add_weighted(made, slope, d_theta[k, width:])
            d_level[k] += added(slope)
            add_to_cells(slope, cells[b], d_table)
    return total


@exact  # type: ignore[untyped-decorator]
def piecewise(
    columns: Any, codes: Any, held: Any, starts: Any, filled: Any, cells: Any, events: Any, exposure: Any, hazard: Any, theta: Any,
    level: Any, table: Any, d_hazard: Any, d_theta: Any, d_level: Any, d_table: Any,
) -> float:  # fmt: skip
    """Return ``sum of events * l - (exposure . hazard) exp(l)`` over rows, with l as in `canonical`; write its derivatives.

    `exposure` has shape (block, interval, row of the block), `hazard` (treatment, interval).
    """
    eta, slope, work, weight, made = (
        held[0],
        held[1],
        held[2:6],
        held[6],
        held[HELD:].reshape(codes.shape[1] * BLOCK),
    )
    width = columns.shape[1]
    all_columns = columns.reshape((len(columns), columns.shape[1] * BLOCK))
    all_codes = codes.reshape((len(codes), codes.shape[1] * BLOCK))
    all_exposure = exposure.reshape((len(exposure), exposure.shape[1] * BLOCK))
    d_hazard[:], d_theta[:], d_level[:], d_table[:] = 0.0, 0.0, 0.0, 0.0
    total = 0.0
    for k in range(len(theta)):
        for b in range(starts[k], starts[k + 1]):
            plain, coded = all_columns[b], all_codes[b]
            exposed = all_exposure[b]
            begin(eta, level[k], table, cells[b])
            add_products(plain, theta[k, :width], eta)
            add_coded(coded, theta[k, width:], eta, made)
            for i in range(filled[b], BLOCK):
                eta[i] = _NOBODY
            weight[:] = 0.0
            add_products(exposed, hazard[k], weight)
            total += log(eta, events[b], weight, slope, work)
            add_weighted(plain, slope, d_theta[k, :width])
            add_weighted(made, slope, d_theta[k, width:])
            add_weighted(exposed, work[1], d_hazard[k])
            d_level[k] += added(slope)
            add_to_cells(slope, cells[b], d_table)
    for k in range(len(theta)):
        for j in range(hazard.shape[1]):
            d_hazard[k, j] = -d_hazard[k, j]
    return total
