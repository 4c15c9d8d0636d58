"""Normal prior on coefficients: mild, equal shrinkage of a whole block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from medresponse.core.registry import register
from medresponse.priors.base import Prior, require_positive


@register(Prior, "normal")
@dataclass(frozen=True, kw_only=True, slots=True)
class Normal:
    """Independent normal coefficients with a fixed or an estimated common scale.

    Parameters
    ----------
    sigma : float
        Standard deviation of a coefficient, on the scale of the linear predictor.
    pooled : bool
        If True the block's common scale is estimated, half-normal with scale `sigma`: partial pooling of the
        block's coefficients towards zero.
    centred : bool
        How a pooled block is sampled: as it is, or (False) as multiples of its scale. The same posterior; centred
        mixes better where the data pin each coefficient (thousands of patients), worse where they do not.
    """

    sigma: float = 0.5
    pooled: bool = False
    centred: bool = False

    def __post_init__(self) -> None:
        require_positive(self.sigma, "sigma")
        if self.centred and not self.pooled:
            raise ValueError("centred says how a pooled block is sampled; set pooled as well")

    def coefficients(self, name: str, *, size: int, dims: str, unit_information_sd: Any) -> Any:
        """Add the coefficients; see `Prior.coefficients`."""
        import pymc as pm

        if not self.pooled:
            # The unit-scale parameter gives the sampler's first steps the right size for any sigma.
            raw = pm.Normal(f"{name}_raw", 0.0, 1.0, shape=size, dims=dims)
            return pm.Deterministic(name, self.sigma * raw, dims=dims)
        scale = pm.HalfNormal(f"{name}_scale", self.sigma)
        if self.centred:
            return pm.Normal(name, 0.0, scale, shape=size, dims=dims)
        raw = pm.Normal(f"{name}_raw", 0.0, 1.0, shape=size, dims=dims)
        return pm.Deterministic(name, scale * raw, dims=dims)

    def harder(self) -> Normal:
        """Return the prior with half the scale."""
        return replace(self, sigma=self.sigma / 2)
