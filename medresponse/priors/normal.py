"""Normal prior on coefficients: mild, equal shrinkage of a whole block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from medresponse.core.registry import register
from medresponse.priors.base import Column, Prior, Scales, require_positive, scaled_normal


@register(Prior, "normal")
@dataclass(frozen=True, kw_only=True, slots=True)
class Normal:
    """Independent normal coefficients with a fixed or an estimated common scale.

    Parameters
    ----------
    sigma : float
        Standard deviation of a coefficient, on the scale of the linear predictor. The default believes 95% of
        coefficients to lie within 1.0 of zero: an odds or hazard ratio between 0.38 and 2.7.
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

    def coefficients(
        self, name: str, *, columns: tuple[Column, ...], dims: str, scales: Scales, positive: bool = False
    ) -> Any:
        """Add the coefficients; see `Prior.coefficients`."""
        import pymc as pm

        p = len(columns)
        if not self.pooled:
            # The unit-scale parameter gives the sampler's first steps the right size for any sigma.
            return scaled_normal(name, self.sigma, size=p, dims=dims, scales=scales, positive=positive)
        scale = pm.HalfNormal(f"{name}_scale", self.sigma)
        if self.centred:
            if positive:
                return pm.HalfNormal(name, scale, shape=p, dims=dims)
            return pm.Normal(name, 0.0, scale, shape=p, dims=dims)
        return scaled_normal(name, scale, size=p, dims=dims, scales=scales, positive=positive)

    def harder(self) -> Normal:
        """Return the prior with half the scale."""
        return replace(self, sigma=self.sigma / 2)
