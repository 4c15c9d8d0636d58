"""Reductions over draws, compiled: one pass over a patient's draws while they are in the processor's cache.

Imported only where a population is scored. Sums are in float64; a result depends on a patient's own draws alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

log = logging.getLogger("medresponse.response")

MOMENTS = ("mean", "sd")
COMPARISONS = (
    "benefit", "benefit_sd", "p_benefit", "p_worthwhile", "p_worse", "p_best", "utility", "regret",
)  # fmt: skip
_SIZES = (1, 2, 2)  # of the arrays by which kernels are compiled


def moments(relative: np.ndarray) -> np.ndarray:
    """Return mean and sd (n - 1) over draws, shape (patient, treatment, 2).

    Parameters
    ----------
    relative : numpy.ndarray
        Shape (patient, treatment, draw), float32.
    """
    out = np.empty((*relative.shape[:2], len(MOMENTS)))
    _kernels()[0](relative, out)
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
    """
    out = np.empty((*relative.shape[:2], len(COMPARISONS)))
    _kernels()[1](relative, scale, losses, reference, worthwhile, direction, out)
    return out


@cache
def _kernels() -> tuple[Callable[..., None], Callable[..., None]]:
    """Compile, or take from numba's folder of compiled functions; without one that can be written, compile afresh."""
    try:
        return _compiled(keep=True)
    except (OSError, RuntimeError) as error:  # no folder can be written, or it is full or damaged
        log.info(
            "compiled kernels are not kept (%s): they are compiled again in every process",
            type(error).__name__,
        )
        return _compiled(keep=False)


def _compiled(*, keep: bool) -> tuple[Callable[..., None], Callable[..., None]]:
    import numba

    # Sums may be reordered (vectorised) and products fused; infinities and NaN keep their meaning.
    options: dict[str, Any] = {"nogil": True, "cache": keep, "fastmath": {"reassoc", "contract", "nsz"}}
    both = numba.njit(**options)(_moments), numba.njit(**options)(_comparisons)
    one, losses = np.zeros(_SIZES, dtype=np.float32), np.zeros(_SIZES[1:], dtype=np.float32)
    both[0](one, np.empty((1, 2, len(MOMENTS))))
    both[1](one, np.ones(1), losses, 0, 0.0, 1, np.empty((1, 2, len(COMPARISONS))))
    return both


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
        enough, unit = np.float32(worthwhile / scale[i]), np.float32(scale[i])
        base = relative[i, reference]
        for k in range(n_treatments):
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
            for s in range(n_draws):
                u[s] = sign * unit * own[s] - loss[s]
        for s in range(n_draws):
            best[s] = utility[0, s]
            share[s] = zero
        for k in range(1, n_treatments):
            u = utility[k]
            for s in range(n_draws):
                best[s] = u[s] if u[s] > best[s] else best[s]
        for k in range(n_treatments):
            u = utility[k]
            for s in range(n_draws):
                share[s] += one if u[s] == best[s] else zero
        top = 0.0
        for s in range(n_draws):
            top += np.float64(best[s])
            share[s] = one / share[s]
        for k in range(n_treatments):
            u = utility[k]
            total, won = 0.0, 0.0
            for s in range(n_draws):
                total += np.float64(u[s])
            for s in range(n_draws):
                won += np.float64((one if u[s] == best[s] else zero) * share[s])
            out[i, k, 5] = won / n_draws
            out[i, k, 6] = total / n_draws
            out[i, k, 7] = (top - total) / n_draws
