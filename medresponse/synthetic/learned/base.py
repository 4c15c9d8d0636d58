"""What a learned generator is, and what it may not give away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from medresponse.synthetic.learned.columns import Layout

type Columns = Mapping[str, np.ndarray]
"""Column -> shape (patient,): numbers with NaN where missing, or positions of levels with -1 where missing."""


class Sampler(Protocol):
    """What was learned: draws new patients, without further use of the real ones."""

    def draw(self, n: int, rng: np.random.Generator) -> Columns:
        """Return `n` patients in the encoding of the layout that was learned from."""
        ...


class Generator(Protocol):
    """A way of learning the joint distribution of a cohort's columns; treatment and outcomes are columns too."""

    def fit(self, columns: Columns, layout: Layout, rng: np.random.Generator) -> Sampler:
        """Learn from encoded columns."""
        ...
