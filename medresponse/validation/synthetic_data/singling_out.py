"""Singling out: conditions read off the made-up table that hold for exactly one real patient.

After Giomi et al. 2023 (Proc Priv Enh Tech 2023(2):312, section 4.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medresponse.validation.synthetic_data.risk import Tally
from medresponse.validation.synthetic_data.space import Block

ATTACKS = 100
_TOGETHER = 4  # columns of a multivariate condition
_TRIES = 20  # candidates drawn for one that holds for a single made-up patient


@dataclass(frozen=True)
class Condition:
    """What one column must be: equal to, at least or at most `value`; NaN or -1 means missing."""

    column: int
    relation: Literal["is", "at least", "at most"]
    value: float

    def holds(self, blocks: Sequence[Block]) -> np.ndarray:
        """Return for whom it holds, shape (patient,)."""
        values = blocks[self.column].values
        if np.isnan(self.value):
            return np.isnan(values)
        with np.errstate(invalid="ignore"):
            if self.relation == "at least":
                return values >= self.value
            if self.relation == "at most":
                return values <= self.value
            return np.abs(values - self.value) <= 1e-9 * max(1.0, abs(self.value))


def singling_out(
    train: Sequence[Block], holdout: Sequence[Block], made: Sequence[Block], rng: np.random.Generator
) -> tuple[Tally, Tally]:
    """Return the tallies of conditions on one column, and on four."""
    univariate = [(condition,) for condition in _single(made)]
    chosen = rng.permutation(len(univariate))[:ATTACKS]
    return (
        _tally("singling out, one column", [univariate[i] for i in chosen], train, holdout),
        _tally("singling out, four columns", _joint(made, rng), train, holdout),
    )


def _single(made: Sequence[Block]) -> list[Condition]:
    """Return every value that a single made-up patient has, and what is at or beyond the smallest and largest."""
    found: list[Condition] = []
    for i, block in enumerate(made):
        known = block.values[~np.isnan(block.values)]
        values, counts = np.unique(known, return_counts=True)
        found += [Condition(i, "is", float(v)) for v in values[counts == 1]]
        if np.isnan(block.values).sum() == 1:
            found.append(Condition(i, "is", np.nan))
        if not block.column.levels and len(values):
            found += [Condition(i, "at most", float(values[0])), Condition(i, "at least", float(values[-1]))]
    return found


def _joint(made: Sequence[Block], rng: np.random.Generator) -> list[tuple[Condition, ...]]:
    """Return conditions on columns of a random made-up patient that nobody else among the made-up fulfils."""
    n, found = len(made[0].values), []
    medians = [np.nan if b.column.levels else float(np.nanmedian(b.values)) for b in made]
    for _ in range(ATTACKS * _TRIES):
        row = int(rng.integers(n))
        columns = rng.choice(len(made), size=min(_TOGETHER, len(made)), replace=False)
        conditions = tuple(_outwards(int(i), made[i], row, medians[i]) for i in columns)
        if _matches(conditions, made) == 1:
            found.append(conditions)
        if len(found) == ATTACKS:
            break
    return found


def _outwards(column: int, block: Block, row: int, median: float) -> Condition:
    value = float(block.values[row])
    if block.column.levels or np.isnan(value):
        return Condition(column, "is", value)
    return Condition(column, "at least" if value >= median else "at most", value)


def _matches(conditions: Sequence[Condition], blocks: Sequence[Block]) -> int:
    return int(np.logical_and.reduce([condition.holds(blocks) for condition in conditions]).sum())


def _tally(
    check: str, attacks: Sequence[Sequence[Condition]], train: Sequence[Block], holdout: Sequence[Block]
) -> Tally:
    hits = sum(_matches(conditions, train) == 1 for conditions in attacks)
    control = sum(_matches(conditions, holdout) == 1 for conditions in attacks)
    return Tally(check, hits, len(attacks), control, len(attacks))
