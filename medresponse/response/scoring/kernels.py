"""Reductions over draws, patient by patient while the draws are in the processor's cache; sums are in float64."""

from __future__ import annotations

import numpy as np

from medresponse.core.machine_code import compiled
from medresponse.response.scoring.values import Values

MOMENTS = ("mean", "sd")
COMPARISONS = (
    "benefit", "benefit_sd", "p_benefit", "p_worthwhile", "p_worse", "p_best", "utility", "regret",
)  # fmt: skip


def reductions(
    values: Values, losses: np.ndarray, *, reference: int, worthwhile: float, direction: int
) -> np.ndarray:
    """Return what is said of each treatment, and of treatments side by side.

    Parameters
    ----------
    values : Values
        Responses.
    losses : numpy.ndarray
        What each treatment costs whatever its response, in the responses' unit, shape (treatment, draw), float32.
    reference : int
    worthwhile : float
        In the responses' unit.
    direction : int
        +1 or -1; with 0 the comparisons mean nothing.

    Returns
    -------
    numpy.ndarray
        Shape (patient, treatment, summary): `MOMENTS` (sd with n - 1), then `COMPARISONS`. ``p_best`` is shared among equals.
        The reference has no benefit over itself: NaN.
    """
    out = np.empty((*values.relative.shape[:2], len(MOMENTS) + len(COMPARISONS)))
    reduce = compiled(_reduce, "f8[1]", "f8[1]", "f4[3]", "f4[2]", "f8[1]", "i8", "f8", "i8", "f8[3]")
    lost = losses.mean(axis=1, dtype=float)
    reduce(values.offset, values.scale, values.relative, losses, lost, reference, worthwhile, direction, out)
    return out


def _reduce(
    offset: np.ndarray, scale: np.ndarray, relative: np.ndarray, losses: np.ndarray, lost: np.ndarray, reference: int,
    worthwhile: float, direction: int, out: np.ndarray,
) -> None:  # fmt: skip
    n, n_treatments, n_draws = relative.shape
    sign, zero, one = np.float32(direction), np.float32(0.0), np.float32(1.0)
    utility = np.empty((n_treatments, n_draws), dtype=np.float32)
    best = np.empty(n_draws, dtype=np.float32)
    share = np.empty(n_draws, dtype=np.float32)
    for i in range(n):
        # Utilities are compared in the responses' unit, or in one of the patient's own where that is beyond float32.
        per, charged = 1.0, losses
        if scale[i] >= 1e20 or 1e-300 < scale[i] <= 1e-20:
            per = 1.0 / scale[i]
            charged = np.float32(min(per, 1e38)) * losses
        unit = sign * np.float32(scale[i] * per)
        enough = np.float32(worthwhile / scale[i])
        base, loss, u = relative[i, reference], charged[reference], utility[reference]
        # Sums of distances from one of the draws: their squares are of the size of the variance, so that nothing cancels.
        first, total, squares = np.float64(base[0]), 0.0, 0.0
        for s in range(n_draws):
            d = np.float64(base[s]) - first
            total += d
            squares += d * d
            u[s] = unit * base[s] - loss[s]
            best[s] = u[s]
        out[i, reference, :2] = first + total / n_draws, squares - total * total / n_draws
        out[i, reference, 2:7] = np.nan
        for k in range(n_treatments):
            if k == reference:
                continue
            own, loss, u = relative[i, k], charged[k], utility[k]
            first, total, squares = np.float64(own[0]), 0.0, 0.0
            first_b, total_b, squares_b = np.float64(sign * (own[0] - base[0])), 0.0, 0.0
            # Counts of draws, exact in float32 up to 2^24 of them.
            above, much, below = zero, zero, zero
            for s in range(n_draws):
                d = np.float64(own[s]) - first
                total += d
                squares += d * d
                b = sign * (own[s] - base[s])
                d_b = np.float64(b) - first_b
                total_b += d_b
                squares_b += d_b * d_b
                above += one if b > zero else zero
                much += one if b > enough else zero
                below += one if b < zero else zero
                u[s] = unit * own[s] - loss[s]
                best[s] = u[s] if u[s] > best[s] else best[s]
            out[i, k, :2] = first + total / n_draws, squares - total * total / n_draws
            out[i, k, 2] = scale[i] * (first_b + total_b / n_draws)
            out[i, k, 3] = scale[i] * np.sqrt(
                max(squares_b - total_b * total_b / n_draws, 0.0) / (n_draws - 1)
            )
            out[i, k, 4] = above / n_draws
            out[i, k, 5] = much / n_draws
            out[i, k, 6] = below / n_draws
        top, winners = 0.0, zero
        for s in range(n_draws):
            top += np.float64(best[s])
        for k in range(n_treatments):
            u, won = utility[k], zero
            for s in range(n_draws):
                won += one if u[s] == best[s] else zero
            missed = (top / n_draws - (unit * out[i, k, 0] - per * lost[k])) / per
            out[i, k, 0] = offset[i] + scale[i] * out[i, k, 0]
            out[i, k, 1] = scale[i] * np.sqrt(max(out[i, k, 1], 0.0) / (n_draws - 1))
            out[i, k, 7] = won / n_draws
            out[i, k, 8] = direction * out[i, k, 0] - lost[k]
            out[i, k, 9] = (
                0.0 if won == n_draws else max(missed, 0.0)
            )  # rounding aside, what is always best misses nothing
            winners += won
        if winners > n_draws:  # in some draws several are best
            for s in range(n_draws):
                share[s] = zero
            for k in range(n_treatments):
                for s in range(n_draws):
                    share[s] += one if utility[k, s] == best[s] else zero
            for k in range(n_treatments):
                part = 0.0
                for s in range(n_draws):
                    part += np.float64(one / share[s] if utility[k, s] == best[s] else zero)
                out[i, k, 7] = part / n_draws
