"""Slice sampling of one positive quantity under any `ScalePrior`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medresponse.priors import ScalePrior


class ScaleStep:
    """Draws one positive quantity given everything else, on the unconstrained scale of its prior.

    The prior's density comes from PyMC, so that a spec means the same under every engine.
    """

    def __init__(self, prior: ScalePrior) -> None:
        import pymc as pm

        with pm.Model() as model:
            value = prior.sample("value")
        point = model.initial_point()
        ((name, at),) = point.items()
        outputs = [model.logp(), *model.replace_rvs_by_values([value])]
        evaluate = model.compile_fn(outputs, mode="FAST_COMPILE", on_unused_input="ignore")
        self._evaluate: Callable[[float], tuple[float, float]] = lambda u: tuple(
            float(x) for x in evaluate({name: np.asarray(u)})
        )  # type: ignore[assignment]
        self.at = float(at)

    @property
    def value(self) -> float:
        """The quantity now."""
        return self._evaluate(self.at)[1]

    def draw(self, log_likelihood: Callable[[float], float], rng: np.random.Generator, *, width: float = 0.5) -> float:
        """Move to a new draw and return it (Neal 2003, Ann Stat 31:705, figures 3 and 5: stepping out, shrinking)."""

        def log_density(u: float) -> float:
            log_prior, value = self._evaluate(u)
            return log_prior + log_likelihood(value) if np.isfinite(log_prior) else -np.inf

        level = log_density(self.at) - rng.standard_exponential()
        low = self.at - width * rng.random()
        high = low + width
        while log_density(low) > level:
            low -= width
        while log_density(high) > level:
            high += width
        while True:
            u = low + (high - low) * rng.random()
            if log_density(u) > level:
                self.at = u
                return self.value
            low, high = (u, high) if u < self.at else (low, u)
