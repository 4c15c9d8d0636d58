"""Sequential trees: each column is drawn from the leaf, of a tree on those before it, that a patient falls into.

After Reiter 2005 (J Off Stat 21:441) and synthpop (Nowok, Raab & Dibben 2016, J Stat Softw 74:11). Numbers are not the
donor's own: outside heaps, normal scores are drawn from a kernel density of the leaf that keeps its mean and variance
(Silverman 1986, Density Estimation, sections 3.4.2 and 6.4.1), and become values by the smoothed column (`Marginal`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medresponse.core.registry import register
from medresponse.synthetic.learned.base import Columns, Generator
from medresponse.synthetic.learned.columns import FEWEST, Column, Layout
from medresponse.synthetic.learned.marginal import Marginal, marginal_of
from medresponse.synthetic.learned.trees import Leaves, ScoreLeaves, draw_by_arm, grow, grow_scores
from medresponse.synthetic.mechanisms.knobs import between, knobs, yes_or_no


@register(Generator, "sequential_cart")
@knobs("", Generator)
@dataclass(frozen=True, kw_only=True)
class SequentialCart:
    """Learn a tree for each column given those before it: baseline, then treatment, then outcomes.

    Parameters
    ----------
    leaf : int
        Patients of the smallest leaf, at least 11.
    gain : float, optional
        Chi-square that a split must gain, 0 or more; the logarithm of the number of patients by default (Bayes'
        information criterion, Schwarz 1978, Ann Stat 6:461). Splits of noise keep single patients apart.
    by_arm : bool
        Whether outcomes have trees of their own in every arm of at least two leaves; one tree for all need
        not split by treatment, and loses its effect where it does not.
    """

    leaf: int = 20
    gain: float | None = None
    by_arm: bool = True

    def __post_init__(self) -> None:
        between("leaf", self.leaf, FEWEST, 1_000_000)  # a smaller leaf speaks of single patients
        if self.gain is not None:
            between("gain", self.gain, 0.0, np.inf, open_high=True)
        yes_or_no("by_arm", self.by_arm)

    def fit(self, columns: Columns, layout: Layout, rng: np.random.Generator) -> CartSampler:
        """Learn from encoded columns."""
        steps: list[LevelStep | NumberStep] = []
        arm = layout.treatment[0].name if layout.treatment and self.by_arm else None
        for i, column in enumerate(layout.columns):
            before = layout.columns[:i]
            x = predictors(columns, before, len(columns[column.name]))
            own_arm = arm if column in layout.outcomes else None
            groups = self._arms(columns, own_arm, len(x))
            make = self._levels if column.levels else self._numbers
            steps.append(make(column, columns[column.name], x, groups, (before, own_arm), rng))
        return CartSampler(tuple(steps))

    def _arms(self, columns: Columns, arm: str | None, n: int) -> dict[int, np.ndarray]:
        """Return the rows of each arm that is large enough for trees of its own, and all rows under -1."""
        groups = {-1: np.arange(n)}
        if arm is not None:
            codes, sizes = np.unique(columns[arm], return_counts=True)
            large = codes[(sizes >= 2 * self.leaf) & (codes >= 0)]
            groups |= {int(code): np.flatnonzero(columns[arm] == code) for code in large}
        return groups

    def _gain(self, n: int) -> float:
        return float(np.log(n)) if self.gain is None else self.gain

    def _levels(
        self, column: Column, values: np.ndarray, x: np.ndarray, groups: Mapping[int, np.ndarray], given: Given,
        rng: np.random.Generator,
    ) -> LevelStep:  # fmt: skip
        seed, gain = int(rng.integers(2**31)), self._gain(len(values))
        trees = {
            code: grow(x[rows], values[rows], leaf=self.leaf, gain=gain, seed=seed)
            for code, rows in groups.items()
        }
        return LevelStep(column.name, *given, trees)

    def _numbers(
        self, column: Column, values: np.ndarray, x: np.ndarray, groups: Mapping[int, np.ndarray], given: Given,
        rng: np.random.Generator,
    ) -> NumberStep:  # fmt: skip
        seed, gain, known = int(rng.integers(2**31)), self._gain(len(values)), ~np.isnan(values)
        marginal = marginal_of(values[known])
        # What a leaf holds and its tree explains is each patient's rank, ties in random order.
        shuffled, rank = rng.permutation(np.flatnonzero(known)), np.full(len(values), -1)
        rank[shuffled[np.argsort(values[shuffled], kind="stable")]] = np.arange(marginal.n)
        trees, missing = {}, {}
        for code, rows in groups.items():
            own = rows[known[rows]]
            if code == -1 or len(own) >= 2 * self.leaf:
                trees[code] = grow_scores(
                    x[own], rank[own], n=marginal.n, leaf=self.leaf, gain=gain, seed=seed
                )
            if not (known.all() or column.always):
                gone = (~known[rows]).astype(np.int64)
                missing[code] = grow(x[rows], gone, leaf=self.leaf, gain=gain, seed=seed)
        return NumberStep(column.name, *given, trees, marginal, missing)


type Given = tuple[tuple[Column, ...], str | None]
"""Columns that a tree splits on, and the treatment column if every arm has its own."""


@dataclass(frozen=True)
class LevelStep:
    """How levels are drawn: trees by arm (-1 for any other)."""

    name: str
    before: tuple[Column, ...]
    arm: str | None
    trees: Mapping[int, Leaves]

    def draw(self, made: Columns, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return positions of levels for patients whose earlier columns are made."""
        return draw_by_arm(self.trees, _arms_of(made, self.arm, n), predictors(made, self.before, n), rng)


@dataclass(frozen=True)
class NumberStep:
    """How numbers are drawn: trees of their scores and of being missing (none if nobody's is), by arm."""

    name: str
    before: tuple[Column, ...]
    arm: str | None
    trees: Mapping[int, ScoreLeaves]
    marginal: Marginal
    missing: Mapping[int, Leaves]

    def draw(self, made: Columns, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return numbers for patients whose earlier columns are made, NaN where missing."""
        x, arms = predictors(made, self.before, n), _arms_of(made, self.arm, n)
        rank, probability = draw_by_arm(self.trees, arms, x, rng)
        values = self.marginal.near(rank.astype(np.int64), probability)
        if not self.missing:
            return values
        return np.where(draw_by_arm(self.missing, arms, x, rng) == 1, np.nan, values)


@dataclass(frozen=True)
class CartSampler:
    """The columns' steps in order."""

    steps: tuple[LevelStep | NumberStep, ...]

    def draw(self, n: int, rng: np.random.Generator) -> Columns:
        """Return `n` patients."""
        made: dict[str, np.ndarray] = {}
        for step in self.steps:
            made[step.name] = step.draw(made, n, rng)
        return made


def predictors(columns: Columns, before: tuple[Column, ...], n: int) -> np.ndarray:
    """Return what trees split on, shape (patient, predictor): numbers, positions in an order, one indicator a level."""
    parts = [np.empty((n, 0))]
    for column in before:
        values = columns[column.name]
        if column.levels and not column.ordered:
            parts.append((values[:, None] == np.arange(len(column.levels))).astype(float))
        else:
            parts.append(np.where(values < 0, np.nan, values)[:, None] if column.levels else values[:, None])
    return np.column_stack(parts)


def _arms_of(made: Columns, arm: str | None, n: int) -> np.ndarray:
    return np.full(n, -1) if arm is None else made[arm]
