"""Priors over one positive parameter: residual and random-walk scales, shapes, degrees of freedom."""

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


@register(ScalePrior, "half_student_t")
@dataclass(frozen=True, kw_only=True, slots=True)
class HalfStudentT:
    """Half-t with scale `sigma` and `df` degrees of freedom: as `HalfNormal` near zero, with a longer tail."""

    sigma: float = 1.0
    df: float = 4.0

    def __post_init__(self) -> None:
        require_positive(self.sigma, "sigma")
        require_positive(self.df, "df")

    def sample(self, name: str) -> Any:
        """Add the parameter; see `ScalePrior.sample`."""
        import pymc as pm

        return pm.HalfStudentT(name, nu=self.df, sigma=self.sigma)


@register(ScalePrior, "exponential")
@dataclass(frozen=True, kw_only=True, slots=True)
class Exponential:
    """Exponential with mean `mean`."""

    mean: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self.mean, "mean")

    def sample(self, name: str) -> Any:
        """Add the parameter; see `ScalePrior.sample`."""
        import pymc as pm

        return pm.Exponential(name, scale=self.mean)


@register(ScalePrior, "gamma")
@dataclass(frozen=True, kw_only=True, slots=True)
class Gamma:
    """Gamma with mean ``shape / rate``, moved up by `minimum`.

    The default is meant for the degrees of freedom of a Student-t (Juárez & Steel 2010, J Bus Econ Stat 28:52),
    where a `minimum` of 1 keeps a mean and one of 2 a variance.
    """

    shape: float = 2.0
    rate: float = 0.1
    minimum: float = 0.0

    def __post_init__(self) -> None:
        require_positive(self.shape, "shape")
        require_positive(self.rate, "rate")
        if not 0 <= self.minimum < float("inf"):
            raise ValueError("minimum must be zero, or positive and finite")

    def sample(self, name: str) -> Any:
        """Add the parameter; see `ScalePrior.sample`."""
        import pymc as pm

        if self.minimum == 0:
            return pm.Gamma(name, self.shape, self.rate)
        above = pm.Gamma(f"{name}_above_minimum", self.shape, self.rate)
        return pm.Deterministic(name, self.minimum + above)
