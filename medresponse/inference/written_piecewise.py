"""The density of models whose rows are `families.PiecewiseRows`; see `written_rows`. Only compiling imports this module.

The family's parameters, in the model's order: the mean, the baseline's step and its steps along directions (or the means of
exchangeable intervals), the standardised steps of each contrast, and their step. Means hold the mean predictor over patients.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from medresponse.inference.row_kernels import piecewise
from medresponse.inference.written_density import OWN, SPARE, THETA, TOWARDS, begun, kept
from medresponse.inference.written_rows import average, ended, from_rows, less_average, normal, step, to_rows

_ALPHA_SD = 1.0
_LOG_2 = math.log(2.0)


@step  # type: ignore[untyped-decorator]
def answer(
    what: int, x: Any, value: Any, out: Any, table: Any, numbers: Any, turn: Any, turned: Any, informed: Any, df: Any,
    room: Any, pointer: Any, index: Any, entries: Any, ways: Any, columns: Any, codes: Any, held: Any, starts: Any, filled: Any, cells: Any, events: Any, exposure: Any, counts: Any, walk: Any,
    contrasts: Any, means: Any, directions: Any, steps: Any, scalars: Any,
) -> int:  # fmt: skip
    """Write value and gradient at `x` where `what` is 0, else the quantities to keep; return 0 if the density is finite."""
    size, p = len(x), table[len(table) - 1, 2]
    own = room[OWN, :size]
    gradient = out if what == 0 else room[SPARE, :size]
    density, jacobian = begun(x, room, table, numbers, informed, df, scalars[1])
    first, is_walk, sigmas = int(scalars[3]), scalars[4] > 0, scalars[5:]
    log_hazard, by_log_hazard = np.empty(counts.shape), np.empty(counts.shape)
    shift = average(means, room[THETA])
    of_hazards, of_steps = hazards(
        x[first:],
        own[first:],
        shift,
        log_hazard,
        walk,
        directions,
        steps,
        contrasts,
        scalars[2],
        is_walk,
        sigmas,
    )
    density += of_hazards
    jacobian += of_steps

    spread, by = ways[0], ways[1]
    to_rows(pointer, index, entries, room[THETA], spread)
    k, width = len(starts) - 1, columns.shape[1] + codes.shape[1]
    of_arms, end = slice(k * width, k * width + k), k * width + k
    hazard = np.exp(log_hazard)
    likelihood = np.sum(counts * log_hazard) + piecewise(
        columns, codes, held, starts, filled, cells, events, exposure, hazard, spread[: k * width].reshape((k, width)), spread[of_arms],
        spread[end:], by_log_hazard, by[: k * width].reshape((k, width)), by[of_arms], by[end:],
    )  # fmt: skip
    prior = density - jacobian
    density += likelihood
    if what == 0:
        from_rows(pointer, index, entries, by, room[TOWARDS, :p])
        by_log_hazard *= hazard
        by_log_hazard += counts
        by_intercept = of_hazard_parameters(
            x[first:],
            own[first:],
            shift,
            gradient[first:],
            by_log_hazard,
            walk,
            directions,
            steps,
            contrasts,
            is_walk,
            sigmas,
        )
        less_average(means, by_intercept, room[TOWARDS])
        return ended(x, value, gradient, room, table, numbers, informed, df, density)
    prior -= kept(out[:size], out[size : size + p], room, table, turn, turned, informed[1])
    out[size + p] = x[first] - shift
    made = size + p + 1 + steps.shape[1]
    sampled = own[first + 2 : first + 2 + steps.shape[1]]
    if is_walk:
        out[size + p + 1 : made] = np.dot(directions, sampled) / own[first + 1]
    else:
        out[size + p + 1 : made] = sampled - shift
    out[made : made + log_hazard.size] = log_hazard.ravel()
    out[made + log_hazard.size] = prior
    return 0


@step  # type: ignore[untyped-decorator]
def hazards(
    x: Any, own: Any, shift: float, log_hazard: Any, walk: Any, directions: Any, steps: Any, contrasts: Any, centre: float,
    is_walk: bool, sigmas: Any,
) -> tuple[float, float]:  # fmt: skip
    """Write the family's parameters and log hazards; return their log density with, and the Jacobian of their scales.

    Steps and means are measured in the baseline's step (`graphs.log_units`). `shift` is the mean predictor over patients.
    """
    n_intervals, n_contrasts = log_hazard.shape[1], contrasts.shape[1]
    drift = 2 + steps.shape[1]
    own[:] = x
    own[1] = math.exp(x[1])
    density, jacobian = normal(x[0] - shift, 0.0, _ALPHA_SD) + half_normal(own[1], sigmas[0]) + x[1], x[1]
    baseline = np.empty(n_intervals)
    if is_walk:
        for i in range(2, drift):
            estimate, error = steps[0, i - 2], steps[1, i - 2]
            share = own[1] / math.sqrt(own[1] ** 2 + error**2)
            own[i] = share * (estimate * share + error * x[i])
            density += normal(own[i], 0.0, own[1]) + math.log(error * share)
            jacobian += math.log(error * share) - x[1]
        baseline[:] = x[0] - shift + np.dot(walk, np.dot(directions, own[2:drift]))
    else:
        baseline[:] = x[2:drift] - shift
        for i in range(2, drift):
            density += normal(x[i], x[0], own[1])
            jacobian -= x[1]
    for k in range(len(log_hazard)):
        log_hazard[k] = centre + baseline
    if sigmas[1] > 0:
        last = len(x) - 1
        own[last] = math.exp(x[last])
        density += half_normal(own[last], sigmas[1]) + x[last]
        jacobian += x[last]
        for j in range(n_contrasts):
            changes = x[drift + j * (n_intervals - 1) : drift + (j + 1) * (n_intervals - 1)]
            for i in range(len(changes)):
                density += normal(changes[i], 0.0, 1.0)
            change = own[last] * np.dot(walk, changes)
            for k in range(len(log_hazard)):
                log_hazard[k] += contrasts[k, j] * change
    return density, jacobian


@step  # type: ignore[untyped-decorator]
def of_hazard_parameters(
    x: Any, own: Any, shift: float, gradient: Any, by_log_hazard: Any, walk: Any, directions: Any, steps: Any, contrasts: Any,
    is_walk: bool, sigmas: Any,
) -> float:  # fmt: skip
    """Write the derivatives in the family's parameters, from those of the log-likelihood in log hazards.

    Returns that in the intercept, with baselines that move with it.
    """
    n_intervals, n_contrasts = by_log_hazard.shape[1], contrasts.shape[1]
    drift = 2 + steps.shape[1]
    by_baseline = np.zeros(n_intervals)
    for k in range(len(by_log_hazard)):
        by_baseline += by_log_hazard[k]
    gradient[0] = -(x[0] - shift) / _ALPHA_SD**2
    by_intercept = gradient[0] + np.sum(by_baseline)
    gradient[1] = 1 - (own[1] / sigmas[0]) ** 2
    if is_walk:
        gradient[0] = by_intercept
        towards = np.dot(np.dot(by_baseline, walk), directions) - own[2:drift] / own[1] ** 2
        for i in range(2, drift):  # as `written_density` has it of coefficients
            error = steps[1, i - 2]
            share = own[1] / math.sqrt(own[1] ** 2 + error**2)
            moved = (1 - share**2) * (own[i] - 0.5 * error * share * x[i])
            gradient[1] += (own[i] / own[1]) ** 2 - share**2 + 2 * towards[i - 2] * moved
            gradient[i] = towards[i - 2] * error * share
    else:
        away = (x[2:drift] - x[0]) / own[1]
        gradient[0] += np.sum(away) / own[1]
        gradient[1] += np.dot(away, away) - n_intervals
        gradient[2:drift] = by_baseline - away / own[1]
    if sigmas[1] > 0:
        last = len(x) - 1
        gradient[last] = 1 - (own[last] / sigmas[1]) ** 2
        for j in range(n_contrasts):
            here = slice(drift + j * (n_intervals - 1), drift + (j + 1) * (n_intervals - 1))
            by_change = np.zeros(n_intervals)
            for k in range(len(by_log_hazard)):
                by_change += contrasts[k, j] * by_log_hazard[k]
            by_steps = own[last] * np.dot(by_change, walk)
            gradient[last] += np.dot(by_steps, x[here])
            gradient[here] = by_steps - x[here]
    return by_intercept


@step  # type: ignore[untyped-decorator]
def half_normal(x: float, sigma: float) -> float:
    """Return a half-normal log density."""
    return normal(x, 0.0, sigma) + _LOG_2
