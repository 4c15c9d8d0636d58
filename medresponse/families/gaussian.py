"""Gaussian outcome on a declared scale, compressed exactly to sufficient statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from scipy.special import ndtr, ndtri

from medresponse.core.estimand import Estimand
from medresponse.core.links import Link, linked
from medresponse.core.registry import register
from medresponse.families.base import Arrays, Family, Predictor, add_intercept
from medresponse.families.outcome_scale import from_scale, to_scale
from medresponse.priors import HalfNormal, ScalePrior


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

    def predictors(self, constants: Arrays) -> tuple[str, ...]:
        """Return the one nameless predictor."""
        return ("",)

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``center`` and ``spread`` of the transformed training outcome."""
        z = self._transform(outcome["value"])
        return {"center": np.asarray(z.mean()), "spread": np.asarray(z.std(ddof=1))}

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return sd(y) / sqrt(n) on the model's scale."""
        return float(self._transform(outcome["value"]).std(ddof=1) / np.sqrt(len(outcome["value"])))

    def latent_sd(self, outcome: Arrays) -> float:
        """Return the outcome's standard deviation on the model's scale, the unit of the residual's prior."""
        return float(self._transform(outcome["value"]).std(ddof=1))

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return the transformed outcome, standardised."""
        z = self._transform(outcome["value"])
        return ((z - z.mean()) / z.std())[:, None]

    def observe(self, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays) -> Arrays:
        """Return the transformed outcome and its centre and spread."""
        return {
            "outcome": self._transform(outcome["value"]) - constants["center"],
            "center": np.asarray(constants["center"]),
            "spread": np.asarray(constants["spread"]),
        }

    def compress(
        self, design: np.ndarray, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays
    ) -> Arrays:
        """Return the QR compression of [1 | design | y], whose size does not depend on the number of patients.

        ``||y - X b||^2 = ||Q'y - R b||^2 + rss``: the likelihood is unchanged, to rounding.
        """
        rows = self.observe(outcome, treatment_idx, constants)
        x = np.column_stack([np.ones(len(design)), design])
        triangle = np.linalg.qr(np.column_stack([x, rows["outcome"]]), mode="r")
        p = x.shape[1]
        padded = np.zeros((p + 1, p + 1))
        padded[: len(triangle)] = triangle
        return {
            "triangle": padded[:p, :p],
            "rotated": padded[:p, p],
            "residual_ss": np.asarray(padded[p, p] ** 2),
            "n_patients": np.asarray(float(len(design))),
            "center": rows["center"],
            "spread": rows["spread"],
        }

    def estimates(self, compressed: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients by least squares, the shortest where they are not unique, and their standard errors.

        A standard error is sigma over the root of the column's sum of squares: of a site's level, sigma / sqrt(patients).
        """
        triangle = compressed["triangle"]
        solved = np.linalg.lstsq(triangle, compressed["rotated"], rcond=1e-8)[0]
        freedom = compressed["n_patients"] - len(triangle)
        sigma = np.sqrt(compressed["residual_ss"] / freedom)
        norms = np.sqrt((triangle[:, 1:] ** 2).sum(axis=0))
        smallest = 1e-6 * norms.max(initial=1.0)
        return solved[1:], sigma / np.maximum(norms, smallest)

    def likelihood(self, predictor: Predictor, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add intercept, residual scale and the likelihood; see `Family.likelihood`."""
        import pymc as pm
        import pytensor.tensor as pt

        # In outcome standard deviations, around the outcome's mean.
        if "triangle" in data:
            # The mean over patients, as in `add_intercept`; the first row of the triangle is that of the ones, so its ratios
            # are the columns' means.
            first = data["triangle"][0]
            shift = pt.dot(first[1:], predictor.coefficients) / first[0] / data["spread"]
            alpha = pm.Normal("mean", shift, 2.5, initval=0.0) - shift
        else:
            eta = predictor.eta
            alpha = add_intercept("", eta, 2.5, unit=data["spread"])
        sigma = pm.Deterministic("sigma", data["spread"] * self.residual.sample("residual"))
        pm.Deterministic("intercept", data["center"] + data["spread"] * alpha)
        if "triangle" in data:
            b = pt.concatenate([(data["spread"] * alpha)[None], predictor.coefficients])
            misfit = ((data["rotated"] - pt.dot(data["triangle"], b)) ** 2).sum() + data["residual_ss"]
            n = data["n_patients"]
        else:
            misfit = ((data["outcome"] - data["spread"] * alpha - eta) ** 2).sum()
            n = data["outcome"].shape[0]
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

    def link(self, estimand: Estimand, parameters: Arrays, constants: Arrays) -> Link | None:
        """Return the identity or the log, None on the scale of roots; see `Linked`."""
        if self.scale == "identity":
            return linked("identity", parameters["intercept"])
        if self.scale == "log":
            return linked("log", parameters["intercept"] + parameters["sigma"] ** 2 / 2)
        return None

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return outcomes on the original scale."""
        return from_scale(parameters["intercept"] + eta + parameters["sigma"] * ndtri(uniform), self.scale)

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

    @property
    def residual_sigma(self) -> float | None:
        """Scale of the residual's half-normal prior; see `Compressing`."""
        return self.residual.sigma if isinstance(self.residual, HalfNormal) else None

    @property
    def intercept_name(self) -> str:
        """Name of the intercept."""
        return "intercept"

    @property
    def free(self) -> Mapping[str, ScalePrior]:
        """Residual standard deviation in units of the outcome's; see `Augmented`."""
        return {"residual": self.residual}

    def intercept_prior(self, data: Arrays, constants: Arrays) -> tuple[float, float]:
        """Return the outcome's mean and 2.5 of its standard deviations."""
        return float(constants["center"]), 2.5 * float(constants["spread"])

    def from_free(self, free: Mapping[str, float], constants: Arrays) -> dict[str, float]:
        """Return sigma."""
        return {"sigma": float(constants["spread"]) * free["residual"]}

    def augment(
        self,
        mean: np.ndarray,
        outcome: Arrays,
        parameters: Mapping[str, float],
        constants: Arrays,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the transformed outcome itself and 1 / sigma^2."""
        return self._transform(outcome["value"]), np.full(len(mean), parameters["sigma"] ** -2)

    def _transform(self, value: np.ndarray) -> np.ndarray:
        return to_scale(value, self.scale)
