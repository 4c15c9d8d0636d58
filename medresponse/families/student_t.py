"""Student-t outcome on a declared scale: a continuous outcome with outliers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import gammaln, stdtr, stdtrit

from medresponse.core.estimand import Estimand
from medresponse.core.links import Link, linked
from medresponse.core.registry import register
from medresponse.families.base import Arrays, Family, Predictor, add_intercept
from medresponse.families.companions import standardised
from medresponse.families.outcome_scale import from_scale, to_scale
from medresponse.priors import Gamma, HalfNormal, ScalePrior

_POWER = {"identity": 1, "sqrt": 2, "cbrt": 3}


@register(Family, "student_t")
@dataclass(frozen=True, kw_only=True)
class StudentT:
    """Student-t residuals on scale `scale` of the outcome; responses come back on the original scale.

    Few patients far from the rest pull neither the coefficients nor `sigma` (Lange, Little & Taylor 1989, J Am
    Stat Assoc 84:881). The degrees of freedom start at one more than the moment that the mean response needs:
    2 on the identity, 3 on the square root, 4 on the cube root.

    Parameters
    ----------
    scale : str
        ``identity``, ``sqrt`` or ``cbrt``. There is no ``log``: the exponential of a Student-t has no mean.
    residual : ScalePrior
        Prior of the residual scale `sigma`, in units of the spread of the training outcome on `scale` (1.4826 times
        its median absolute deviation, the standard deviation of a normal outcome).
    freedom : ScalePrior
        Prior of the degrees of freedom above their least value; Gamma(2, 0.1) is that of Juárez & Steel (2010, J Bus
        Econ Stat 28:52), with mean 20.

    Raises
    ------
    ValueError
        If the mean response does not exist on `scale`.
    """

    scale: Literal["identity", "sqrt", "cbrt"] = "identity"
    residual: ScalePrior = HalfNormal(sigma=1.0)
    freedom: ScalePrior = Gamma(shape=2.0, rate=0.1)

    outcome_kind: ClassVar[str] = "continuous"
    estimands: ClassVar[tuple[str, ...]] = ("mean",)
    parameters: ClassVar[tuple[str, ...]] = ("intercept", "sigma", "nu")

    def __post_init__(self) -> None:
        if self.scale not in _POWER:
            raise ValueError(
                f"scale {self.scale!r}: the mean of a student_t outcome exists on identity, sqrt and cbrt only; "
                "gaussian has a log scale"
            )

    def predictors(self, constants: Arrays) -> tuple[str, ...]:
        """Return the one nameless predictor."""
        return ("",)

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``center`` and ``spread`` of the transformed training outcome, which outliers do not move."""
        z = to_scale(outcome["value"], self.scale)
        return {"center": np.asarray(np.median(z)), "spread": np.asarray(_spread(z))}

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return spread / sqrt(n) on the model's scale."""
        return self.latent_sd(outcome) / float(np.sqrt(len(outcome["value"])))

    def latent_sd(self, outcome: Arrays) -> float:
        """Return the outcome's spread on the model's scale, the unit of the residual's prior."""
        return _spread(to_scale(outcome["value"], self.scale))

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return the transformed outcome, outliers drawn in to three spreads from the centre, standardised."""
        z = to_scale(outcome["value"], self.scale)
        score = 3 * np.tanh((z - np.median(z)) / (3 * _spread(z)))
        return standardised(score[:, None])

    def observe(self, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays) -> Arrays:
        """Return the transformed outcome with its centre and spread."""
        return {
            "transformed": to_scale(outcome["value"], self.scale),
            "center": np.asarray(constants["center"]),
            "spread": np.asarray(constants["spread"]),
        }

    def likelihood(self, predictor: Predictor, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add intercept, residual scale, degrees of freedom and the likelihood; see `Family.likelihood`."""
        import pymc as pm
        import pytensor.tensor as pt

        eta = predictor.eta
        # In spreads of the outcome, around its median.
        alpha = add_intercept("", eta, 2.5, unit=data["spread"])
        sigma = pm.Deterministic("sigma", data["spread"] * self.residual.sample("residual"))
        nu = pm.Deterministic("nu", _POWER[self.scale] + 1 + self.freedom.sample("freedom"))
        intercept = pm.Deterministic("intercept", data["center"] + data["spread"] * alpha)
        squared = ((data["transformed"] - intercept - eta) / sigma) ** 2
        constant = pt.gammaln((nu + 1) / 2) - pt.gammaln(nu / 2) - 0.5 * pt.log(np.pi * nu) - pt.log(sigma)
        pm.Potential("likelihood", squared.size * constant - (nu + 1) / 2 * pt.log1p(squared / nu).sum())

    def response(
        self, estimand: Estimand, eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return E[Y | x] on the original scale; see `Family.response`."""
        mu, sigma = parameters["intercept"] + eta, parameters["sigma"]
        if self.scale == "identity":
            return mu
        # E[max(Z, 0)^p] for Z = mu + sigma T: a root of a dose cannot be negative.
        moments = _upper_moments(-mu / sigma, parameters["nu"], _POWER[self.scale])
        if self.scale == "sqrt":
            return mu**2 * moments[0] + 2 * mu * sigma * moments[1] + sigma**2 * moments[2]
        return (
            mu**3 * moments[0]
            + 3 * mu**2 * sigma * moments[1]
            + 3 * mu * sigma**2 * moments[2]
            + sigma**3 * moments[3]
        )

    def link(self, estimand: Estimand, parameters: Arrays, constants: Arrays) -> Link | None:
        """Return the identity, None on the scale of roots; see `Linked`."""
        return linked("identity", parameters["intercept"]) if self.scale == "identity" else None

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return outcomes on the original scale."""
        residual = parameters["sigma"] * stdtrit(parameters["nu"], uniform)
        return from_scale(parameters["intercept"] + eta + residual, self.scale)

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods on the model's scale, shape (patient, draw)."""
        z = to_scale(outcome["value"], self.scale)[:, None]
        sigma, nu = parameters["sigma"], parameters["nu"]
        standard = (z - parameters["intercept"] - eta) / sigma
        constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(np.pi * nu) - np.log(sigma)
        return constant - (nu + 1) / 2 * np.log1p(standard**2 / nu)

    @property
    def intercept_name(self) -> str:
        """Name of the intercept."""
        return "intercept"

    @property
    def free(self) -> Mapping[str, ScalePrior]:
        """Residual scale in spreads of the outcome, and degrees of freedom above the least; see `Augmented`."""
        return {"residual": self.residual, "freedom": self.freedom}

    def intercept_prior(self, data: Arrays, constants: Arrays) -> tuple[float, float]:
        """Return the outcome's median and 2.5 of its spreads."""
        return float(constants["center"]), 2.5 * float(constants["spread"])

    def from_free(self, free: Mapping[str, float], constants: Arrays) -> dict[str, float]:
        """Return sigma and nu."""
        least = _POWER[self.scale] + 1
        return {"sigma": float(constants["spread"]) * free["residual"], "nu": least + free["freedom"]}

    def augment(
        self,
        mean: np.ndarray,
        outcome: Arrays,
        parameters: Mapping[str, float],
        constants: Arrays,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the transformed outcome and gamma-distributed precisions (Lange, Little & Taylor 1989, section 3)."""
        z, sigma, nu = to_scale(outcome["value"], self.scale), parameters["sigma"], parameters["nu"]
        weight = rng.gamma((nu + 1) / 2, 2 / (nu + ((z - mean) / sigma) ** 2))
        return z, weight / sigma**2


def _spread(z: np.ndarray) -> float:
    """Return 1.4826 median absolute deviations, or the standard deviation where over half the values are equal."""
    deviation = 1.4826 * float(np.median(np.abs(z - np.median(z))))
    return deviation if deviation > 0 else float(z.std(ddof=1))


def _upper_moments(a: np.ndarray, nu: np.ndarray, order: int) -> list[np.ndarray]:
    """Return E[T^k 1(T > a)] of a standard Student-t for k = 0 .. order (2 or 3), each of the shape of `a`.

    From ``t^2 f_nu = nu c_nu (1 + t^2 / nu)^(-(nu - 1) / 2) - nu f_nu``: the first term is a Student-t density with
    two degrees of freedom fewer.
    """
    log_c = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(np.pi * nu)
    density = np.exp(log_c - (nu + 1) / 2 * np.log1p(a**2 / nu))
    above = stdtr(nu, -a)
    fewer = stdtr(nu - 2, -a * np.sqrt((nu - 2) / nu))
    first = (nu + a**2) / (nu - 1) * density
    moments = [above, first, nu * ((nu - 1) / (nu - 2) * fewer - above)]
    if order == 3:
        moments.append(nu * (nu / (nu - 3) * (1 + a**2 / nu) ** 2 * density - first))
    return moments
