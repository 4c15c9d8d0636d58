from __future__ import annotations

import polars as pl

from medresponse.core.small_groups import hide_small_groups

GROUPS = pl.DataFrame(
    {"group": ["a", "b", "c", "d"], "n": [7, 40, 60, 1200], "events": [2, 20, 4, 600], "share": [0.3, 0.5, 0.1, 0.5]}
)  # fmt: skip


def test_results_of_small_groups_are_left_out() -> None:
    found = hide_small_groups(GROUPS.drop("events"), n="n", derived=["share"])
    assert found["n"].to_list() == ["<11", "40", "60", "1,200"]
    assert found["share"].to_list() == [None, 0.5, 0.1, 0.5]


def test_a_share_that_gives_a_small_count_is_left_out_in_a_large_group_too() -> None:
    found = hide_small_groups(GROUPS, n="n", events="events", derived=["share"], totals="known")
    assert found.columns == ["group", "n", "share"]
    assert found["n"].to_list() == ["<11", "withheld", "60", "1,200"]
    assert found["share"].to_list() == [None, None, None, 0.5]
