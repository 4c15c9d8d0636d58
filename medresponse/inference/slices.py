"""Slice sampling of one number, and of one positive quantity under any `ScalePrior`."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, cast

import numpy as np

from medresponse.priors import ScalePrior


class ScaleStep:
    """Draws one positive quantity given everything else, on the unconstrained scale of its prior.

    The prior's density comes from PyMC, so that a spec means the same under every engine.
    """

    def __init__(self, prior: ScalePrior) -> None:
        self._prior = prior
        self._evaluate, self._at = _compiled(cast(Hashable, prior))
        self.value = self._evaluate(self._at)[1]

    def prior_draws(self, draws: int, rng: np.random.Generator) -> np.ndarray:
        """Return independent draws of the prior, shape (draw,)."""
        import pymc as pm

        _, variable = _graph(self._prior)
        values = pm.draw(variable, draws=draws, random_seed=int(rng.integers(2**31)))
        return np.reshape(values, draws)

    def draw(
        self, log_likelihood: Callable[[float], float], rng: np.random.Generator, *, width: float = 0.5
    ) -> float:
        """Move to a new draw and return it."""

        def log_density(u: float) -> float:
            log_prior, value = self._evaluate(u)
            return log_prior + log_likelihood(value) if np.isfinite(log_prior) else -np.inf

        self._at = slice_step(log_density, self._at, rng, width=width)
        self.value = self._evaluate(self._at)[1]
        return self.value


def slice_step(
    log_density: Callable[[float], float], at: float, rng: np.random.Generator, *, width: float
) -> float:
    """Move a number within its slice (Neal 2003, Ann Stat 31:705, figures 3 and 5: stepping out, shrinking)."""
    level = log_density(at) - rng.standard_exponential()
    low = at - width * rng.random()
    high = low + width
    while log_density(low) > level:
        low -= width
    while log_density(high) > level:
        high += width
    while True:
        found = low + (high - low) * rng.random()
        if log_density(found) > level:
            return found
        low, high = (found, high) if found < at else (low, found)


@lru_cache(maxsize=32)
def _compiled(prior: Any) -> tuple[Callable[[float], tuple[float, float]], float]:
    """Return what maps an unconstrained number to (log density there, quantity), and a place to start."""
    model, variable = _graph(prior)
    ((_, start),) = model.initial_point().items()
    outputs = [model.logp(), *model.replace_rvs_by_values([variable])]
    function = model.compile_fn(outputs, point_fn=False, on_unused_input="ignore")
    function.trust_input = True  # thousands of calls with the one kind of input below

    def evaluate(u: float) -> tuple[float, float]:
        log_density, value = function(np.asarray(u, dtype=float))
        return float(log_density), float(value)

    return evaluate, float(start)


def _graph(prior: ScalePrior) -> tuple[Any, Any]:
    import pymc as pm

    with pm.Model() as model:
        variable = prior.sample("value")
    return model, variable
