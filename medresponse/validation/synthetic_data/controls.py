"""The positive control: a generator that is known to leak, which every battery of checks must flag."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medresponse.synthetic.learned import Columns, Layout


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """Give out the real patients themselves, drawn with replacement."""

    def fit(self, columns: Columns, layout: Layout, rng: np.random.Generator) -> BootstrapSampler:
        """Keep all columns as they are."""
        return BootstrapSampler(columns)


@dataclass(frozen=True)
class BootstrapSampler:
    """Real patients."""

    columns: Columns

    def draw(self, n: int, rng: np.random.Generator) -> Columns:
        """Return `n` of them, with replacement."""
        chosen = rng.integers(len(next(iter(self.columns.values()))), size=n)
        return {name: values[chosen] for name, values in self.columns.items()}
