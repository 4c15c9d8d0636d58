"""Binary outcome with a logit link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, logit

from medresponse.core.estimand import Estimand
from medresponse.core.links import Link, linked
from medresponse.core.registry import register
from medresponse.families.augmented import polya_gamma
from medresponse.families.base import Arrays, Family, Predictor, add_intercept
from medresponse.families.canonical import CanonicalRows
from medresponse.families.companions import standardised
from medresponse.priors import ScalePrior


@register(Family, "bernoulli")
@dataclass(frozen=True, kw_only=True)
class Bernoulli:
    """Event or not; `eta` is a log odds ratio, higher means that the event is more probable.

    ``logit P(event) = intercept + eta``. The intercept, the log odds of the average patient, is normal with sd 2
    around the training data's crude log odds. Where a feature separates events from non-events the coefficients
    stay finite: their priors hold them.
    """

    outcome_kind: ClassVar[str] = "binary"
    estimands: ClassVar[tuple[str, ...]] = ("probability",)
    parameters: ClassVar[tuple[str, ...]] = ("intercept",)

    def predictors(self, constants: Arrays) -> tuple[str, ...]:
        """Return the one nameless predictor."""
        return ("",)

    def learn(self, outcome: Arrays) -> dict[str, np.ndarray]:
        """Return ``crude``, the log odds of the event with half an event added on either side."""
        value = outcome["value"]
        return {"crude": np.asarray(logit((value.sum() + 0.5) / (len(value) + 1)))}

    def unit_information_sd(self, outcome: Arrays) -> float:
        """Return 1 / sqrt(n p (1 - p)), with p the share of events."""
        value = outcome["value"]
        information = value.sum() * (1 - value.mean())
        return float(
            1 / np.sqrt(max(information, 0.5))
        )  # nobody, or everybody, with the event: half a patient

    def latent_sd(self, outcome: Arrays) -> float:
        """Return pi / sqrt(3), the standard deviation of a logistic variable."""
        return float(np.pi / np.sqrt(3))

    def companions(self, outcome: Arrays) -> np.ndarray:
        """Return the event indicator, standardised."""
        return standardised(outcome["value"][:, None].astype(float))

    def observe(self, outcome: Arrays, treatment_idx: np.ndarray, constants: Arrays) -> Arrays:
        """Return the event indicator and the crude log odds."""
        return {"event": outcome["value"].astype(float), "crude": np.asarray(constants["crude"])}

    def likelihood(self, predictor: Predictor, data: Mapping[str, Any], *, contrasts: np.ndarray) -> None:
        """Add the intercept and the likelihood; see `Family.likelihood`."""
        import pymc as pm
        import pytensor.tensor as pt

        eta = predictor.eta
        log_odds = pm.Deterministic("intercept", data["crude"] + add_intercept("", eta, 2.0)) + eta
        pm.Potential("likelihood", pt.dot(data["event"], log_odds) - pt.softplus(log_odds).sum())

    def rows(self, data: Arrays) -> CanonicalRows:
        """Return the likelihood of what `observe` gave; see `Rowwise`."""
        return CanonicalRows("logit", data["event"], np.ones(len(data["event"])), float(data["crude"]))

    def response(
        self, estimand: Estimand, eta: np.ndarray, parameters: Arrays, constants: Arrays
    ) -> np.ndarray:
        """Return the probability of the event; see `Family.response`."""
        return expit(parameters["intercept"] + eta)

    def link(self, estimand: Estimand, parameters: Arrays, constants: Arrays) -> Link | None:
        """Return the logit; see `Linked`."""
        return linked("logit", parameters["intercept"])

    def simulate(
        self, eta: np.ndarray, parameters: Arrays, constants: Arrays, uniform: np.ndarray
    ) -> np.ndarray:
        """Return 1 for the event, 0 for none."""
        return (uniform < expit(parameters["intercept"] + eta)).astype(float)

    def log_likelihood(
        self,
        eta: np.ndarray,
        outcome: Arrays,
        treatment_idx: np.ndarray,
        parameters: Arrays,
        constants: Arrays,
    ) -> np.ndarray:
        """Return pointwise log-likelihoods, shape (patient, draw)."""
        log_odds = parameters["intercept"] + eta
        return outcome["value"][:, None] * log_odds - np.logaddexp(0.0, log_odds)

    @property
    def intercept_name(self) -> str:
        """Name of the intercept."""
        return "intercept"

    @property
    def free(self) -> Mapping[str, ScalePrior]:
        """Nothing but the intercept; see `Augmented`."""
        return {}

    def intercept_prior(self, data: Arrays, constants: Arrays) -> tuple[float, float]:
        """Return the crude log odds and 2."""
        return float(constants["crude"]), 2.0

    def from_free(self, free: Mapping[str, float], constants: Arrays) -> dict[str, float]:
        """Return nothing."""
        return {}

    def augment(
        self,
        mean: np.ndarray,
        outcome: Arrays,
        parameters: Mapping[str, float],
        constants: Arrays,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(y - 1/2) / w`` and w from PG(1, mean) (Polson, Scott & Windle 2013, section 3.1)."""
        precision = polya_gamma(mean, rng)
        return (outcome["value"] - 0.5) / precision, precision
