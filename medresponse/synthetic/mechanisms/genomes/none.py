"""No genetic columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medresponse.synthetic.mechanisms.column import Column, Values
from medresponse.synthetic.mechanisms.kinds import Genome
from medresponse.synthetic.mechanisms.knobs import mechanism


@mechanism(Genome, "none")
@dataclass(frozen=True, kw_only=True)
class NoGenome:
    """No genetic columns."""

    def columns(self, world: Callable[[], np.random.Generator]) -> tuple[Column, ...]:
        """Return none."""
        return ()

    def draw(self, n: int, rng: np.random.Generator, world: Callable[[], np.random.Generator]) -> Values:
        """Return none."""
        return {}
