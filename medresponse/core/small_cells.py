"""Small cells: no count of 1 to 10 patients is shown, and none can be had from what is shown.

A count below the floor is replaced (primary suppression). Where totals are known or printed, further counts are withheld
until nobody can compute a replaced one, nor bound it closely (complementary suppression): the range that it may have, given
everything shown, must hold at least `SPREAD` values. Zeros are shown.

References
----------
Centers for Medicare & Medicaid Services, cell size suppression policy (no cell of 1 to 10, no percentage or formula that gives one).
Willenborg & de Waal (2001), Elements of Statistical Disclosure Control, chapters 1 and 8 (audit by feasibility intervals).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

FLOOR = 11  # the least number of patients that is shown; a hospital with another rule changes it here
SPREAD = 5  # the least number of values that a replaced count must leave possible

SHOWN, SMALL, WITHHELD = 0, 1, 2

_UNBOUNDED = 3  # status of a linear programme

Totals = Literal["known", "printed", "unknown"]


def is_small(n: int | float, *, floor: int = FLOOR) -> bool:
    """Say whether a number of patients must not be shown."""
    return 0 < n < floor


def shares_are_safe(n_with: int | float, n: int | float, *, floor: int = FLOOR) -> bool:
    """Say whether a share of patients may be shown: of `n`, neither those with nor those without are few."""
    return not any(is_small(count, floor=floor) for count in (n, n_with, n - n_with))


def suppress(counts: np.ndarray, *, totals: Totals = "known", floor: int = FLOOR) -> np.ndarray:
    """Return what may be shown of a table of numbers of patients.

    Parameters
    ----------
    counts : numpy.ndarray
        Whole numbers, shape (cell,) or (row, column), without totals.
    totals : str
        ``known``: readers know the sums of rows and columns (or of the list) from elsewhere. ``printed``: they are printed with
        the table and may be withheld like any cell. ``unknown``: nobody knows them. A total below the floor is to be kept
        from readers: with ``known``, it protects nothing.
    floor : int

    Returns
    -------
    numpy.ndarray
        Of `SHOWN`, `SMALL` (say that it is below the floor) and `WITHHELD` (say nothing), in the shape of `counts`; with
        ``printed``, one longer along each axis, the totals last.

    Raises
    ------
    ValueError
        If a count is negative or no whole number, or the table has more than two dimensions.
    """
    table = np.asarray(counts)
    if table.ndim not in (1, 2) or (table < 0).any() or (table != np.floor(table)).any():
        raise ValueError("small cells are looked for in lists and tables of whole numbers, none below 0")
    if totals == "printed":
        for axis in range(table.ndim):
            table = np.concatenate([table, table.sum(axis=axis, keepdims=True)], axis=axis)
    values = table.astype(np.int64)
    system = _System(values.ravel(), _equations(values, totals), floor)
    system.protect()
    return system.codes.reshape(values.shape)


def shown(counts: Sequence[int], *, totals: Totals = "known", floor: int = FLOOR) -> tuple[str, ...]:
    """Return a list of counts as plain text: a number, ``<11``, or ``withheld``; see `suppress`."""
    codes = suppress(np.array(counts, dtype=np.int64), totals=totals, floor=floor)
    values = [*counts, sum(counts)] if totals == "printed" else counts
    words = {SMALL: f"<{floor}", WITHHELD: "withheld"}
    return tuple(words.get(int(code), f"{n:,}") for n, code in zip(values, codes, strict=True))


def one_count(n: int, *, floor: int = FLOOR) -> str:
    """Return a number of patients that stands alone as plain text: ``1,151`` or ``<11``."""
    return f"<{floor}" if is_small(n, floor=floor) else f"{n:,}"


@dataclass(frozen=True)
class _Equation:
    """The sum of `signs` times the cells `at` is `value`: what a reader knows."""

    at: np.ndarray
    signs: np.ndarray
    value: int


def _equations(values: np.ndarray, totals: Totals) -> list[_Equation]:
    if totals == "unknown" or not values.size:
        return []
    positions = np.arange(values.size).reshape(values.shape)
    lines = [positions] if values.ndim == 1 else [*positions, *positions.T]
    found = []
    for at in lines:
        signs = np.ones(len(at))
        if totals == "printed":
            signs[-1] = -1
        found.append(_Equation(at, signs, int((signs * values.ravel()[at]).sum())))
    return found


@dataclass
class _System:
    """Cells and what is known of them; `protect` hides one more until each small one is safe."""

    values: np.ndarray
    equations: list[_Equation]
    floor: int
    codes: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        small = (self.values > 0) & (self.values < self.floor)
        self.codes = np.where(small, SMALL, SHOWN).astype(np.int8)

    def protect(self) -> None:
        while (exposed := next(self._exposed(), None)) is not None:
            group = self._group(exposed)
            candidates = self._candidates(group)
            if len(candidates):
                self.codes[self._best(candidates, group, exposed)] = WITHHELD
            else:
                self._say_nothing(exposed)

    def _say_nothing(self, cell: int) -> None:
        """Withhold every cell of all sums that bind one: even that some are below the floor says too much there."""
        before = -1
        while (n := int((self.codes == WITHHELD).sum())) != before:
            before = n
            self.codes[np.unique(np.concatenate([e.at for e in self._group(cell)]))] = WITHHELD

    def _exposed(self) -> Iterator[int]:
        for i in np.flatnonzero(self.codes == SMALL):
            low, high = self._range(int(i))
            if high - low + 1 < min(SPREAD, self.floor - 1):
                yield int(i)

    def _group(self, cell: int) -> list[_Equation]:
        """Return the equations that bind a hidden cell, directly or through other hidden ones."""
        cells: set[int] = {cell}
        found: list[_Equation] = []
        rest = list(self.equations)
        while True:
            own = [e for e in rest if cells & set(e.at.tolist())]
            if not own:
                return found
            found += own
            rest = [e for e in rest if not any(e is other for other in own)]
            cells |= {int(i) for e in own for i in e.at if self.codes[i] != SHOWN}

    def _candidates(self, group: list[_Equation]) -> np.ndarray:
        cells = np.unique(np.concatenate([e.at for e in group])) if group else np.empty(0, dtype=np.int64)
        return cells[(self.codes[cells] == SHOWN) & (self.values[cells] >= self.floor)]

    def _best(self, candidates: np.ndarray, group: list[_Equation], exposed: int) -> int:
        """Return the smallest cell that protects, or else the smallest of those that end most sums with one unknown."""
        ordered = candidates[np.argsort(self.values[candidates], kind="stable")]
        lonely = [e for e in group if (self.codes[e.at] != SHOWN).sum() == 1]
        if len(lonely) <= 1:
            own = {int(i) for e in group if exposed in e.at for i in e.at}
            for cell in (int(c) for c in ordered if int(c) in own):
                self.codes[cell] = WITHHELD
                low, high = self._range(exposed)
                self.codes[cell] = SHOWN
                if high - low + 1 >= SPREAD:
                    return cell
        ends = [sum(bool((e.at == cell).any()) for e in lonely) for cell in ordered]
        return int(ordered[int(np.argmax(ends))])

    def _bounds(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the marks alone say of hidden cells; who knows the rule knows that a withheld one is not small."""
        small = self.codes[cells] == SMALL
        lower = np.where(small, 1, self.floor if small.any() else 0)
        return lower.astype(float), np.where(small, self.floor - 1.0, np.inf)

    def _range(self, cell: int) -> tuple[float, float]:
        """Return the least and the largest value of a hidden cell that agrees with everything shown."""
        group = self._group(cell)
        if not group:
            return 1.0, self.floor - 1.0
        cells = np.unique(np.concatenate([e.at for e in group]))
        hidden = cells[self.codes[cells] != SHOWN]
        lower, upper = self._bounds(hidden)
        matrix = np.zeros((len(group), len(hidden)))
        known = np.zeros(len(group))
        for row, equation in enumerate(group):
            signs = dict(zip(equation.at.tolist(), equation.signs.tolist(), strict=True))
            matrix[row] = [signs.get(int(i), 0.0) for i in hidden]
            seen = [i for i in equation.at if self.codes[i] == SHOWN]
            known[row] = equation.value - sum(signs[int(i)] * self.values[i] for i in seen)
        at = int(np.flatnonzero(hidden == cell)[0])
        if len(group) == 1:
            return _one_sum(matrix[0], known[0], lower, upper, at)
        return _many_sums(matrix, known, lower, upper, at)


