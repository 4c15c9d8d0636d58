"""Regularised horseshoe: most coefficients near zero, a few free up to a slab."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from medresponse.core.registry import register
from medresponse.priors.base import Prior, require_positive


@register(Prior, "horseshoe")
@dataclass(frozen=True, kw_only=True, slots=True)
class Horseshoe:
    """Regularised horseshoe with a global scale set by the expected number of non-zero coefficients.

    ``coefficient = z * tau * lambda~``, ``lambda~^2 = c^2 lambda^2 / (c^2 + tau^2 lambda^2)``, with
    ``tau ~ half-t(global_df, tau0)``, ``tau0 = p0 / (p - p0) * unit_information_sd`` and
    ``lambda ~ half-t(local_df, 1)``; ``c^2`` is inverse-gamma so that a coefficient that escapes shrinkage is
    Student-t with `slab_df` degrees of freedom and scale `slab_scale`.

    Parameters
    ----------
    expected_nonzero : float
        p0, the number of coefficients expected to matter.
    slab_scale, slab_df : float
        Size of those that do, on the scale of the linear predictor.
    local_df, global_df : float
        Degrees of freedom of the local and global half-t scales; 1 is the half-Cauchy of the paper, larger
        values sample better and shrink the very large less lightly.

    References
    ----------
    Piironen & Vehtari (2017), Electron J Stat 11:5018, sections 3.2 (tau0, eq. 3.12) and 2.3 (eq. 2.8).
    """

    expected_nonzero: float
    slab_scale: float = 0.5
    slab_df: float = 4.0
    local_df: float = 1.0
    global_df: float = 1.0

    def __post_init__(self) -> None:
        for what in ("expected_nonzero", "slab_scale", "slab_df", "local_df", "global_df"):
            require_positive(getattr(self, what), what)

    def coefficients(self, name: str, *, size: int, dims: str, unit_information_sd: Any) -> Any:
        """Add the coefficients; see `Prior.coefficients`.

        With no more columns than `expected_nonzero` the ratio p0 / (p - p0) is taken at p - p0 = 1.
        """
        import pymc as pm
        import pytensor.tensor as pt

        tau0 = self.expected_nonzero / max(size - self.expected_nonzero, 1.0) * unit_information_sd
        tau = tau0 * _half_t(f"{name}_global", self.global_df)
        local = _half_t(f"{name}_local", self.local_df, shape=size, dims=dims)
        slab = pm.InverseGamma(f"{name}_slab", self.slab_df / 2, self.slab_df / 2)
        c2 = self.slab_scale**2 * slab
        raw = pm.Normal(f"{name}_raw", 0.0, 1.0, shape=size, dims=dims)
        shrunk = pt.sqrt(c2 * local**2 / (c2 + tau**2 * local**2))
        return pm.Deterministic(name, raw * tau * shrunk, dims=dims)

    def harder(self) -> Horseshoe:
        """Return the prior with half as many expected non-zeros and half the slab."""
        return replace(self, expected_nonzero=self.expected_nonzero / 2, slab_scale=self.slab_scale / 2)


def _half_t(name: str, df: float, **kwargs: Any) -> Any:
    """Add a half-t variable as half-normal times the root of an inverse gamma.

    The same law as a half-t, whose tails are spread over two light-tailed variables that NUTS can cross
    (Peltola et al. 2014; Betancourt 2018, "Bayes sparse regression").
    """
    import pymc as pm
    import pytensor.tensor as pt

    base = pm.HalfNormal(f"{name}_base", 1.0, **kwargs)
    mix = pm.InverseGamma(f"{name}_mix", df / 2, df / 2, **kwargs)
    return base * pt.sqrt(mix)
