"""Sampling replaced by draws from the prior: every line of a notebook runs, nothing is compiled for a sampler.

For plumbing, never for numbers: the "posterior" is the prior, and its diagnostics mean nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from medresponse.inference import fitting
from medresponse.inference.engines import Nuts


class PriorSampled:
    """Stands in for `engines.Compiled`; its handles are finished as soon as they are made."""

    library = "prior draws in place of a sampler"

    def __init__(self, model: pm.Model) -> None:
        started = time.perf_counter()
        self._names = [v.name for v in model.unobserved_value_vars if not v.name.endswith("__")]
        # One chain's worth is drawn at a time by a compiled graph without numba, which is what takes long.
        self._draw = pm.compile([], [model[name] for name in self._names], mode="FAST_COMPILE", random_seed=1)
        self.seconds = time.perf_counter() - started

    def log_prior(self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.zeros(len(next(iter(draws.values()))))

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
        }
        self._trace = xr.DataTree.from_dict(
            {"posterior": _dataset(posterior), "sample_stats": _dataset(stats)}
        )

    def wait(self) -> Any:
        return self._trace

    def cancel(self) -> None:
        """Nothing runs."""


def _dataset(arrays: dict[str, np.ndarray]) -> xr.Dataset:
    variables = {
        name: (("chain", "draw", *(f"{name}_{i}" for i in range(a.ndim - 1))), a[None])
        for name, a in arrays.items()
    }
    return xr.Dataset(variables)


def install() -> None:
    """Replace the sampler in this process."""
    fitting.Compiled = PriorSampled  # type: ignore[misc,assignment]
