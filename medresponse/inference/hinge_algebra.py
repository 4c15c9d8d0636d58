"""Linear algebra of columns that come and go, all coefficients integrated out, for numba.

Only compiling imports this module.
"""

from __future__ import annotations

import math
from typing import Any

from numba.extending import register_jitable

SAFE = 1e6  # condition up to which sums of squares may be computed as differences


@register_jitable  # type: ignore[untyped-decorator]
def weigh(
    state: Any, inverse: Any, solution: Any, residual: Any, precision: float, inflation: float, room: Any
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
    inflation : float
        Of rounding in `inverse`, 1 if it is as `State.solve` left it.
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
    for j in range(k):
        cross[j] = _dot(state.rows[j], vector)
        # Of a coefficient's variance, by the other columns.
        inflation = max(inflation, inverse[j, j] * (state.gram[j, j] + state.precision[j]))
    explained = 0.0
    for j in range(k):
        solved[j] = _dot(inverse[j, :k], cross[:k])
        explained += solved[j] * cross[j]
    schur = precision + square - explained
    safe = inflation * (square + precision) < SAFE * schur
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
    find_residual(state, state.solution, state.residual)


@register_jitable  # type: ignore[untyped-decorator]
def take_out(state: Any, m: int, room: Any) -> bool:
    """Take a product out, without which inverse and solution are in the room; the last takes its place.

    Return whether rounding left enough of the inverse to go on.
    """
    kept = inflation_without(state, m)
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
    find_residual(state, state.solution, state.residual)
    return kept < SAFE


@register_jitable  # type: ignore[untyped-decorator]
def inflation_without(state: Any, m: int) -> float:
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
def find_residual(state: Any, solution: Any, out: Any) -> None:
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
def worth_of(variance: float, coefficient: float, precision: float) -> float:
    """Return what a product that is in adds to the log marginal likelihood."""
    return 0.5 * math.log(variance * precision) + 0.5 * coefficient**2 / variance
