"""Two halves of a made-up trial in one space, and known good and bad ways of making patients from the first."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from medresponse.cohort import Cohort, random_folds
from medresponse.synthetic.learned import Columns, Layout, learn
from medresponse.validation.synthetic_data.controls import Bootstrap
from medresponse.validation.synthetic_data.space import Space, space_of
from tests.validation.observational import smokers


@dataclass(frozen=True)
class Halves:
    train: Cohort
    holdout: Cohort
    space: Space

    def blocks(self, *cohorts: Cohort):
        return [self.space.blocks(cohort) for cohort in cohorts]

    def copies(self) -> Cohort:
        return learn(Bootstrap(), self.train, seed=1).draw(self.train.n, seed=1)


def halves(n: int = 600) -> Halves:
    cohort = smokers(2 * n, by_age=0.5, missing=30)
    first = random_folds(cohort, folds=2, seed=5) == 0
    return Halves(cohort.where(first), cohort.where(~first), space_of(cohort))


def strangers(n: int = 600, *, seed: int = 77) -> Cohort:
    """Patients of the same population, whom nobody learned from."""
    return smokers(n, by_age=0.5, missing=15, seed=seed)


@dataclass(frozen=True, kw_only=True)
class OtherPatients:
    """A generator that learns nothing: it knows the population, and draws afresh from it."""

    def fit(self, columns: Columns, layout: Layout, rng: np.random.Generator) -> OtherPatients:
        return replace(self)

    def draw(self, n: int, rng: np.random.Generator) -> Columns:
        from medresponse.synthetic.learned.columns import encode, layout_of

        other = smokers(n, by_age=0.5, missing=15, seed=int(rng.integers(10**6)))
        return encode(other.table, layout_of(other))
