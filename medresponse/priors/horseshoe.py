"""Regularised horseshoe: most coefficients near zero, a few free up to a slab."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from medresponse.core.registry import register
from medresponse.priors.base import Column, Prior, Scales, require_positive
from medresponse.priors.half_t import half_t
from medresponse.priors.shrinkage import global_scale, slab_coefficients


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
        p0, the number of coefficients expected to matter. It may exceed the number of columns: nothing is then
        shrunk by more than the slab.
    slab_scale, slab_df : float
        Size of those that do, on the scale of the linear predictor. The default believes 95% of them to lie
        within 1.4 of zero: an odds or hazard ratio between 0.25 and 4.
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

    def coefficients(
        self, name: str, *, columns: tuple[Column, ...], dims: str, scales: Scales, positive: bool = False
    ) -> Any:
        """Add the coefficients; see `Prior.coefficients`."""
        p = len(columns)
        tau = global_scale(
            name, expected_nonzero=self.expected_nonzero, df=self.global_df, size=p, scales=scales
        )
        local = half_t(f"{name}_local", self.local_df, shape=p, dims=dims)
        return slab_coefficients(
            name, tau=tau, local=local, slab_scale=self.slab_scale, slab_df=self.slab_df, size=p, dims=dims, scales=scales,
            positive=positive,
        )  # fmt: skip

    def harder(self) -> Horseshoe:
        """Return the prior with half as many expected non-zeros and half the slab."""
        return replace(self, expected_nonzero=self.expected_nonzero / 2, slab_scale=self.slab_scale / 2)
