"""What the sparse priors share: the global scale of an expected number, the slab."""

from __future__ import annotations

from typing import Any

from medresponse.priors.base import Scales, scaled_normal
from medresponse.priors.half_t import half_t


def global_scale(name: str, *, expected_nonzero: float, df: float, size: int, scales: Scales) -> Any:
    """Add ``tau ~ half-t(df, tau0)``, ``tau0 = p0 / (p - p0) * unit_information_sd``.

    Piironen & Vehtari (2017), Electron J Stat 11:5018, eq. 3.12. With no more columns than `expected_nonzero`
    the ratio is taken at p - p0 = 1.
    """
    tau0 = expected_nonzero / max(size - expected_nonzero, 1.0) * scales.unit_information_sd
    return tau0 * half_t(f"{name}_global", df)


def slab_coefficients(
    name: str,
    *,
    tau: Any,
    local: Any,
    slab_scale: float,
    slab_df: float,
    size: int,
    dims: str,
    scales: Scales,
    positive: bool,
) -> Any:
    """Add coefficients ``z * tau * lambda~`` with ``lambda~^2 = c^2 lambda^2 / (c^2 + tau^2 lambda^2)``.

    ``c^2 = slab_scale^2 * inverse-gamma(slab_df / 2, slab_df / 2)``: a coefficient that escapes shrinkage is
    Student-t with `slab_df` degrees of freedom and scale `slab_scale` (Piironen & Vehtari 2017, eq. 2.8).
    """
    import pymc as pm
    import pytensor.tensor as pt

    c2 = slab_scale**2 * pm.InverseGamma(f"{name}_slab", slab_df / 2, slab_df / 2)
    shrunk = pt.sqrt(c2 * local**2 / (c2 + tau**2 * local**2))
    return scaled_normal(name, tau * shrunk, size=size, dims=dims, scales=scales, positive=positive)
