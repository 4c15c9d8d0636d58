"""Student-t prior on coefficients: mild shrinkage that lets go of the few that are large."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from medresponse.core.registry import register
from medresponse.priors.base import Column, Prior, Scales, require_positive, unit_normal


@register(Prior, "student_t")
@dataclass(frozen=True, kw_only=True, slots=True)
class StudentT:
    """Independent Student-t coefficients, sampled as normal times the root of an inverse gamma.

    Parameters
    ----------
    sigma : float
        Scale of a coefficient, on the scale of the linear predictor. The default believes 95% of coefficients to
        lie within 1.4 of zero (an odds or hazard ratio between 0.25 and 4; `Normal` of the same sigma says 1.0),
        and half of them within 0.37.
    df : float
        Degrees of freedom; the standard deviation is ``sigma * sqrt(df / (df - 2))``, infinite up to 2. With 1,
        the Cauchy, a coefficient has no posterior mean where a binary outcome is separated; above 1 it has.

    References
    ----------
    Ghosh, Li & Mitra (2018), Bayesian Anal 13:359 (Cauchy and t priors under separation).
    """

    sigma: float = 0.5
    df: float = 4.0

    def __post_init__(self) -> None:
        require_positive(self.sigma, "sigma")
        require_positive(self.df, "df")

    def coefficients(
        self, name: str, *, columns: tuple[Column, ...], dims: str, scales: Scales, positive: bool = False
    ) -> Any:
        """Add the coefficients; see `Prior.coefficients`."""
        import pymc as pm
        import pytensor.tensor as pt

        p = len(columns)
        mix = pm.InverseGamma(f"{name}_mix", self.df / 2, self.df / 2, shape=p, dims=dims)
        raw = unit_normal(f"{name}_raw", size=p, dims=dims, positive=positive)
        return pm.Deterministic(name, self.sigma * raw * pt.sqrt(mix), dims=dims)

    def harder(self) -> StudentT:
        """Return the prior with half the scale."""
        return replace(self, sigma=self.sigma / 2)
