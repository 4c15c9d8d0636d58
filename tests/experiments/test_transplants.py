"""Counts of comparisons: their Monte Carlo error is that of the comparisons which hang on it."""

from __future__ import annotations

import numpy as np

from experiments.transplants import _count, _covers


def test_a_comparison_at_the_edge_may_go_either_way_and_others_may_not() -> None:
    draws = np.random.default_rng(1).normal(size=2000)
    edge = float(np.quantile(draws, 0.975))
    inside, outside, near = (draws, 0.0, 0.0), (draws, 9.0, 9.0), (draws, edge - 0.01, edge - 0.01)
    sure, unsure = _count([inside, outside, inside], _covers), _count([inside, near, near], _covers)
    assert (sure.value, sure.mcse) == (2.0, 0.0)
    assert (unsure.value, unsure.mcse) == (3.0, 0.5 * np.sqrt(2))
