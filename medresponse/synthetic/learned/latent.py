"""Columns of any type as intervals of normal scores, and back.

A number or an ordered level is one score. K levels without an order are K - 1 yes-or-no scores (the first level or
a later one, the second or a later one, ...), of which those after the level itself are not seen. Whether a number is
missing is a score too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from medresponse.synthetic.learned.columns import Column
from medresponse.synthetic.learned.marginal import Marginal, marginal_of


@dataclass(frozen=True)
class Scores:
    """Bounds of each patient's normal scores, both of shape (patient, score); equal where the score is known."""

    lower: np.ndarray
    upper: np.ndarray


@dataclass(frozen=True)
class NumberScores:
    """Scores of a column of numbers: its value and, if some are missing, whether it is (above `threshold`)."""

    name: str
    marginal: Marginal
    threshold: float | None

    @property
    def size(self) -> int:
        """How many scores."""
        return 1 if self.threshold is None else 2

    def decode(self, scores: np.ndarray) -> np.ndarray:
        """Return values, shape (patient,), NaN where missing, from scores of shape (patient, size)."""
        values = self.marginal.quantile(ndtr(scores[:, 0]))
        return values if self.threshold is None else np.where(scores[:, 1] > self.threshold, np.nan, values)


@dataclass(frozen=True)
class OrderedScores:
    """The score of ordered levels: level k lies between `cuts` k and k + 1, the first and last infinite."""

    name: str
    codes: np.ndarray
    cuts: np.ndarray
    size: int = 1

    def decode(self, scores: np.ndarray) -> np.ndarray:
        """Return positions of levels, shape (patient,), -1 where missing."""
        return self.codes[np.searchsorted(self.cuts[1:-1], scores[:, 0], side="right")]


@dataclass(frozen=True)
class NominalScores:
    """The scores of levels without an order: level k if score k is the first above its threshold, else the last."""

    name: str
    codes: np.ndarray
    thresholds: np.ndarray

    @property
    def size(self) -> int:
        """How many scores."""
        return len(self.thresholds)

    def decode(self, scores: np.ndarray) -> np.ndarray:
        """Return positions of levels, shape (patient,), -1 where missing."""
        above = np.column_stack([scores > self.thresholds, np.ones(len(scores), dtype=bool)])
        return self.codes[above.argmax(axis=1)]


type Coder = NumberScores | OrderedScores | NominalScores


def to_scores(
    columns: Mapping[str, np.ndarray], layout: Sequence[Column]
) -> tuple[tuple[Coder, ...], Scores]:
    """Return how each column is coded, and the bounds of all patients' scores."""
    coders: list[Coder] = []
    bounds: list[tuple[np.ndarray, np.ndarray]] = []
    for column in layout:
        make = _number if not column.levels else _ordered if _is_ordered(column, columns) else _nominal
        coder, own = make(column, columns[column.name])
        coders.append(coder)
        bounds += own
    lower, upper = (np.column_stack(side) for side in zip(*bounds, strict=True))
    return tuple(coders), Scores(lower, upper)


def from_scores(scores: np.ndarray, coders: Sequence[Coder]) -> dict[str, np.ndarray]:
    """Return encoded columns from scores of shape (patient, score)."""
    ends = np.cumsum([coder.size for coder in coders])
    parts = np.split(scores, ends[:-1], axis=1)
    return {coder.name: coder.decode(part) for coder, part in zip(coders, parts, strict=True)}


def _is_ordered(column: Column, columns: Mapping[str, np.ndarray]) -> bool:
    """Say whether one score will do; a missing level has no place in an order."""
    return column.ordered and not (columns[column.name] < 0).any()


def _number(column: Column, values: np.ndarray) -> tuple[Coder, list[tuple[np.ndarray, np.ndarray]]]:
    known = ~np.isnan(values)
    ordered, n = np.sort(values[known]), int(known.sum())
    before, through = (np.searchsorted(ordered, values[known], side=side) for side in ("left", "right"))
    # Ties share an interval; a value of its own has the score of the middle of its step.
    alone = through - before == 1
    middle = (before + 0.5) / n
    lower, upper = np.full(len(values), -np.inf), np.full(len(values), np.inf)
    lower[known] = ndtri(np.where(alone, middle, before / n))
    upper[known] = ndtri(np.where(alone, middle, through / n))
    bounds = [(lower, upper)]
    if known.all() or column.always:
        return NumberScores(column.name, marginal_of(values[known]), None), bounds
    threshold = float(ndtri(known.mean()))
    bounds.append((np.where(known, -np.inf, threshold), np.where(known, threshold, np.inf)))
    return NumberScores(column.name, marginal_of(values[known]), threshold), bounds


def _ordered(column: Column, values: np.ndarray) -> tuple[Coder, list[tuple[np.ndarray, np.ndarray]]]:
    codes, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    cuts = ndtri(np.concatenate([[0.0], np.cumsum(counts) / len(values)]).clip(0.0, 1.0))
    cuts[0], cuts[-1] = -np.inf, np.inf
    return OrderedScores(column.name, codes, cuts), [(cuts[inverse], cuts[inverse + 1])]


def _nominal(column: Column, values: np.ndarray) -> tuple[Coder, list[tuple[np.ndarray, np.ndarray]]]:
    codes, counts = np.unique(values, return_counts=True)
    codes, counts = codes[np.argsort(-counts, kind="stable")], np.sort(counts)[::-1]
    left = len(values) - np.concatenate([[0], np.cumsum(counts)])[:-1]
    thresholds = -ndtri(counts[:-1] / left[:-1])
    bounds = []
    seen = np.ones(len(values), dtype=bool)
    for code, threshold in zip(codes[:-1], thresholds, strict=True):
        own = values == code
        lower = np.where(own, threshold, -np.inf)
        bounds.append((lower, np.where(seen & ~own, threshold, np.inf)))
        seen &= ~own
    return NominalScores(column.name, codes, thresholds), bounds
