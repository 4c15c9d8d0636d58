"""Reductions over draws, patient by patient while the draws are in the processor's cache; sums are in float64."""

from __future__ import annotations

import numpy as np

from medresponse.core.machine_code import compiled

MOMENTS = ("mean", "sd")
COMPARISONS = (
    "benefit", "benefit_sd", "p_benefit", "p_worthwhile", "p_worse", "p_best", "utility", "regret",
)  # fmt: skip


def moments(relative: np.ndarray) -> np.ndarray:
    """Return mean and sd (n - 1) over draws, shape (patient, treatment, 2).

    Parameters
    ----------
    relative : numpy.ndarray
        Shape (patient, treatment, draw), float32.
    """
    out = np.empty((*relative.shape[:2], len(MOMENTS)))
    compiled(_moments, "f4[3]", "f8[3]")(relative, out)
    return out


def comparisons(
    relative: np.ndarray,
    scale: np.ndarray,
    losses: np.ndarray,
    *,
    reference: int,
    worthwhile: float,
    direction: int,
) -> np.ndarray:
    """Return what is said of treatments side by side, shape (patient, treatment, comparison): `COMPARISONS`.

    Parameters
    ----------
    relative : numpy.ndarray
        Shape (patient, treatment, draw), float32; responses are ``offset + scale * relative``.
    scale : numpy.ndarray
        Shape (patient,).
    losses : numpy.ndarray
        What each treatment costs whatever its response, in the responses' unit, shape (treatment, draw), float32.
    reference : int
    worthwhile : float
        In the responses' unit.
    direction : int
        +1 or -1.

    Returns
    -------
    numpy.ndarray
        ``utility`` is that of ``scale * relative`` and lacks ``direction * offset``. ``p_best`` is shared among equals.
        The reference has no benefit over itself: NaN.
    """
    out = np.empty((*relative.shape[:2], len(COMPARISONS)))
    compare = compiled(_comparisons, "f4[3]", "f8[1]", "f4[2]", "i8", "f8", "i8", "f8[3]")
    compare(relative, scale, losses, reference, worthwhile, direction, out)
    return out


def _moments(relative: np.ndarray, out: np.ndarray) -> None:
    n, n_treatments, n_draws = relative.shape
    for i in range(n):
        for k in range(n_treatments):
            total = 0.0
            for s in range(n_draws):
                total += np.float64(relative[i, k, s])
            mean = total / n_draws
            squares = 0.0
            for s in range(n_draws):
                d = np.float64(relative[i, k, s]) - mean
                squares += d * d
            out[i, k, 0] = mean
            out[i, k, 1] = np.sqrt(squares / (n_draws - 1))


def _comparisons(
    relative: np.ndarray, scale: np.ndarray, losses: np.ndarray, reference: int, worthwhile: float, direction: int,
    out: np.ndarray,
) -> None:  # fmt: skip
    n, n_treatments, n_draws = relative.shape
    sign, zero, one = np.float32(direction), np.float32(0.0), np.float32(1.0)
    utility = np.empty((n_treatments, n_draws), dtype=np.float32)
    best = np.empty(n_draws, dtype=np.float32)
    share = np.empty(n_draws, dtype=np.float32)
    for i in range(n):
        enough, unit = np.float32(worthwhile / scale[i]), sign * np.float32(scale[i])
        base = relative[i, reference]
        for k in range(n_treatments):
            if k == reference:
                out[i, k, :5] = np.nan
                continue
            own = relative[i, k]
            total = 0.0
            # Counts of draws, exact in float32 up to 2^24 of them.
            above, much, below = zero, zero, zero
            for s in range(n_draws):
                b = sign * (own[s] - base[s])
                total += np.float64(b)
                above += one if b > zero else zero
                much += one if b > enough else zero
                below += one if b < zero else zero
            mean = total / n_draws
            squares = 0.0
            for s in range(n_draws):
                d = np.float64(sign * (own[s] - base[s])) - mean
                squares += d * d
            out[i, k, 0] = mean * scale[i]
            out[i, k, 1] = np.sqrt(squares / (n_draws - 1)) * scale[i]
            out[i, k, 2] = above / n_draws
            out[i, k, 3] = much / n_draws
            out[i, k, 4] = below / n_draws
        for k in range(n_treatments):
            own, loss, u = relative[i, k], losses[k], utility[k]
            total = 0.0
            for s in range(n_draws):
                u[s] = unit * own[s] - loss[s]
                total += np.float64(u[s])
            out[i, k, 6] = total / n_draws
            for s in range(n_draws):
                best[s] = u[s] if k == 0 or u[s] > best[s] else best[s]
        top = 0.0
        for s in range(n_draws):
            top += np.float64(best[s])
        winners = zero
        for k in range(n_treatments):
            u, won = utility[k], zero
            for s in range(n_draws):
                won += one if u[s] == best[s] else zero
            out[i, k, 5] = won / n_draws
            out[i, k, 7] = top / n_draws - out[i, k, 6]
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
                out[i, k, 5] = part / n_draws
