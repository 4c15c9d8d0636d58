"""Priors over one positive parameter: residual and random-walk scales, shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medresponse.core.registry import register
from medresponse.priors.base import ScalePrior, require_positive


@register(ScalePrior, "half_normal")
@dataclass(frozen=True, kw_only=True, slots=True)
class HalfNormal:
    """Half-normal with scale `sigma`."""

    sigma: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self.sigma, "sigma")

    def sample(self, name: str) -> Any:
        """Add the parameter; see `ScalePrior.sample`."""
        import pymc as pm

        return pm.HalfNormal(name, self.sigma)


@register(ScalePrior, "lognormal")
@dataclass(frozen=True, kw_only=True, slots=True)
class LogNormal:
    """Log-normal with median ``exp(mu)`` and log-scale standard deviation `sigma`."""

    mu: float = 0.0
    sigma: float = 0.5

    def __post_init__(self) -> None:
        require_positive(self.sigma, "sigma")

    def sample(self, name: str) -> Any:
        """Add the parameter; see `ScalePrior.sample`."""
        import pymc as pm

        return pm.LogNormal(name, self.mu, self.sigma)