def _one_sum(
    signs: np.ndarray, known: float, lower: np.ndarray, upper: np.ndarray, at: int
) -> tuple[float, float]:
    """Return the range of one term of a sum whose other terms lie between bounds."""
    others = np.arange(len(signs)) != at
    positive = signs[others] > 0
    least = float(np.where(positive, lower[others], -upper[others]).sum())
    most = float(np.where(positive, upper[others], -lower[others]).sum())
    ends = sorted([signs[at] * (known - most), signs[at] * (known - least)])
    return max(float(lower[at]), ends[0]), min(float(upper[at]), ends[1])


def _many_sums(
    matrix: np.ndarray, known: np.ndarray, lower: np.ndarray, upper: np.ndarray, at: int
) -> tuple[float, float]:
    """Return the same under several sums; sums of rows and columns make linear programmes with whole solutions."""
    from scipy.optimize import linprog

    ends = []
    for sign in (1.0, -1.0):
        aim = np.zeros(matrix.shape[1])
        aim[at] = sign
        bounds = np.column_stack([lower, upper])
        found = linprog(aim, A_eq=matrix, b_eq=known, bounds=bounds, method="highs")
        if found.status not in (0, _UNBOUNDED):
            raise RuntimeError(f"the range of a small cell could not be computed: {found.message}")
        ends.append(sign * (float(found.fun) if found.status == 0 else -np.inf))
    return round(ends[0], 6), round(ends[1], 6)
