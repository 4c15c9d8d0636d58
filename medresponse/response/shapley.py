"""Shapley values: what each player adds to the whole, averaged over the orders in which players may join."""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np

MOST_EXACT = 9
PAIRS = 24


def shapley_values(
    value: Callable[[np.ndarray], np.ndarray],
    players: int,
    *,
    rng: np.random.Generator,
    most_exact: int = MOST_EXACT,
    pairs: int = PAIRS,
) -> np.ndarray:
    """Return the Shapley value of each player, shape (player, ...).

    Up to `most_exact` players all coalitions are evaluated. Of more, `pairs` random orders are, each with its reverse: the
    values then differ from the exact ones by sampling error, but by none at all where players work together in pairs at most,
    and in any case they sum to what all players reach less what none does (Shapley 1953; Castro, Gómez & Tejada 2009, Comput
    Oper Res 36:1726; antithetic orders: Mitchell et al. 2022, J Mach Learn Res 23:43).

    Parameters
    ----------
    value : callable
        Takes coalitions of shape (coalition, player), True for those who have joined; returns values of shape (coalition,
        ...). Asked once.
    players : int
    rng : numpy.random.Generator
        Draws the orders.
    most_exact, pairs : int
    """
    if players <= most_exact:
        coalitions = ((np.arange(2**players)[:, None] >> np.arange(players)) & 1).astype(bool)
        return _weighted(_all_weights(coalitions), value(coalitions))
    orders = np.stack([rng.permutation(players) for _ in range(pairs)])
    coalitions, weights = _of_orders(np.concatenate([orders, orders[:, ::-1]]))
    return _weighted(weights, value(coalitions))


def _weighted(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    flat = weights @ values.reshape(len(values), -1)
    return flat.reshape(len(weights), *values.shape[1:])


def _all_weights(coalitions: np.ndarray) -> np.ndarray:
    """Return the weight of each coalition in each player's value, shape (player, coalition)."""
    n = coalitions.shape[1]
    size = coalitions.sum(axis=1)
    # A player joins s others in s! (n - s - 1)! of n! orders.
    share = np.array([1.0 / (n * comb(n - 1, s)) for s in range(n)] + [0.0])
    return np.where(coalitions, share[size - 1][:, None], -share[size][:, None]).T


def _of_orders(orders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the coalitions that form as players join in each order, and their weights (player, coalition)."""
    m, n = orders.shape
    joined = np.zeros((m, n + 1, n), dtype=bool)  # (order, how many have joined, player)
    place = np.argsort(orders, axis=1)
    joined[:] = np.arange(n + 1)[None, :, None] > place[:, None, :]
    # Nobody and everybody are the first and the last coalition of every order: evaluated once.
    coalitions = np.concatenate([joined[0, [0, n]], joined[:, 1:n].reshape(-1, n)])
    position = np.empty((m, n + 1), dtype=np.int64)
    position[:, 0], position[:, n] = 0, 1
    position[:, 1:n] = 2 + np.arange(m * (n - 1)).reshape(m, n - 1)
    weights = np.zeros((n, len(coalitions)))
    np.add.at(weights, (orders, position[:, 1:]), 1.0 / m)
    np.add.at(weights, (orders, position[:, :-1]), -1.0 / m)
    return coalitions, weights
