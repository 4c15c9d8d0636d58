"""Shapley values of games: closed forms, all orders by brute force, and what sampling leaves exact."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from medresponse.response.shapley import MOST_EXACT, shapley_values


def over_all_orders(value, players: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    total = []
    for order in permutations(range(players)):
        joined = np.zeros((1, players), dtype=bool)
        before = value(joined)[0]
        gains = np.empty((players, *np.shape(before)))
        for player in order:
            joined[0, player] = True
            after = value(joined)[0]
            gains[player], before = after - before, after
        total.append(gains)
    return np.mean(total, axis=0)


def table_game(players: int, seed: int = 0, shape: tuple[int, ...] = (3,)):  # type: ignore[no-untyped-def]
    """Any number for any coalition."""
    values = np.random.default_rng(seed).normal(size=(2**players, *shape))
    return lambda coalitions: values[coalitions @ (2 ** np.arange(players))]


@pytest.mark.parametrize("players", [0, 1, 2, 5])
def test_few_players_are_exact(players: int) -> None:
    game = table_game(players, shape=(2, 3))
    found = shapley_values(game, players, rng=np.random.default_rng(0))
    assert found.shape == (players, 2, 3)
    np.testing.assert_allclose(found, over_all_orders(game, players), atol=1e-12)


@pytest.mark.parametrize("pairs", [1, 5])
def test_sampled_values_sum_to_the_whole_in_any_game(pairs: int) -> None:
    game, players = table_game(9), 9
    found = shapley_values(game, players, rng=np.random.default_rng(1), most_exact=0, pairs=pairs)
    everybody, nobody = np.ones((1, 9), dtype=bool), np.zeros((1, 9), dtype=bool)
    np.testing.assert_allclose(found.sum(axis=0), (game(everybody) - game(nobody))[0], atol=1e-12)


def test_sampled_values_are_exact_where_players_work_in_pairs() -> None:
    rng, players = np.random.default_rng(2), MOST_EXACT + 4
    alone, together = rng.normal(size=players), np.triu(rng.normal(size=(players, players)), 1)
    found = shapley_values(
        lambda c: 5.0 + c @ alone + np.einsum("ci,ij,cj->c", c, together, c), players, rng=rng, pairs=1
    )
    np.testing.assert_allclose(found, alone + (together + together.T).sum(axis=1) / 2, atol=1e-12)


def test_a_player_who_adds_nothing_gets_nothing_and_equals_get_the_same() -> None:
    def game(coalitions: np.ndarray) -> np.ndarray:
        return np.tanh(coalitions[:, 0] + 1.0 * coalitions[:, 1] + 0.5 * coalitions[:, 3])

    found = shapley_values(game, 4, rng=np.random.default_rng(0))
    assert found[2] == pytest.approx(0.0, abs=1e-15) and found[0] == pytest.approx(found[1])


def test_sampling_a_curved_game_is_unbiased_and_nearer_with_more_orders() -> None:
    rng, players = np.random.default_rng(3), 10
    weights = rng.normal(rng.normal(0, 0.4, (players, 1)), 0.15, (players, 50))

    def game(coalitions: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(coalitions @ weights)))

    exact = shapley_values(game, players, rng=rng, most_exact=players).mean(axis=-1)
    few, many = (
        np.stack(
            [shapley_values(game, players, rng=np.random.default_rng(s), pairs=n) for s in range(40)]
        ).mean(axis=-1)
        for n in (4, 24)
    )
    for sampled in (few, many):
        error = sampled - exact
        assert (np.abs(error.mean(axis=0)) < 4.5 * error.std(axis=0, ddof=1) / np.sqrt(40)).all()
    # The standard error falls as the root of the number of orders, by 2.4.
    assert 2.0 < (few - exact).std() / (many - exact).std() < 3.0
