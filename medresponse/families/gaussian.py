"""Gaussian outcome on a declared scale, compressed exactly to sufficient statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import ndtr, ndtri

from medresponse.core.errors import DataError
from medresponse.core.estimand import Estimand
from medresponse.core.registry import register
from medresponse.families.base import Arrays, Family
from medresponse.priors import HalfNormal, ScalePrior

_Scale = Callable[[np.ndarray], np.ndarray]

_FORWARD: dict[str, _Scale] = {"identity": lambda v: v, "log": np.log, "sqrt": np.sqrt, "cbrt": np.cbrt}
_INVERSE: dict[str, _Scale] = {
    "identity": lambda z: z,
    "log": np.exp,
    "sqrt": lambda z: np.maximum(z, 0.0) ** 2,
    "cbrt": lambda z: np.maximum(z, 0.0) ** 3,
}


@register(Family, "gaussian")
@dataclass(frozen=True, kw_only=True)
class Gaussian:
    """Normal residuals on scale `scale` of the outcome; responses come back on the original scale.

    Parameters
    ----------
    scale : str
        ``identity``, ``log``, ``sqrt`` or ``cbrt`` (cube root). The mean response is E[Y | x] on the original scale, not the
        back-transformed mean, so it includes the residual variance.
    residual : ScalePrior
        Prior of the residual standard deviation, in units of the training outcome's standard deviation on
        `scale` (the one place where a prior looks at the data: it sets the unit, as in rstanarm).
    """

    scale: Literal["identity", "log", "sqrt", "cbrt"] = "identity"
    residual: ScalePrior = HalfNormal(sigma=1.0)

    outcome_kind: ClassVar[str] = "continuous"
    estimands: ClassVar[tuple[str, ...]] = ("mean",)
    parameters: ClassVar[tuple[str, ...]] = ("intercept", "sigma")

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``center`` and ``spread`` of the transformed training outcome."""
        z = self._transform(outcome["value"])
        return {"center": np.asarray(z.mean()), "spread": np.asarray(z.std(ddof=1))}

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return sd(y) / sqrt(n) on the model's scale."""
        return float(self._transform(outcome["value"]).std(ddof=1) / np.sqrt(len(outcome["value"])))

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return the transformed outcome, standardised."""
        z = self._transform(outcome["value"])
        return ((z - z.mean()) / z.std())[:, None]

    def observe(
        self, design: np.ndarray, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays
    ) -> Arrays:
        """Return the QR compression of [1 | design | y], whose size does not depend on the number of patients.

        ``||y - X b||^2 = ||Q'y - R b||^2 + rss``: the likelihood is unchanged, to rounding.
        """
        y = (self._transform(outcome["value"]) - constants["center"])[:, None]
        x = np.column_stack([np.ones(len(design)), design])
        triangle = np.linalg.qr(np.hstack([x, y]), mode="r")
        p = x.shape[1]
        padded = np.zeros((p + 1, p + 1))
        padded[: len(triangle)] = triangle
        return {
            "triangle": padded[:p, :p],
            "rotated": padded[:p, p],
            "residual_ss": np.asarray(padded[p, p] ** 2),
            "n_patients": np.asarray(float(len(design))),
            "center": np.asarray(constants["center"]),
            "spread": np.asarray(constants["spread"]),
        }

    def likelihood(self, coefficients: Any, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add intercept, residual scale and the likelihood; see `Family.likelihood`."""
        import pymc as pm
        import pytensor.tensor as pt

        alpha = pm.Normal("alpha", 0.0, 2.5)  # in outcome standard deviations, around the outcome's mean
        sigma = pm.Deterministic("sigma", data["spread"] * self.residual.sample("residual"))
        pm.Deterministic("intercept", data["center"] + data["spread"] * alpha)
        b = pt.concatenate([(data["spread"] * alpha)[None], coefficients])
        misfit = ((data["rotated"] - pt.dot(data["triangle"], b)) ** 2).sum() + data["residual_ss"]
        n = data["n_patients"]
        pm.Potential("likelihood", -n * pt.log(sigma) - misfit / (2 * sigma**2) - n / 2 * np.log(2 * np.pi))

    def response(
        self, estimand: Estimand, eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return E[Y | x] on the original scale; see `Family.response`."""
        mu, sigma = parameters["intercept"] + eta, parameters["sigma"]
        if self.scale == "identity":
            return mu
        if self.scale == "log":
            return np.exp(mu + sigma**2 / 2)
        # E[max(Z, 0)^2] and E[max(Z, 0)^3] for Z ~ N(mu, sigma): a root of a dose cannot be negative.
        ratio = mu / sigma
        density = np.exp(-(ratio**2) / 2) / np.sqrt(2 * np.pi)
        if self.scale == "sqrt":
            return (mu**2 + sigma**2) * ndtr(ratio) + mu * sigma * density
        return mu * (mu**2 + 3 * sigma**2) * ndtr(ratio) + (mu**2 + 2 * sigma**2) * sigma * density

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return outcomes on the original scale."""
        return _INVERSE[self.scale](parameters["intercept"] + eta + parameters["sigma"] * ndtri(uniform))

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods on the model's scale, shape (patient, draw)."""
        z = self._transform(outcome["value"])[:, None]
        sigma = parameters["sigma"]
        standard = (z - parameters["intercept"] - eta) / sigma
        return -0.5 * standard**2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)

    def _transform(self, value: np.ndarray) -> np.ndarray:
        lowest = {"identity": -np.inf, "log": np.nextafter(0, 1)}.get(self.scale, 0.0)
        bad = int((~(value >= lowest)).sum())
        if bad:
            raise DataError(
                f"the outcome's {self.scale} scale is not defined for {bad} row(s)", code="outcome_scale"
            )
        return _FORWARD[self.scale](value)
