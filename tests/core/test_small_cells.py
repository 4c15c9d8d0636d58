"""Small cells. The attack is written again here, by enumeration, without the package's own intervals."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medresponse.core.small_cells import (
    FLOOR,
    SHOWN,
    SMALL,
    WITHHELD,
    is_small,
    shares_are_safe,
    suppress,
)

counts = st.one_of(st.integers(0, 14), st.integers(0, 300))


def possible_in_a_list(values: list[int], codes: list[int], total: int | None, floor: int) -> list[set[int]]:
    """Every value of each small cell that agrees with what is shown of a list and its total (None: withheld)."""
    small = [i for i, code in enumerate(codes) if code == SMALL]
    n_withheld = sum(code == WITHHELD for code in codes)
    shown = sum(v for v, code in zip(values, codes, strict=True) if code == SHOWN)
    found: list[set[int]] = [set() for _ in small]
    for i, _ in enumerate(small):
        for own in range(1, floor):
            if total is None:
                found[i].add(own)
                continue
            # The other small ones take any sum between their bounds; withheld ones any above theirs.
            rest, others = total - shown - own, len(small) - 1
            low, high = others + n_withheld * floor, others * (floor - 1)
            if rest >= low and (n_withheld or rest <= high):
                found[i].add(own)
    return found


@given(st.lists(counts, min_size=2, max_size=8))
def test_no_small_count_of_a_list_can_be_had_from_its_total(values: list[int]) -> None:
    total = sum(values)
    codes = suppress(np.array(values), totals="known").tolist()
    assert all(code != SHOWN for v, code in zip(values, codes, strict=True) if is_small(v))
    if SMALL in codes:
        assert all(len(possible) >= 5 for possible in possible_in_a_list(values, codes, total, FLOOR))
    elif WITHHELD in codes:
        assert set(codes) == {WITHHELD}, "where all small ones are withheld, nothing at all is said"


@given(st.lists(counts, min_size=1, max_size=8))
def test_a_printed_total_is_withheld_where_it_would_give_a_small_count_away(values: list[int]) -> None:
    *codes, of_total = suppress(np.array(values), totals="printed").tolist()
    total = None if of_total != SHOWN else sum(values)
    assert not (total is not None and is_small(total))
    assert all(code != SHOWN for v, code in zip(values, codes, strict=True) if is_small(v))
    if SMALL in codes:
        assert all(len(possible) >= 5 for possible in possible_in_a_list(values, codes, total, FLOOR))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_no_small_count_of_a_table_can_be_had_from_its_totals(data: st.DataObject) -> None:
    """The whole attack: every table of whole numbers that agrees with what is shown, for a floor of 4."""
    rows, columns, floor = data.draw(st.integers(2, 3)), data.draw(st.integers(2, 3)), 4
    cell = st.one_of(st.integers(0, 3), st.integers(4, 9))
    table = np.array([[data.draw(cell) for _ in range(columns)] for _ in range(rows)])
    codes = suppress(table, totals="known", floor=floor)
    assert (codes[(table > 0) & (table < floor)] != SHOWN).all()
    hidden = [tuple(int(i) for i in at) for at in np.argwhere(codes != SHOWN)]
    if not (codes == SMALL).any():
        return
    possible: dict[tuple[int, int], set[int]] = {at: set() for at in hidden if codes[at] == SMALL}
    choices = [range(1, floor) if codes[at] == SMALL else range(floor, int(table.sum()) + 1) for at in hidden]
    small = [at for at in hidden if codes[at] == SMALL]
    withheld = [at for at in hidden if codes[at] == WITHHELD]
    for values in product(*(choices[hidden.index(at)] for at in small)):
        guess = np.where(codes == SHOWN, table, 0)
        for at, value in zip(small, values, strict=True):
            guess[at] = value
        if completes(guess, withheld, table.sum(axis=1), table.sum(axis=0), floor):
            for at, value in zip(small, values, strict=True):
                possible[at].add(value)
    assert all(values == set(range(1, floor)) for values in possible.values())


def completes(
    guess: np.ndarray, free: list[tuple[int, int]], rows: np.ndarray, columns: np.ndarray, floor: int
) -> bool:
    """Say whether whole numbers from `floor` up in the `free` cells give the totals."""
    left, down = rows - guess.sum(axis=1), columns - guess.sum(axis=0)
    if (left < 0).any() or (down < 0).any():
        return False
    if not free:
        return not left.any() and not down.any()
    (i, j), rest = free[0], free[1:]
    for value in range(floor, int(min(left[i], down[j])) + 1):
        filled = guess.copy()
        filled[i, j] = value
        if completes(filled, rest, rows, columns, floor):
            return True
    return False


@pytest.mark.parametrize(
    ("values", "totals", "codes"),
    [
        ([577, 574], "known", [SHOWN, SHOWN]),
        ([0, 200], "known", [SHOWN, SHOWN]),
        ([4, 200, 300], "known", [SMALL, WITHHELD, SHOWN]),
        ([4, 5, 300], "known", [SMALL, SMALL, SHOWN]),
        ([1, 2, 300], "known", [SMALL, SMALL, WITHHELD]),
        ([1, 11, 300], "known", [SMALL, SHOWN, WITHHELD]),
        ([4, 200], "unknown", [SMALL, SHOWN]),
        ([10, 10], "known", [WITHHELD, WITHHELD]),
        ([4, 200], "printed", [SMALL, WITHHELD, SHOWN]),
        ([3, 4], "printed", [SMALL, SMALL, SMALL]),
        ([6, 7], "printed", [SMALL, SMALL, SHOWN]),
        ([], "known", []),
    ],
)
def test_lists(values: list[int], totals: str, codes: list[int]) -> None:
    assert suppress(np.array(values), totals=totals).tolist() == codes  # type: ignore[arg-type]


def test_a_single_small_cell_of_a_table_takes_three_others_with_it() -> None:
    table = np.array([[3, 40, 50], [60, 20, 80], [90, 70, 30]])
    assert suppress(table).tolist() == [
        [SMALL, WITHHELD, SHOWN], [WITHHELD, WITHHELD, SHOWN], [SHOWN, SHOWN, SHOWN],
    ]  # fmt: skip


def test_totals_of_a_table_can_be_withheld_in_place_of_cells() -> None:
    codes = suppress(np.array([[3, 40], [60, 20]]), totals="printed")
    assert codes.shape == (3, 3) and codes[0, 0] == SMALL
    assert (codes != SHOWN).sum() >= 4


def test_a_share_is_safe_where_neither_its_count_nor_the_rest_is_small() -> None:
    assert shares_are_safe(30, 100) and shares_are_safe(0, 100) and shares_are_safe(100, 100)
    assert not (shares_are_safe(3, 100) or shares_are_safe(97, 100) or shares_are_safe(0, 7))


@pytest.mark.parametrize("counts", [np.array([-1, 20]), np.array([1.5]), np.zeros((2, 2, 2))])
def test_what_is_no_table_of_counts_is_refused(counts: np.ndarray) -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        suppress(counts)
