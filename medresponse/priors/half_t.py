"""Half-t scales, sampled in a coordinate in which the half-Cauchy is nearly standard normal.

The logarithm of a half-Cauchy variable has tails like exp(-|x|). With ``log scale = z sqrt(pi / 2 + z^2 / 4)`` its slope at
zero and its tails are those of the exact map from a standard normal z, ``tan(pi / 2 Phi(z))``, at the cost of a square root. The
Jacobian is part of the density, so that the law is exact for any degrees of freedom. One coordinate a scale, without the steep
walls of the logarithms of a half-normal and an inverse gamma whose product is the same law, takes half as many leapfrog steps at
a target acceptance of 0.9, and more effective draws (docs/scaling.md).
"""

from __future__ import annotations

import math
from typing import Any

HALF_T_BEND = math.pi / 2  # square of the slope at zero


def half_t(name: str, df: float, **kwargs: Any) -> Any:
    """Add a half-t variable of scale 1 to the current PyMC model and return it.

    Parameters
    ----------
    name : str
    df : float
        Degrees of freedom.
    **kwargs
        Of the PyMC variable, such as ``shape`` and ``dims``.
    """
    import pymc as pm

    return pm.HalfStudentT(name, nu=df, sigma=1.0, default_transform=_near_normal(), **kwargs)


def _near_normal() -> Any:
    import pytensor.tensor as pt
    from pymc.logprob.transforms import Transform

    class NearNormal(Transform):  # type: ignore[misc]
        name = "near_normal"
        ndim_supp = 0
        starts_at_zero = True

        def forward(self, value: Any, *inputs: Any) -> Any:
            x = pt.log(value)
            return x / pt.sqrt((HALF_T_BEND + pt.sqrt(HALF_T_BEND**2 + x**2)) / 2)

        def backward(self, value: Any, *inputs: Any) -> Any:
            return pt.exp(value * pt.sqrt(HALF_T_BEND + value**2 / 4))

        def log_jac_det(self, value: Any, *inputs: Any) -> Any:
            root = pt.sqrt(HALF_T_BEND + value**2 / 4)
            return value * root + pt.log((HALF_T_BEND + value**2 / 2) / root)

    return NearNormal()
