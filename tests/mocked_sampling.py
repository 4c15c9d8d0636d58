"""Sampling replaced by draws from the prior: every line of a notebook runs, nothing is compiled for a sampler.

For plumbing, never for numbers: the "posterior" is the prior, and its diagnostics mean nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pymc as pm

from medresponse.inference import engines
from medresponse.inference.compiled import Trace
from medresponse.inference.engines import Nuts


class PriorSampled:
    """Stands in for `compiled.Compiled`; its handles are finished as soon as they are made."""

    library, policy = "prior draws in place of a sampler", "off"
    notes: tuple[str, ...] = ()

    def __init__(self, make_model: Callable[[], pm.Model], identity: str, written: Any) -> None:
        started, model = time.perf_counter(), make_model()
        self._names = [v.name for v in model.unobserved_value_vars if not v.name.endswith("__")]
        # One chain's worth is drawn at a time by a compiled graph without numba, which is what takes long.
        self._draw = pm.compile([], [model[name] for name in self._names], mode="FAST_COMPILE", random_seed=1)
        self.seconds = time.perf_counter() - started

    def start(self, data: Mapping[str, np.ndarray], engine: Nuts, seed: int) -> Handle:
        drawn = [self._draw() for _ in range(engine.draws)]
        return Handle(
            {
                name: np.stack(column)
                for name, column in zip(self._names, zip(*drawn, strict=True), strict=True)
            }
        )


class Handle:
    """One finished run in nutpie's shape."""

    is_finished = True

    def __init__(self, posterior: dict[str, np.ndarray]) -> None:
        draws = len(next(iter(posterior.values())))
        stats = {
            "diverging": np.zeros(draws, dtype=bool),
            "energy": np.random.default_rng(1).normal(size=draws),
            "log_prior": np.zeros(draws),
        }
        self._trace = Trace(posterior, stats)

    def wait(self) -> Trace:
        return self._trace

    def cancel(self) -> None:
        """Nothing runs."""


def install() -> None:
    """Replace the sampler in this process."""
    engines.Compiled = PriorSampled  # type: ignore[misc,assignment]
