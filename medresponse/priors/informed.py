"""Coordinates of normal coefficients that suit both what the prior and what the data say of each.

A coefficient of prior scale s mixes well as a multiple of s where the data say little of it, and as itself where they say
much; which it is changes with s, so that a fixed choice leaves either the small coefficients or the large ones, and with them
their scales, mixing badly (Papaspiliopoulos, Roberts & Sköld 2007, Stat Sci 22:59; Gorinova, Moore & Hoffman 2020, ICML). With
a rough estimate b and its standard error e, a coefficient is sampled as z in

    coefficient = m + d z,   m = b s^2 / (s^2 + e^2),   d = s e / sqrt(s^2 + e^2),

its mean and standard deviation given s if the estimate were all the data: z is then standard normal whatever s. The Jacobian d
is part of the density, so that any estimate gives the same posterior.
"""

from __future__ import annotations

from typing import Any


def informed(estimate: Any, error: Any) -> Any:
    """Return the transform of a `pymc.Normal` of mean zero, for its estimates and their standard errors."""
    import pytensor.tensor as pt
    from pymc.logprob.transforms import Transform

    def mean_and_sd(inputs: tuple[Any, ...]) -> tuple[Any, Any]:
        s = inputs[-1]  # those of the normal: generator, size, mean, standard deviation
        width = pt.sqrt(s**2 + error**2)
        return estimate * (s / width) ** 2, s * error / width

    class Informed(Transform):  # type: ignore[misc]
        name = "informed"
        ndim_supp = 0
        starts_at_zero = True

        def forward(self, value: Any, *inputs: Any) -> Any:
            mean, sd = mean_and_sd(inputs)
            return (value - mean) / sd

        def backward(self, value: Any, *inputs: Any) -> Any:
            mean, sd = mean_and_sd(inputs)
            return mean + sd * value

        def log_jac_det(self, value: Any, *inputs: Any) -> Any:
            return pt.log(mean_and_sd(inputs)[1]) + pt.zeros_like(value)

    return Informed()
